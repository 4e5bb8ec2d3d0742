# Copyright (c) mmregioncl contributors. All rights reserved.
"""Models of the zoo by name."""
from __future__ import annotations

import difflib
import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from .download import download_checkpoint, file_sha256
from .model_index import PACKAGE, ModelEntry, find_index, read_index

if TYPE_CHECKING:
    from torch import nn


def list_models(pattern: str | None = None,
                pretrained: bool = False) -> list[str]:
    """Names that :func:`get_model` takes: one per config.

    Args:
        pattern (str, optional): Shell-style, such as ``'*_cifar10'``.
            Defaults to None, all.
        pretrained (bool): Only those with published weights. Defaults to
            False.

    Returns:
        list[str]: In alphabetical order.

    Example:
        >>> list_models('regioncl_mocov2_r50')
        ['regioncl_mocov2_r50']
    """
    return [
        name for name, entry in read_index(find_index()).items()
        if fnmatch.fnmatchcase(name, pattern or '*') and (
            entry.weights or not pretrained)
    ]


def get_model(name: str,
              pretrained: bool = False,
              backbone: bool = True) -> nn.Module:
    """Build a model of the zoo.

    Args:
        name (str): One of :func:`list_models`.
        pretrained (bool): Load the published weights, verified by checksum:
            from ``zoo/`` of a clone, else by download into torch.hub's
            folder. Defaults to False: as the constructor leaves it, before
            ``init_weights()``.
        backbone (bool): The backbone alone, which is what pretraining is
            for, and what is published. False gives the whole algorithm
            with neck, head and queue. Defaults to True.

    Returns:
        nn.Module: In evaluation mode. A backbone takes images in RGB,
        normalised as the ``data_preprocessor`` of its config does, and
        returns a tuple of feature maps.

    Raises:
        ValueError: If there is no such model, or it has no weights.

    Shape:
        - backbone: (N, 3, H, W) -> tuple of (N, C, h, w)
    """
    entries = read_index(find_index())
    if name not in entries:
        near = difflib.get_close_matches(name, entries, 5, 0.4)
        hint = (f'did you mean {", ".join(near)}?'
                if near else 'list_models() has the names')
        raise ValueError(f'no model {name!r}; {hint}')
    entry = entries[name]
    if pretrained:
        _check_published(entry, backbone)
    from mmengine.config import Config
    from mmengine.registry import MODELS, DefaultScope
    cfg = Config.fromfile(entry.config)  # runs its custom_imports
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        model = MODELS.build(cfg.model.backbone if backbone else cfg.model)
    if pretrained:
        from mmregioncl.evaluation.load_backbone import load_backbone
        load_backbone(model, str(fetch_weights(entry)))
    model.eval()  # not returned: mmcls has a train() that returns None
    return model


def _check_published(entry: ModelEntry, backbone: bool) -> None:
    """Say what there is before anything is built."""
    if entry.weights is None:
        have = list_models(pretrained=True)
        raise ValueError(
            f'{entry.name} has no published weights; ' +
            (f'those that have: {", ".join(have)}'
             if have else 'no model has yet') +
            '. pretrained=False builds it; tools/train.py trains it')
    if not backbone:
        raise ValueError(
            f'pretrained=True, backbone=False: of {entry.name} the backbone '
            'is published, not the neck, which would keep random weights. '
            'Leave out backbone=False')


def fetch_weights(entry: ModelEntry) -> Path:
    """The file with an entry's weights, verified.

    Args:
        entry (ModelEntry): One with weights.

    Returns:
        Path: The file of the clone that we run from, or the downloaded one.

    Raises:
        ValueError: If the file is not the published one.
        OSError: If it cannot be fetched.
    """
    assert entry.weights is not None and entry.sha256 is not None
    local = PACKAGE.parent / 'zoo' / entry.weights.rsplit('/', 1)[-1]
    if not local.is_file():
        return download_checkpoint(entry.weights, entry.sha256)
    found = file_sha256(local)
    if found != entry.sha256:
        raise ValueError(
            f'{local} is not the published file: its sha256 is {found}, '
            f'{entry.sha256} is expected. Check it out again, with Git LFS '
            'if it is a pointer, or remove it to have it downloaded')
    return local
