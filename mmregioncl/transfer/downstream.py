# Copyright (c) mmregioncl contributors. All rights reserved.
"""Put pretrained weights into the config of a detector or segmentor."""
from __future__ import annotations

import os
from typing import Any

from .backbone import find_backbone
from .pretrained_source import read_source
from .safe_load import load_checkpoint_file

RANDOM = 'random'


def set_weights(cfg: Any, checkpoint: str) -> str:
    """Let a downstream model start from pretrained weights.

    The file is opened and searched for its backbone now, so that a bad one is
    refused before anything is built. It becomes the backbone's ``init_cfg``
    and, where there is one, that of ``roi_head.shared_head``, the C4
    detector's last stage. A config without CheckPretrainedHook gets it.

    Args:
        cfg (mmengine.Config): The config; changed in place.
        checkpoint (str): A training checkpoint or an exported backbone;
            ``'random'`` for random values, to compare with.

    Returns:
        str: What was found, in one line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or holds no backbone that MMEngine takes,
            or if the config has no model.backbone.
    """
    model = cfg.get('model', {})
    if 'backbone' not in model:
        raise ValueError(
            f'{cfg.filename} has no model.backbone to put weights into; give '
            'the config of a detector, a segmentor or a classifier')
    modules = [model.backbone]
    gate = dict(type='CheckPretrainedHook')
    if (model.get('roi_head') or {}).get('shared_head'):
        modules.append(model.roi_head.shared_head)
        gate['shared_head'] = 'roi_head.shared_head'
    if model.get('pretrained') is not None:
        model.pretrained = None  # mmseg lets it win over init_cfg
    cfg.load_from = None  # a whole model; it would come after the backbone
    hooks = list(cfg.get('custom_hooks') or [])
    if not any(hook['type'] == gate['type'] for hook in hooks):
        hooks.append(gate)
    if checkpoint == RANDOM:
        for module in modules:
            module.pop('init_cfg', None)
        cfg.custom_hooks = [
            dict(hook, required=False)
            if hook['type'] == gate['type'] else hook for hook in hooks
        ]
        return 'random weights, as asked for'
    cfg.custom_hooks = hooks
    path = os.path.abspath(os.path.expanduser(checkpoint))
    found = find_backbone(load_checkpoint_file(path), path)
    prefix = found.prefix or None
    read_source(path, prefix)  # what MMEngine would take
    for module in modules:
        module.init_cfg = dict(
            type='Pretrained', checkpoint=path, prefix=prefix)
    return (f'{found.layout} of {found.method} below {found.prefix!r} in '
            f'{path}')


def revert_sync_bn(cfg: Any) -> int:
    """Let several processes without a GPU train what says SyncBN.

    SyncBN exists on GPUs only. For one process MMEngine makes it plain BN by
    itself; for several on CPUs it is done here, and statistics are of each
    process's own batch then.

    Args:
        cfg (mmengine.Config): The config; changed in place.

    Returns:
        int: How many settings were changed.
    """
    count = 0
    parts: list[Any] = [cfg.model]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if part.get('type') == 'SyncBN':
                part['type'] = 'BN'
                count += 1
            parts += list(part.values())
        elif isinstance(part, (list, tuple)):
            parts += list(part)
    return count
