# Copyright (c) mmregioncl contributors. All rights reserved.
"""Put pretrained weights into the config of a detector or segmentor."""
from __future__ import annotations

import os
from typing import Any

from torch import nn

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


def own_predictions(cfg: Any) -> None:
    """Keep what Cityscapes' evaluation writes in the run's own folder.

    MMDetection's config names one folder for all runs, and each empties it
    when it starts.

    Args:
        cfg (mmengine.Config): The config; changed in place.
    """
    for name in ('val_evaluator', 'test_evaluator'):
        metrics = cfg.get(name) or []
        for metric in [metrics] if isinstance(metrics, dict) else metrics:
            if metric.get('type') == 'CityScapesMetric':
                metric['outfile_prefix'] = f'{cfg.work_dir}/predictions'


def check_whole_model(model: nn.Module, path: str) -> None:
    """Refuse a checkpoint that would leave parts of a model at random.

    MMEngine loads what fits and evaluates the rest as it was initialised.

    Args:
        model (nn.Module): The model, not wrapped.
        path (str): A checkpoint of it.

    Raises:
        ValueError: If a tensor is missing or has another shape.
    """
    checkpoint = load_checkpoint_file(path)
    found = {
        name.removeprefix('module.'): value
        for name, value in checkpoint.get('state_dict', checkpoint).items()
    }
    wanted = {
        name: value
        for name, value in model.state_dict().items()
        if not name.endswith('num_batches_tracked')
    }
    bad = [
        name for name, value in wanted.items()
        if getattr(found.get(name), 'shape', None) != value.shape
    ]
    if bad:
        raise ValueError(
            f'{path} has not {len(bad)} of the {len(wanted)} tensors of the '
            f'model, or in another shape, first {bad[0]}: give the checkpoint '
            'that fine-tuning with this config wrote. A backbone alone is for '
            'train_downstream.py')
