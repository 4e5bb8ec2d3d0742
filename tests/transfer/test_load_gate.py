# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from torch import nn

import mmregioncl.transfer  # noqa: F401  (as custom_imports does)
from mmregioncl.transfer.export import export_backbone
from mmregioncl.transfer.load_gate import CheckPretrainedHook
from mmregioncl.transfer.resnet_layout import ResNetLayout
from tests.transfer.conftest import (Tensors, random_tensors,
                                     styled_checkpoint, with_prefix)
from tests.transfer.skeletons import (Skeleton, SkeletonModel, make_runner,
                                      read_log)

SaveStyle = Callable[..., tuple[Path, Tensors]]
GATE = dict(type='CheckPretrainedHook')


def init_cfg(path: Path | str, prefix: str | None = 'backbone.') -> dict:
    cfg = dict(type='Pretrained', checkpoint=str(path))
    return cfg if prefix is None else dict(cfg, prefix=prefix)


def train(layout: ResNetLayout, cfg: Any, work_dir: Path,
          hooks: list[Any] | None = None, **settings: Any) -> str:
    """Train with the gate; returns the log."""
    model = SkeletonModel(Skeleton(layout, cfg))
    make_runner(model, work_dir / 'run', hooks or [GATE], **settings).train()
    return read_log(work_dir / 'run')


def test_prints_the_line(tiny: ResNetLayout, tmp_path: Path,
                         save_style: SaveStyle) -> None:
    path, query = save_style('mmselfsup', tiny)
    out = export_backbone(path).path
    log = train(tiny, init_cfg(out), tmp_path)
    digest = hashlib.sha256(Path(out).read_bytes()).hexdigest()
    n = len(query)
    assert (f'{n}/{n} backbone tensors loaded from {out} (sha256 {digest})'
            in log)


@pytest.mark.parametrize('target, file_format, prefix', [
    ('mmengine', 'safetensors', 'backbone.'), ('torchvision', 'pth', None),
    ('mmdet', 'pth', None)])
def test_other_exports(target: str, file_format: str, prefix: str | None,
                       r18: ResNetLayout, tmp_path: Path,
                       save_style: SaveStyle) -> None:
    if target == 'mmdet':
        pytest.importorskip('mmdet.models', exc_type=ImportError)
    path, _ = save_style('mmselfsup', r18)
    out = export_backbone(path, target, file_format=file_format).path
    assert '120/120 backbone tensors' in train(r18, init_cfg(out, prefix),
                                               tmp_path)


def test_raw_training_checkpoint(tiny: ResNetLayout, tmp_path: Path) -> None:
    """Goes into init_cfg with its message hub, optimizer and all."""
    checkpoint = styled_checkpoint('mmselfsup', random_tensors(tiny),
                                   random_tensors(tiny, 1))
    buffer = HistoryBuffer()
    buffer.update(1.)
    checkpoint['message_hub'] = dict(log_scalars=dict(loss=buffer),
                                     runtime_info=dict(best=np.float64(1)))
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    log = train(tiny, init_cfg(tmp_path / 'epoch_1.pth'), tmp_path)
    assert '120/120 backbone tensors' in log


@pytest.mark.parametrize('style, prefix', [
    ('authors', 'encoder_q.0.'), ('moco', 'module.encoder_q'),
    ('classifier', 'backbone'), ('torchvision', None)])
def test_other_styles_directly(style: str, prefix: str | None,
                               tiny: ResNetLayout, tmp_path: Path,
                               save_style: SaveStyle) -> None:
    path, _ = save_style(style, tiny)
    assert '120/120' in train(tiny, init_cfg(path, prefix), tmp_path)


def test_half_precision_file(tiny: ResNetLayout, tmp_path: Path,
                             save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    out = export_backbone(path, half=True).path
    assert '120/120' in train(tiny, init_cfg(out), tmp_path)


def test_file_without_batch_counts(tiny: ResNetLayout,
                                   tmp_path: Path) -> None:
    tensors = {key: value for key, value in random_tensors(tiny).items()
               if not key.endswith('num_batches_tracked')}
    torch.save(tensors, tmp_path / 'old.pth')
    assert '100/100' in train(tiny, init_cfg(tmp_path / 'old.pth', None),
                              tmp_path)


# --- the five failures of issue 4 -------------------------------------------


@pytest.mark.parametrize('style, prefix, cure', [
    ('mmselfsup', None, "prefix='backbone.'"),
    ('mmselfsup', 'model.', "prefix='backbone.'"),
    ('authors', 'encoder.', "prefix='encoder_q.0.'"),
    ('moco', 'backbone.', "prefix='module.encoder_q.'"),
    ('torchvision', 'backbone.', 'the top'),
])
def test_wrong_prefix(style: str, prefix: str | None, cure: str,
                      tiny: ResNetLayout, tmp_path: Path,
                      save_style: SaveStyle) -> None:
    path, _ = save_style(style, tiny)
    with pytest.raises(ValueError, match='wrong prefix') as error:
        train(tiny, init_cfg(path, prefix), tmp_path)
    assert cure in str(error.value)


@pytest.mark.parametrize('style, prefix', [
    ('mmselfsup', 'encoder_k.module.0.'), ('authors', 'encoder_k.0'),
    ('moco', 'module.encoder_k.')])
def test_key_encoder_by_prefix(style: str, prefix: str, tiny: ResNetLayout,
                               tmp_path: Path, save_style: SaveStyle) -> None:
    path, _ = save_style(style, tiny)
    with pytest.raises(ValueError, match=r'key \(momentum\) encoder'):
        train(tiny, init_cfg(path, prefix), tmp_path)


class LoadFromElsewhere(Hook):
    """Something that puts other weights in, after init_cfg did its work."""

    priority = 'VERY_HIGH'

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors

    def before_train(self, runner: Any) -> None:
        runner.model.backbone.load_state_dict(self.tensors, strict=False)


def test_key_encoder_by_value(tiny: ResNetLayout, tmp_path: Path,
                              save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    other = LoadFromElsewhere(random_tensors(tiny, 1))
    with pytest.raises(RuntimeError, match=r'key \(momentum\) encoder'):
        train(tiny, init_cfg(path), tmp_path, [GATE, other])


def test_deep_stem(tiny: ResNetLayout, tmp_path: Path,
                   save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    model = SkeletonModel(Skeleton(tiny, init_cfg(path), deep_stem=True))
    with pytest.raises(ValueError, match="ResNetV1c.*type='ResNet'"):
        make_runner(model, tmp_path / 'run', [GATE]).train()


def test_deep_stem_of_mmseg(tmp_path: Path, save_style: SaveStyle) -> None:
    backbones = pytest.importorskip('mmseg.models.backbones',
                                    exc_type=ImportError)
    layout = ResNetLayout(18, 3, 16, 16)
    path, _ = save_style('mmselfsup', layout)
    model = SkeletonModel(backbones.ResNetV1c(
        depth=18, stem_channels=16, base_channels=16, pretrained=None,
        init_cfg=init_cfg(path)))
    with pytest.raises(ValueError, match='ResNetV1c'):
        make_runner(model, tmp_path / 'run', [GATE]).train()


def test_truncated(tiny: ResNetLayout, tmp_path: Path,
                   save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match='cut short'):
        train(tiny, init_cfg(path), tmp_path)


@pytest.mark.parametrize('file_depth, model_depth',
                         [(18, 34), (34, 18), (34, 50), (50, 34), (101, 50),
                          (50, 101)])
def test_another_depth(file_depth: int, model_depth: int, tmp_path: Path,
                       save_style: SaveStyle) -> None:
    # From 101 to 50 every tensor of the model is in the file, shapes and all.
    path, _ = save_style('mmselfsup', ResNetLayout(file_depth, 3, 4, 4))
    with pytest.raises(ValueError, match=f'another depth.*ResNet-{file_depth}'
                       f'.*ResNet-{model_depth}'):
        train(ResNetLayout(model_depth, 3, 4, 4), init_cfg(path), tmp_path)


# --- other ways to go wrong --------------------------------------------------


def test_another_width(tiny: ResNetLayout, r18: ResNetLayout, tmp_path: Path,
                       save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    with pytest.raises(ValueError, match="'conv1.weight' has the shape"):
        train(r18, init_cfg(path), tmp_path)


def test_missing_tensor(tiny: ResNetLayout, tmp_path: Path) -> None:
    tensors = random_tensors(tiny)
    del tensors['layer4.1.bn2.running_var']
    torch.save(with_prefix('backbone.', tensors), tmp_path / 'w.pth')
    with pytest.raises(ValueError, match='1 backbone tensors are missing.*'
                       'layer4.1.bn2.running_var'):
        train(tiny, init_cfg(tmp_path / 'w.pth'), tmp_path)


class Forgetful(Skeleton):
    """A backbone that does not heed its init_cfg."""

    def init_weights(self) -> None:
        pass


def test_left_at_initial_values(tiny: ResNetLayout, tmp_path: Path,
                                save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    model = SkeletonModel(Forgetful(tiny, init_cfg(path)))
    with pytest.raises(RuntimeError, match='120 of 120.*initial values'):
        make_runner(model, tmp_path / 'run', [GATE]).train()


@pytest.mark.parametrize('name', ['layer3.0.conv1.weight', 'bn1.running_var',
                                  'layer4.1.bn2.num_batches_tracked'])
def test_a_single_tensor(name: str, tiny: ResNetLayout, tmp_path: Path,
                         save_style: SaveStyle) -> None:
    path, query = save_style('mmselfsup', tiny)
    other = LoadFromElsewhere({name: query[name] + 1})
    with pytest.raises(RuntimeError, match=f'1 of 120.*{name}'):
        train(tiny, init_cfg(path), tmp_path, [GATE, other])


def test_no_file_named(tiny: ResNetLayout, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='no pretrained weights'):
        train(tiny, None, tmp_path)
    log = train(tiny, None, tmp_path / 'b', [dict(GATE, required=False)])
    assert 'starts from random values' in log


def test_missing_file(tiny: ResNetLayout, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        train(tiny, init_cfg(tmp_path / 'nowhere.pth'), tmp_path)


def test_no_such_module(tiny: ResNetLayout, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the model has no 'image_encoder'"):
        train(tiny, None, tmp_path, [dict(GATE, module='image_encoder')])


# --- load_from, resume, C4, storage ------------------------------------------


def test_load_from(tiny: ResNetLayout, tmp_path: Path,
                   save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    log = train(tiny, None, tmp_path, load_from=str(path))
    assert f'120/120 backbone tensors loaded from {path}' in log
    path, _ = save_style('authors', tiny)
    # Its alias `backbone.` is the query encoder.
    assert '120/120' in train(tiny, None, tmp_path / 'b', load_from=str(path))


def test_load_from_wins_over_init_cfg(tiny: ResNetLayout,
                                      tmp_path: Path) -> None:
    for seed in (0, 1):
        torch.save(with_prefix('backbone.', random_tensors(tiny, seed)),
                   tmp_path / f'{seed}.pth')
    log = train(tiny, init_cfg(tmp_path / '0.pth'), tmp_path,
                load_from=str(tmp_path / '1.pth'))
    assert f'120/120 backbone tensors loaded from {tmp_path}/1.pth' in log


def test_resume_is_not_compared(tiny: ResNetLayout, tmp_path: Path,
                                save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    # Resuming with nothing to resume from is a start like any other.
    assert '120/120' in train(tiny, init_cfg(path), tmp_path, resume=True)
    for log in (tmp_path / 'run').rglob('*.log'):
        log.unlink()
    log = train(tiny, init_cfg(path), tmp_path, resume=True,
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
    log = train(r18, init_cfg('torchvision://resnet18', None), tmp_path)
    assert f'120/120 backbone tensors loaded from {cached}' in log


def test_other_storage_is_named(tiny: ResNetLayout, tmp_path: Path) -> None:
    from mmregioncl.transfer.pretrained_source import locate
    with pytest.raises(ValueError, match='s3://bucket'):
        locate('s3://bucket/w.pth')


def test_testing_does_not_check() -> None:
    runner = SimpleNamespace(optim_wrapper=None, _resume=False)
    CheckPretrainedHook().before_run(runner)  # does not even look for a model
