# Copyright (c) mmregioncl contributors. All rights reserved.
"""Detection configs: the recipes; test_mmdetection_runs.py runs them."""
from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / 'configs' / 'benchmarks' / 'mmdetection'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
LARGE = [name for name in NAMES if '_r50' in name]

# What the authors' logs of detectron2 say (logs/RegionCLM/ of their
# repository): lr, batch, iterations, steps, shorter sides and longest side in
# training, scale in testing.
SIDES = list(range(640, 801, 32))
RECIPES = {
    'mask-rcnn_r50-c4_1x_coco':
    (.02, 16, 90000, [60000, 80000], SIDES, 1200, (1333, 800)),
    'mask-rcnn_r50-c4_2x_coco':
    (.02, 16, 180000, [120000, 160000], SIDES, 1200, (1333, 800)),
    'mask-rcnn_r50-fpn_1x_coco':
    (.02, 16, 90000, [60000, 80000], SIDES, 1333, (1333, 800)),
    'mask-rcnn_r50-fpn_2x_coco':
    (.02, 16, 180000, [120000, 160000], SIDES, 1333, (1333, 800)),
    'retinanet_r50-fpn_1x_coco': (.01, 16, 90000, [60000, 80000], SIDES, 1333,
                                  (1333, 800)),
    'retinanet_r50-fpn_2x_coco': (.01, 16, 180000, [120000, 160000], SIDES,
                                  1333, (1333, 800)),
    'mask-rcnn_r50-fpn_24k_cityscapes': (.01, 8, 24000, [18000],
                                         list(range(800, 1025,
                                                    32)), 2048, (2048, 1024)),
}


@functools.cache  # a second for each; nobody changes them
def load(name: str) -> Any:
    from mmengine.config import Config
    return Config.fromfile(FOLDER / f'{name}.py', import_custom_modules=False)


def test_every_large_config_has_a_recipe() -> None:
    assert LARGE == sorted(RECIPES)


@pytest.mark.parametrize('name', LARGE)
def test_recipe(name: str) -> None:
    cfg = load(name)
    lr, batch, iters, steps, sides, longest, test_scale = RECIPES[name]
    optimizer = dict(type='SGD', lr=lr, momentum=0.9, weight_decay=1e-4)
    assert cfg.optim_wrapper == dict(
        type='OptimWrapper',  # no AMP, no clipping
        optimizer=optimizer,
        paramwise_cfg=dict(norm_decay_mult=0.))
    assert cfg.train_dataloader.batch_size * 8 == batch
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=batch)
    # one evaluation, at the end
    assert cfg.train_cfg == dict(
        type='IterBasedTrainLoop', max_iters=iters, val_interval=iters)
    assert cfg.param_scheduler[0] == dict(
        type='LinearLR', start_factor=.001, by_epoch=False, begin=0, end=1001)
    assert cfg.param_scheduler[1] == dict(
        type='MultiStepLR', by_epoch=False, milestones=steps, gamma=.1)
    resize, = [
        each for each in cfg.train_dataloader.dataset.pipeline
        if each.type == 'RandomChoiceResize'
    ]
    assert resize.scales == [(longest, side) for side in sides]
    resize, = [
        each for each in cfg.val_dataloader.dataset.pipeline
        if each.type == 'Resize'
    ]
    assert resize.scale == test_scale
    precise = cfg.custom_hooks[1]
    assert precise == dict(type='PreciseBNHook', num_iters=200)
    model = cfg.model
    assert model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert model.data_preprocessor.std == [58.395, 57.12, 57.375]
    assert model.data_preprocessor.bgr_to_rgb
    assert (model.backbone.type, model.backbone.style) == ('ResNet', 'pytorch')
    norms = [model.backbone.norm_cfg]
    if 'c4' in name:
        head = model.roi_head.shared_head
        assert (head.type, head.style) == ('ResLayerExtraNorm', 'pytorch')
        assert not head.norm_eval and head.init_cfg.prefix == 'backbone.'
        norms.append(head.norm_cfg)
        assert [
            model[f'{part}_cfg'][key][count]
            for part, key, count in (('train', 'rpn_proposal', 'nms_pre'),
                                     ('train', 'rpn_proposal', 'max_per_img'),
                                     ('test', 'rpn', 'nms_pre'),
                                     ('test', 'rpn', 'max_per_img'))
        ] == [12000, 2000, 6000, 1000]
    else:
        norms.append(model.neck.norm_cfg)
    assert norms == [dict(type='SyncBN', requires_grad=True)] * 2
    if 'retinanet' in name:
        assert model.neck.relu_before_extra_convs
        assert model.bbox_head.loss_bbox.type == 'L1Loss'
        assert (model.bbox_head.loss_cls.alpha,
                model.bbox_head.loss_cls.gamma) == (.25, 2.)
    else:
        classes = 8 if 'cityscapes' in name else 80
        assert model.roi_head.bbox_head.num_classes == classes
        assert model.roi_head.mask_head.num_classes == classes
        assert not model.train_cfg.rcnn.assigner.match_low_quality
        assert model.train_cfg.rpn.allowed_border == -1


@pytest.mark.parametrize('name', NAMES)
def test_nothing_is_frozen_and_all_is_checked(name: str) -> None:
    cfg = load(name)
    assert cfg.default_scope == 'mmdet'
    assert 'mmregioncl.transfer' in cfg.custom_imports.imports
    assert not cfg.custom_imports.allow_failed_imports
    backbone = cfg.model.backbone
    assert backbone.frozen_stages == -1 and not backbone.norm_eval
    assert backbone.norm_cfg.requires_grad
    assert backbone.init_cfg == dict(
        type='Pretrained', checkpoint='WEIGHTS', prefix='backbone.')
    assert cfg.get('load_from') is None
    gate, precise = cfg.custom_hooks
    assert gate == dict(
        type='CheckPretrainedHook',
        **(dict(shared_head='roi_head.shared_head') if 'c4' in name else {}))
    assert precise.type == 'PreciseBNHook'
    assert cfg.auto_scale_lr.base_batch_size in (8, 16)


def test_lr_of_every_iteration() -> None:
    """detectron2's WarmupMultiStepLR, through all of the shortest schedule."""
    from mmengine.optim import LinearLR, MultiStepLR
    cfg = load('mask-rcnn_r50-fpn_24k_cityscapes')
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], .01)
    warm_up, steps = (dict(each) for each in cfg.param_scheduler)
    assert (warm_up.pop('type'), steps.pop('type')) == ('LinearLR',
                                                        'MultiStepLR')
    schedulers = LinearLR(optimizer,
                          **warm_up), MultiStepLR(optimizer, **steps)
    for step in range(cfg.train_cfg.max_iters):
        expected = .001 if step >= 18000 else .01
        if step < 1000:
            expected *= .001 * (1 - step / 1000) + step / 1000
        assert abs(optimizer.param_groups[0]['lr'] / expected - 1) < 1e-9
        optimizer._step_count = step + 1  # or torch warns
        for each in schedulers:
            each.step()
