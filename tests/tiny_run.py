# Copyright (c) mmregioncl contributors. All rights reserved.
"""A run of MMSelfSup's MoCo that takes a second, for tests to vary."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

CLASSES = 'blue', 'green', 'red'
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]

EVAL_PIPELINE: list[dict] = [
    dict(type='LoadImageFromFile'),
    dict(type='mmcls.ResizeEdge', scale=18, edge='short'),
    dict(type='CenterCrop', crop_size=16),
    dict(type='PackLabelledImage'),
]
TRAIN_PIPELINE: list[dict] = [
    dict(type='LoadImageFromFile'),
    dict(
        type='MultiView',
        num_views=2,
        transforms=[[dict(type='RandomResizedCrop', size=16)]]),
    dict(type='PackSelfSupInputs', meta_keys=['img_path']),
]


def write_images(root: Path, per_class: int, contrast: int = 120) -> Path:
    """Noise in one of three colours: a class is one colour."""
    random = np.random.default_rng(0)
    for channel, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            size = 16 + number % 5
            image = random.integers(0, 120, (size, size + 2, 3), np.uint8)
            image[..., channel] += contrast
            cv2.imwrite(str(root / name / f'{number:03}.png'), image)
    return root


def loader(root: Path, **settings: Any) -> dict:
    """Settings of a data loader of labelled, plain images."""
    return dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
        dataset=dict(
            type='ImageFolder',
            data_root=str(root),
            with_label=True,
            pipeline=EVAL_PIPELINE)) | settings


def moco() -> dict:
    """MMSelfSup's own MoCo v2 on a narrow ResNet-18."""
    return dict(
        type='MoCo',
        queue_len=16,
        feat_dim=8,
        data_preprocessor=dict(mean=MEAN, std=STD, bgr_to_rgb=True),
        backbone=dict(
            type='mmcls.ResNet_CIFAR',
            depth=18,
            base_channels=8,
            stem_channels=8,
            norm_cfg=dict(type='BN')),
        neck=dict(
            type='MoCoV2Neck',
            in_channels=64,
            hid_channels=16,
            out_channels=8,
            with_avg_pool=True),
        head=dict(
            type='ContrastiveHead',
            loss=dict(type='mmcls.CrossEntropyLoss'),
            temperature=0.2))


def regioncl_moco() -> dict:
    """RegionCL-M on the same network: 2 x 2 cells of 8 pixels."""
    cfg = moco()
    return cfg | dict(
        type='RegionCLMoCo',
        neck=cfg['neck'] | dict(type='RegionMoCoV2Neck'),
        head=dict(type='RegionContrastiveHead'),
        region_swap=dict(stride=8, cells=(1, 1)))


def config(root: Path, work_dir: Path) -> dict:
    """A pretraining config: 3 classes, k-NN after each of 2 epochs."""
    return dict(
        default_scope='mmselfsup',
        custom_imports=dict(
            imports=['mmregioncl.register'], allow_failed_imports=False),
        work_dir=str(work_dir),
        model=moco(),
        train_dataloader=loader(root) | dict(
            drop_last=True,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(
                type='ImageFolder',
                data_root=str(root),
                pipeline=TRAIN_PIPELINE)),
        train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=1),
        optim_wrapper=dict(
            type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        val_dataloader=loader(root),
        val_evaluator=dict(type='KNNMetric', k=3),
        val_cfg=dict(type='KNNLoop', bank_dataloader=loader(root)),
        default_hooks=dict(
            checkpoint=dict(
                type='CheckpointHook', interval=2, save_best='knn/top1')),
        custom_hooks=[dict(type='ValidateAtStartHook')],
        visualizer=dict(
            type='SelfSupVisualizer',
            vis_backends=[dict(type='LocalVisBackend')],
            name='visualizer'),
        log_processor=dict(
            by_epoch=True, mean_pattern=r'.*(loss|acc|time|grad_norm).*'),
        env_cfg=dict(dist_cfg=dict(backend='nccl')),
        randomness=dict(seed=0))


def evaluation_config(root: Path, work_dir: Path) -> dict:
    """For ``runner.val()``, which MMEngine's save_best cannot stand."""
    cfg = config(root, work_dir)
    del cfg['default_hooks'], cfg['custom_hooks']
    return cfg


def build_runner(cfg: dict) -> Any:
    """A runner, joined with the other processes as tools/train.py does."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    import mmregioncl.register  # noqa: F401
    from mmregioncl.cpu_distributed import prepare_without_gpu
    full = Config(cfg)
    if full.get('launcher', 'none') != 'none':
        prepare_without_gpu(full)
    return Runner.from_cfg(full)
