# Copyright (c) mmregioncl contributors. All rights reserved.
"""``--cfg-options KEY=VALUE``: as MMEngine reads them, and looked at.

Light to import, as :mod:`mmregioncl.launch` is.
"""
from __future__ import annotations

import argparse
import difflib
import inspect
import os
from collections.abc import Iterable, Sequence
from typing import Any

# Settings that MMEngine's Runner takes from the config itself, and the one
# that load_config spreads over the data sets.
_BESIDE = ('sync_bn', 'compile', 'find_unused_parameters', 'model_wrapper_cfg',
           'activation_checkpointing', 'efficient_conv_bn_eval', 'data_root')


class CfgOptions(argparse.Action):
    """As ``mmengine.DictAction``, but a path stays what it is.

    DictAction takes spaces out, makes a list of what holds a comma, and a
    number of a folder that is called 2024.
    """

    def __call__(self,
                 parser: argparse.ArgumentParser,
                 namespace: argparse.Namespace,
                 values: str | Sequence[Any] | None,
                 option_string: str | None = None) -> None:
        from mmengine.config import DictAction
        options = dict(getattr(namespace, self.dest) or {})
        for each in values or ():
            key, sign, text = each.partition('=')
            if not sign:
                parser.error(f'{option_string} takes KEY=VALUE, got {each!r}')
            try:
                options[key] = (
                    text.strip('\'"') if _is_text(key, text) else
                    DictAction._parse_iterable(text))
            except AssertionError as error:  # brackets that do not match
                parser.error(f'{option_string} {each}: {error}')
        setattr(namespace, self.dest, options)


def _is_text(key: str, text: str) -> bool:
    if key.rpartition('.')[2] == 'data_root':
        return True
    if text.startswith(('[', '(')):
        return False
    return os.sep in text or ' ' in text and ',' not in text


def as_text(value: Any) -> str:
    """A value as :class:`CfgOptions` reads it.

    Args:
        value (Any): A number, a text, or a list or tuple of such.

    Returns:
        str: What stands behind ``KEY=``.

    Example:
        >>> as_text((1, 2)), as_text(0.5)
        ('(1,2)', '0.5')
    """
    if isinstance(value, (list, tuple)):
        begin, end = '[]' if isinstance(value, list) else '()'
        return begin + ','.join(map(str, value)) + end
    return str(value)


def check_names(keys: Iterable[str], cfg: Any) -> None:
    """Refuse options that nothing would read.

    Args:
        keys (Iterable[str]): Names of settings, parts joined by dots.
        cfg (mmengine.Config): The config, before they are merged.

    Raises:
        ValueError: If the first part of one is no setting of a run.
    """
    from mmengine.runner import Runner
    known = {*inspect.signature(Runner).parameters, *_BESIDE}
    for key in keys:
        first = key.partition('.')[0]
        if first in known:
            continue
        if first in cfg:
            raise ValueError(
                f'--cfg-options {key}: {first} is a variable of the config, '
                'which has been used up by now; set what it was used for, '
                'for instance train_cfg.max_epochs')
        near = difflib.get_close_matches(first, known, 3)
        hint = (f'did you mean {" or ".join(near)}?'
                if near else f'there are {", ".join(sorted(known))}')
        raise ValueError(f'--cfg-options {key}: a run has no setting {first}; '
                         f'{hint}')
