# Copyright (c) mmregioncl contributors. All rights reserved.
"""Every pretraining config builds in a process that knows nothing of us."""
from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: F401  heavy; the children inherit it

REPO = Path(__file__).resolve().parents[1]
CONFIGS = sorted(
    path.relative_to(REPO / 'configs').as_posix()
    for folder in ('configs', 'configs/small')
    for path in (REPO / folder).glob('*.py'))


def build(name: str) -> None:
    """What a run builds before its first batch."""
    import sys
    assert 'mmregioncl.register' not in sys.modules
    from mmengine.config import Config
    cfg = Config.fromfile(REPO / 'configs' / name)  # custom_imports
    from mmcv.transforms import Compose
    from mmengine.registry import init_default_scope
    from mmselfsup.registry import HOOKS, MODELS, OPTIMIZERS
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    assert model.backbone is not None
    Compose(cfg.train_dataloader.dataset.pipeline)
    assert cfg.default_hooks.health.type == 'HealthHook'
    for hook in (*cfg.custom_hooks, cfg.default_hooks.health):
        HOOKS.build({k: v for k, v in hook.items() if k != 'priority'})
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    OPTIMIZERS.build(
        dict(cfg.optim_wrapper.optimizer),
        default_args=dict(params=parameters))
    assert cfg.auto_scale_lr.base_batch_size > 0
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_epochs


@pytest.mark.parametrize('name', CONFIGS)
def test_builds_in_a_fresh_process(name: str) -> None:
    if 'fork' not in multiprocessing.get_all_start_methods():
        pytest.skip('needs fork: a spawned process imports torch for each')
    # This module imports torch alone; whoever ran in this process before may
    # have imported more, hence a server that is forked off once, clean.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['torch', 'cv2', 'mmengine'])
    child = context.Process(target=build, args=(name, ))
    child.start()
    child.join(120)
    assert child.exitcode == 0


def test_twins_differ_in_the_region_term_only() -> None:
    """A RegionCL config inherits from its twin: equal budget, equal data."""
    from mmengine.config import Config
    names = [n for n in CONFIGS if n.startswith('small/regioncl_')]
    assert len(names) == len(CONFIGS) - len(names) - len(
        [n for n in CONFIGS if '/' not in n])
    for name in names:
        ours, twin = (
            Config.fromfile(
                REPO / 'configs' / each, import_custom_modules=False)
            for each in (name, name.replace('regioncl_', '')))
        for key in set(ours) | set(twin):
            if key != 'model':
                assert ours.get(key) == twin.get(key), (name, key)
        assert ours.model.type == f'RegionCL{twin.model.type}'
        assert ours.model.backbone == twin.model.backbone
        assert set(ours.model) - set(twin.model) == {
            'region_swap', 'region_loss_weight'
        }


def test_the_papers_run() -> None:
    """recipes.md 1.1, value for value."""
    from mmengine.config import Config
    cfg = Config.fromfile(
        REPO / 'configs/regioncl_mocov2_r50.py', import_custom_modules=False)
    assert cfg.train_dataloader.batch_size * 8 == 1024
    assert cfg.train_dataloader.drop_last
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.15, momentum=0.9, weight_decay=1e-4)
    assert cfg.train_cfg.max_epochs == 200
    schedule, = cfg.param_scheduler
    assert (schedule.type, schedule.T_max, schedule.by_epoch) == (
        'CosineAnnealingLR', 200, True)
    assert 'eta_min' not in schedule and not schedule.get(
        'convert_to_iter_based')
    model = cfg.model
    assert (model.queue_len, model.feat_dim, model.momentum) == (65536, 128,
                                                                 0.999)
    assert model.head.temperature == 0.2
    assert model.backbone.norm_cfg == dict(type='BN')
    assert model.region_loss_weight == 1
    assert (model.region_swap.stride, model.region_swap.cells) == (32, (3, 5))
    assert (model.neck.hid_channels, model.neck.out_channels) == (2048, 128)
    crop, jitter, grey, blur, flip = cfg.view_pipeline
    assert (crop.size, crop.scale) == (224, (0.2, 1.))
    assert jitter.prob == 0.8
    assert jitter.transforms[0] == dict(
        type='ColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1)
    assert grey.prob == 0.2 and flip.prob == 0.5
    assert (blur.sigma_min, blur.sigma_max, blur.prob) == (0.1, 2.0, 0.5)


MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
FAN_IN = dict(type='Kaiming', layer='Linear', mode='fan_in')
EVERY = {
    'model.data_preprocessor.mean': MEAN,
    'model.data_preprocessor.std': STD,
    'model.data_preprocessor.bgr_to_rgb': True,
    'model.backbone.depth': 50,
    'model.region_swap.stride': 32,
    'model.region_swap.cells': (3, 5),
    'model.region_loss_weight': 1,
    'optim_wrapper.optimizer.momentum': 0.9,
    'train_cfg.max_epochs': 200,
    'randomness.seed': 0,
    'train_dataloader.drop_last': True,
}
SGD = {
    'optim_wrapper.optimizer.type': 'SGD',
    'optim_wrapper.optimizer.weight_decay': 1e-4,
    'param_scheduler.0.type': 'CosineAnnealingLR',
    'param_scheduler.0.by_epoch': True,
    'param_scheduler.0.T_max': 200,
}
LARS = {
    'optim_wrapper.optimizer.type': 'LARS',
    'optim_wrapper.optimizer.weight_decay': 1e-6,
    'optim_wrapper.paramwise_cfg.custom_keys.bn.lars_exclude': True,
    'optim_wrapper.paramwise_cfg.custom_keys.bias.decay_mult': 0,
    'param_scheduler.0.start_factor': 1e-4,
    'param_scheduler.0.end': 10,
    'param_scheduler.1.T_max': 190,
}
# recipes.md, sections 1.1 to 1.3, and MMSelfSup's BYOL and SimCLR
RECIPES: dict[str, dict] = {
    'mocov2': SGD | {
        'optim_wrapper.optimizer.lr': 0.15,
        'train_dataloader.batch_size': 128,
        'model.backbone.norm_cfg.type': 'BN',
        'model.backbone.init_cfg.0.mode': 'fan_in',
        'model.neck.init_cfg': FAN_IN,
        'model.region_swap.sampler': 'grid',
        'model.region_swap.scope': 'batch',
        'default_hooks.checkpoint.interval': 10,
    },
    'densecl': SGD | {
        'optim_wrapper.optimizer.lr': 0.15,
        'train_dataloader.batch_size': 128,
        'model.backbone.norm_cfg.type': 'BN',
        'model.queue_len': 65536,
        'model.momentum': 0.999,
        'model.loss_lambda': 0.5,
        'model.region_under_lambda': False,
        'model.head.temperature': 0.2,
        'model.neck.num_grid': None,
    },
    'simsiam': SGD | {
        'optim_wrapper.optimizer.lr': 0.05,
        'train_dataloader.batch_size': 32,
        'model.backbone.norm_cfg.type': 'SyncBN',
        'model.backbone.zero_init_residual': True,
        'model.neck.num_layers': 3,
        'model.neck.out_channels': 2048,
        'model.neck.with_last_bn_affine': False,
        'model.head.predictor.hid_channels': 512,
        'optim_wrapper.paramwise_cfg.custom_keys.predictor.fix_lr': True,
    },
    'byol': LARS | {
        'optim_wrapper.optimizer.lr': 4.8,
        'optim_wrapper.accumulative_counts': 4,
        'train_dataloader.batch_size': 128,
        'auto_scale_lr.base_batch_size': 4096,
        'model.base_momentum': 0.99,
        'model.neck.hid_channels': 4096,
        'model.neck.out_channels': 256,
    },
    'simclr': LARS | {
        'optim_wrapper.optimizer.lr': 0.3,
        'train_dataloader.batch_size': 32,
        'auto_scale_lr.base_batch_size': 256,
        'model.backbone.zero_init_residual': True,
        'model.head.temperature': 0.1,
    },
}


@pytest.mark.parametrize('host', RECIPES)
def test_recipes(host: str) -> None:
    from mmengine.config import Config
    cfg = Config.fromfile(
        REPO / f'configs/regioncl_{host}_r50.py', import_custom_modules=False)
    for path, value in (EVERY | RECIPES[host]).items():
        part: Any = cfg
        for name in path.split('.'):
            part = part[int(name)] if name.isdigit() else part[name]
        assert part == value, path
