# Copyright (c) mmregioncl contributors. All rights reserved.
"""How others name the tensors of a ResNet, as data."""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class KeyStyle:
    """Where a kind of checkpoint keeps its encoders.

    A leading ``module.`` (DistributedDataParallel) may come before both.

    Args:
        name (str): Whose checkpoints look like this.
        query (str): Prefix of the ResNet that is trained by gradients.
        key (str, optional): Prefix of its slowly moving copy, which is never
            exported. Defaults to None.
    """

    name: str
    query: str
    key: str | None = None


# Order matters: the authors' code holds its query encoder twice, and the
# alias `backbone.` must not hide which host it is.
KEY_STYLES = (
    KeyStyle('OpenSelfSup (the authors\' code, WXinlong/DenseCL)',
             'encoder_q.0.', 'encoder_k.0.'),
    KeyStyle('facebookresearch/moco (also CoinCheung/DenseCL)', 'encoder_q.',
             'encoder_k.'),
    KeyStyle('MoCo with a wrapped backbone', 'encoder_q.backbone.',
             'encoder_k.backbone.'),
    KeyStyle('MMSelfSup', 'backbone.', 'encoder_k.module.0.'),
    KeyStyle('MMSelfSup', 'backbone.', 'target_net.module.0.'),
    KeyStyle('facebookresearch/simsiam', 'encoder.'),
    KeyStyle('facebookresearch/moco-v3', 'base_encoder.', 'momentum_encoder.'),
    KeyStyle('torchvision or timm', ''),
)

# A tensor that every ResNet has and few others do.
PROBE = 'layer1.0.conv1.weight'

# The first of these found among the keys names the method.
_METHOD_MARKS = (
    ('queue2', 'DenseCL'),
    ('queue_dense', 'DenseCL'),
    ('queue', 'MoCo'),
    ('momentum_encoder.', 'MoCo v3'),
    ('target_net.', 'BYOL'),
    ('predictor.', 'SimSiam'),
    ('head.fc.', 'classification'),
    ('fc.weight', 'classification'),
)


def find_style(keys: Iterable[str]) -> tuple[KeyStyle, str] | None:
    """The style of these keys and the exact prefix of the query encoder.

    Args:
        keys (Iterable[str]): Keys of a state dict.

    Returns:
        tuple[KeyStyle, str] | None: Style and prefix (with ``module.`` where
        the keys have it), or None if no style fits.
    """
    keys = set(keys)
    found = [(style, ddp + style.query) for style in KEY_STYLES
             for ddp in ('', 'module.') if ddp + style.query + PROBE in keys]
    for style, prefix in found:
        if style.key and key_prefix(style, prefix) + PROBE in keys:
            return style, prefix
    # No momentum copy in it (SimSiam, a classifier, an exported backbone).
    return found[0] if found else None


def key_prefix(style: KeyStyle, query_prefix: str) -> str:
    """Prefix of the momentum encoder beside a query encoder."""
    ddp = query_prefix[:len(query_prefix) - len(style.query)]
    return ddp + (style.key or '')


def is_key_prefix(prefix: str) -> bool:
    """Whether this prefix names a momentum encoder."""
    bare = prefix.removeprefix('module.').rstrip('.') + '.'
    return any(style.key == bare for style in KEY_STYLES)


def find_method(keys: Iterable[str], config: str = '') -> str:
    """Name the method a checkpoint was trained with.

    Args:
        keys (Iterable[str]): Keys of its state dict.
        config (str): Text of the config in an MMEngine checkpoint's meta.
            Defaults to ''.
    """
    named = re.search(r"'(RegionCL\w+)'", config)
    if named:
        return named.group(1)
    keys = list(keys)
    for mark, method in _METHOD_MARKS:
        if any(mark in key for key in keys):
            return method
    return 'unknown'


def list_prefixes(keys: Iterable[str], limit: int = 8) -> str:
    """The first two parts of the keys, for an error message."""
    prefixes: list[str] = []
    for key in keys:
        prefix = '.'.join(str(key).split('.')[:2])
        if prefix not in prefixes:
            prefixes.append(prefix)
    text = ', '.join(f'{prefix}*' for prefix in prefixes[:limit])
    return text + (', ...' if len(prefixes) > limit else '')
