# Copyright (c) mmregioncl contributors. All rights reserved.
"""What make_dry changes; tests/benchmarks runs the outcome."""
from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from mmregioncl.datasets.demo_solids import CLASSES
from mmregioncl.transfer import dry_run
from mmregioncl.transfer.dry_run import make_dry


def config(kind: str) -> Config:

    def loader(**dataset: object) -> dict:
        return dict(
            batch_size=16,
            num_workers=4,
            dataset=dict(
                type=kind,
                data_root='data/large/',
                ann_file='many.json',
                pipeline=[
                    dict(type='Resize', scale=(1333, 800)),
                    dict(type='RandomChoiceResize', scales=[(1200, 640)]),
                    dict(type='CenterCrop', crop_size=224)
                ],
                **dataset))

    return Config(
        dict(
            work_dir='here',
            model=dict(
                data_preprocessor=dict(size=(512, 1024)),
                head=dict(
                    num_classes=80, anchor_generator=dict(scales=[2, 4])),
                rpn=dict(num_classes=1),
                test_cfg=dict(nms_pre=1000, score_thr=.05, max_per_img=100)),
            train_dataloader=loader(),
            val_dataloader=loader(test_mode=True),
            test_dataloader=loader(test_mode=True),
            val_evaluator=[
                dict(type='CocoMetric', ann_file='many.json'),
                dict(type='CityScapesMetric', seg_prefix='truth')
            ],
            train_cfg=dict(max_iters=90000, val_interval=90000),
            custom_hooks=[dict(type='PreciseBNHook', num_iters=200)],
            default_hooks=dict(logger=dict(interval=50))))


def demo(root: Path, *layouts: str) -> str:
    for layout in layouts:
        (root / layout).mkdir()
        (root / layout / 'META.json').touch()
    return str(root)


def test_coco(tmp_path: Path) -> None:
    cfg = config('CocoDataset')
    make_dry(cfg, demo(tmp_path, 'coco'), iterations=3)
    train, val = cfg.train_dataloader, cfg.val_dataloader
    assert train.dataset.data_root == f'{tmp_path}/coco/'
    assert train.dataset.ann_file == 'annotations/instances_train.json'
    assert val.dataset.ann_file == 'annotations/instances_val.json'
    assert val.dataset.data_prefix.img == 'images/val/'
    assert (train.batch_size, train.num_workers) == (2, 0)
    assert 'indices' not in train.dataset and val.dataset.indices == 3
    assert cfg.val_evaluator[
        0].ann_file == f'{tmp_path}/coco/annotations/instances_val.json'
    resize, choice, crop = train.dataset.pipeline
    assert (resize.scale, choice.scales) == ((166, 100), [(150, 80)])
    assert crop.crop_size == 28
    assert cfg.model.data_preprocessor.size == (64, 128)
    assert cfg.model.head.num_classes == 8
    assert cfg.model.rpn.num_classes == 1
    assert cfg.model.head.anchor_generator.scales == (2, 4)
    assert cfg.model.test_cfg == dict(nms_pre=100, score_thr=0, max_per_img=20)
    assert cfg.custom_hooks[0].num_iters == 1
    assert cfg.train_cfg == dict(max_iters=3, val_interval=3)


def test_cityscapes_keeps_its_classes(tmp_path: Path) -> None:
    cfg = config('CityscapesDataset')
    make_dry(cfg, demo(tmp_path, 'cityscapes'))
    assert cfg.model.head.num_classes == 80
    assert cfg.train_dataloader.dataset.ann_file == 'many.json'
    coco, cityscapes = cfg.val_evaluator
    assert 'instancesonly_filtered_gtFine_val.json' in coco.ann_file
    assert cityscapes.seg_prefix == f'{tmp_path}/cityscapes/gtFine/val'


def test_epochs_become_one_of_few_images(tmp_path: Path) -> None:
    cfg = config('mmselfsup.ImageFolder')
    cfg.train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=5)
    make_dry(cfg, demo(tmp_path, 'folders'), iterations=3)
    assert cfg.train_cfg == dict(by_epoch=True, max_epochs=1, val_interval=1)
    assert cfg.train_dataloader.dataset.indices == 3 * 2
    assert cfg.train_dataloader.dataset.data_prefix == 'train'
    assert cfg.val_dataloader.dataset.data_prefix == 'val'


def test_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='make_demo_data.py'):
        make_dry(config('CocoDataset'), str(tmp_path))
    with pytest.raises(ValueError, match='no dry run of a VOCDataset'):
        make_dry(config('VOCDataset'), str(tmp_path))


def test_classes_are_those_of_the_scenes() -> None:
    assert dry_run.CLASSES == CLASSES
