# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from mmengine.config import Config

from mmregioncl.transfer.downstream import (check_whole_model, own_predictions,
                                            set_weights)
from mmregioncl.transfer.resnet_layout import ResNetLayout
from tests.transfer.conftest import Tensors

SaveStyle = Callable[..., tuple[Path, Tensors]]


def detector(**model: Any) -> Config:
    return Config(
        dict(
            model=dict(
                backbone=dict(
                    type='ResNet',
                    init_cfg=dict(type='Pretrained', checkpoint='other.pth')),
                **model),
            load_from='whole_model.pth'))


@pytest.mark.parametrize('style, prefix', [
    ('mmselfsup', 'backbone.'),
    ('moco', 'module.encoder_q.'),
    ('simsiam', 'module.encoder.'),
    ('torchvision', None),
])
def test_finds_the_backbone_of_each_style(style: str, prefix: str | None,
                                          tiny: ResNetLayout,
                                          save_style: SaveStyle) -> None:
    path, _ = save_style(style, tiny)
    cfg = detector(pretrained='torchvision://resnet50')
    line = set_weights(cfg, str(path))
    assert 'ResNet-18' in line and str(path) in line
    assert cfg.model.backbone.init_cfg == dict(
        type='Pretrained', checkpoint=str(path), prefix=prefix)
    assert cfg.model.pretrained is None and cfg.load_from is None
    assert cfg.custom_hooks == [dict(type='CheckPretrainedHook')]


def test_c4_gets_both_parts(tiny: ResNetLayout, save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    cfg = detector(roi_head=dict(shared_head=dict(type='ResLayerExtraNorm')))
    set_weights(cfg, str(path))
    head = cfg.model.roi_head.shared_head
    assert head.init_cfg == cfg.model.backbone.init_cfg
    assert cfg.custom_hooks == [
        dict(type='CheckPretrainedHook', shared_head='roi_head.shared_head')
    ]


def test_a_gate_that_is_there_stays(tiny: ResNetLayout,
                                    save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    cfg = detector()
    cfg.custom_hooks = [dict(type='CheckPretrainedHook', module='backbone')]
    set_weights(cfg, str(path))
    assert cfg.custom_hooks == [
        dict(type='CheckPretrainedHook', module='backbone')
    ]


def test_random() -> None:
    cfg = detector(pretrained='torchvision://resnet50')
    assert 'random' in set_weights(cfg, 'random')
    assert 'init_cfg' not in cfg.model.backbone
    assert cfg.model.pretrained is None and cfg.load_from is None
    assert cfg.custom_hooks == [
        dict(type='CheckPretrainedHook', required=False)
    ]


def test_refuses(tmp_path: Path, tiny: ResNetLayout,
                 save_style: SaveStyle) -> None:
    with pytest.raises(FileNotFoundError, match='gone.pth does not exist'):
        set_weights(detector(), 'gone.pth')
    torch.save(dict(fc=torch.zeros(1)), tmp_path / 'head.pth')
    with pytest.raises(ValueError, match='no backbone'):
        set_weights(detector(), str(tmp_path / 'head.pth'))
    path, _ = save_style('mmselfsup', tiny)
    (tmp_path / 'cut.pth').write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match='cut'):
        set_weights(detector(), str(tmp_path / 'cut.pth'))
    # MMEngine looks into `state_dict` only, so this would load nothing
    state = torch.load(path, weights_only=True)['state_dict']
    torch.save(dict(model=state), tmp_path / 'nested.pth')
    with pytest.raises(ValueError, match='no tensors where.*tools/export.py'):
        set_weights(detector(), str(tmp_path / 'nested.pth'))
    with pytest.raises(ValueError, match='no model.backbone'):
        set_weights(Config(dict(model=dict(type='X'))), str(path))


def test_each_run_has_its_own_predictions() -> None:
    cityscapes = dict(type='CityScapesMetric', outfile_prefix='shared')
    coco = dict(type='CocoMetric', outfile_prefix='x')
    cfg = Config(
        dict(
            work_dir='mine',
            val_evaluator=[dict(coco), dict(cityscapes)],
            test_evaluator=dict(cityscapes)))
    own_predictions(cfg)
    assert cfg.val_evaluator[0].outfile_prefix == 'x'
    assert cfg.val_evaluator[1].outfile_prefix == 'mine/predictions'
    assert cfg.test_evaluator.outfile_prefix == 'mine/predictions'
    own_predictions(Config(dict(work_dir='mine')))  # nothing to change


@pytest.mark.parametrize('change, message', [
    (lambda tensors: None, None),
    (lambda tensors: tensors.pop('1.num_batches_tracked'), None),
    (lambda tensors: tensors.update(other=torch.ones(1)), None),
    (lambda tensors: tensors.pop('0.weight'), '1 of the 6 .*first 0.weight'),
    (lambda tensors: tensors.update({'0.bias': torch.ones(9)}),
     '1 of the 6 .*first 0.bias'),
])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_only_a_whole_model_is_evaluated(change: Any, message: str | None,
                                         prefix: str, tmp_path: Path) -> None:
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    tensors = dict(model.state_dict())
    change(tensors)
    path = tmp_path / 'a.pth'
    torch.save(
        dict(state_dict={prefix + key: each
                         for key, each in tensors.items()}), path)
    if message is None:
        check_whole_model(model, str(path))
    else:
        with pytest.raises(ValueError, match=message):
            check_whole_model(model, str(path))
