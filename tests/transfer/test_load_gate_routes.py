# Copyright (c) mmregioncl contributors. All rights reserved.
"""The gate where weights come another way than by the backbone's init_cfg."""
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Callable

import pytest
import torch
from torch import nn

import mmregioncl.transfer  # noqa: F401  (as custom_imports does)
from mmregioncl.transfer.load_gate import CheckPretrainedHook
from mmregioncl.transfer.pretrained_source import locate
from mmregioncl.transfer.resnet_layout import ResNetLayout
from tests.transfer.conftest import Tensors, random_tensors, with_prefix
from tests.transfer.skeletons import (GATE, Skeleton, SkeletonModel, init_cfg,
                                      make_runner, read_log, train_gated)

SaveStyle = Callable[..., tuple[Path, Tensors]]


def test_load_from(tiny: ResNetLayout, tmp_path: Path,
                   save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    log = train_gated(tiny, None, tmp_path, load_from=str(path))
    assert f'120/120 backbone tensors loaded from {path}' in log
    path, _ = save_style('authors', tiny)
    # Its alias `backbone.` is the query encoder.
    assert '120/120' in train_gated(
        tiny, None, tmp_path / 'b', load_from=str(path))


def test_load_from_a_wrapped_model(tiny: ResNetLayout, tmp_path: Path) -> None:
    """MMEngine strips DDP's `module.` here, and for init_cfg it does not."""
    path = tmp_path / 'ddp.pth'
    torch.save(with_prefix('module.backbone.', random_tensors(tiny)), path)
    assert '120/120' in train_gated(tiny, None, tmp_path, load_from=str(path))
    with pytest.raises(ValueError, match="prefix='module.backbone.'"):
        train_gated(tiny, init_cfg(path), tmp_path / 'b')


def test_load_from_wins_over_init_cfg(tiny: ResNetLayout,
                                      tmp_path: Path) -> None:
    for seed in (0, 1):
        torch.save(
            with_prefix('backbone.', random_tensors(tiny, seed)),
            tmp_path / f'{seed}.pth')
    log = train_gated(
        tiny,
        init_cfg(tmp_path / '0.pth'),
        tmp_path,
        load_from=str(tmp_path / '1.pth'))
    assert f'120/120 backbone tensors loaded from {tmp_path}/1.pth' in log


def test_resume_is_not_compared(tiny: ResNetLayout, tmp_path: Path,
                                save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    # Resuming with nothing to resume from is a start like any other.
    assert '120/120' in train_gated(
        tiny, init_cfg(path), tmp_path, resume=True)
    for log in (tmp_path / 'run').rglob('*.log'):
        log.unlink()
    log = train_gated(
        tiny,
        init_cfg(path),
        tmp_path,
        resume=True,
        train_cfg=dict(by_epoch=True, max_epochs=2))
    assert 'resumed at iteration 2' in log
    assert '120/120' not in log


def test_c4_counts_318(tmp_path: Path, save_style: SaveStyle) -> None:
    """ResNet-50 in two places: up to res4, and res5 as shared head."""
    layout = ResNetLayout(50, stem_channels=4, base_channels=4)
    path, _ = save_style('mmselfsup', layout)
    parts = ('conv1', 'bn1', 'layer1', 'layer2', 'layer3')

    def model(head_cfg: dict | None) -> SkeletonModel:
        head = Skeleton(layout, head_cfg, ('layer4', ))
        head.norm = nn.BatchNorm2d(128)  # new, and not in the file
        return SkeletonModel(Skeleton(layout, init_cfg(path), parts), head)

    gate = dict(GATE, shared_head='roi_head.shared_head')
    make_runner(model(init_cfg(path)), tmp_path / 'run', [gate]).train()
    assert '318/318 backbone tensors' in read_log(tmp_path / 'run')
    # Without shared_head= only the backbone is compared, and the line says so.
    make_runner(model(None), tmp_path / 'run3', [GATE]).train()
    assert 'ends before layer4' in read_log(tmp_path / 'run3')
    with pytest.raises(RuntimeError, match='60 of 318.*layer4'):
        make_runner(model(None), tmp_path / 'run2', [gate]).train()


def test_torchvision_address(r18: ResNetLayout, tmp_path: Path,
                             monkeypatch: pytest.MonkeyPatch) -> None:
    from mmengine.runner.checkpoint import get_torchvision_models
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    url = get_torchvision_models()['resnet18']
    cached = tmp_path / 'hub' / 'checkpoints' / url.rsplit('/', 1)[1]
    cached.parent.mkdir(parents=True)
    torch.save(random_tensors(r18), cached)
    log = train_gated(r18, init_cfg('torchvision://resnet18', None), tmp_path)
    assert f'120/120 backbone tensors loaded from {cached}' in log


def test_other_storage_is_named() -> None:
    with pytest.raises(ValueError, match='s3://bucket'):
        locate('s3://bucket/w.pth')


def test_testing_does_not_check() -> None:
    runner = SimpleNamespace(optim_wrapper=None, _resume=False)
    CheckPretrainedHook().before_run(runner)  # does not even look for a model
