# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

import mmregioncl.transfer  # noqa: F401  (as custom_imports does)
from mmregioncl.transfer.export import export_backbone
from mmregioncl.transfer.resnet_layout import ResNetLayout
from tests.transfer.conftest import (Tensors, random_tensors,
                                     styled_checkpoint, with_prefix)
from tests.transfer.skeletons import (GATE, Skeleton, SkeletonModel, init_cfg,
                                      make_runner, train_gated)

SaveStyle = Callable[..., tuple[Path, Tensors]]


def test_prints_the_line(tiny: ResNetLayout, tmp_path: Path,
                         save_style: SaveStyle) -> None:
    path, query = save_style('mmselfsup', tiny)
    out = export_backbone(path).path
    log = train_gated(tiny, init_cfg(out), tmp_path)
    digest = hashlib.sha256(Path(out).read_bytes()).hexdigest()
    n = len(query)
    assert (f'{n}/{n} backbone tensors loaded from {out} (sha256 {digest})'
            in log)


@pytest.mark.parametrize('target, file_format, prefix',
                         [('mmengine', 'safetensors', 'backbone.'),
                          ('torchvision', 'pth', None),
                          ('mmdet', 'pth', None)])
def test_other_exports(target: str, file_format: str, prefix: str | None,
                       r18: ResNetLayout, tmp_path: Path,
                       save_style: SaveStyle) -> None:
    if target == 'mmdet':
        pytest.importorskip('mmdet.models', exc_type=ImportError)
    path, _ = save_style('mmselfsup', r18)
    out = export_backbone(path, target, file_format=file_format).path
    assert '120/120 backbone tensors' in train_gated(r18,
                                                     init_cfg(out, prefix),
                                                     tmp_path)


def test_raw_training_checkpoint(tiny: ResNetLayout, tmp_path: Path) -> None:
    """Goes into init_cfg with its message hub, optimizer and all."""
    checkpoint = styled_checkpoint('mmselfsup', random_tensors(tiny),
                                   random_tensors(tiny, 1))
    buffer = HistoryBuffer()
    buffer.update(1.)
    checkpoint['message_hub'] = dict(
        log_scalars=dict(loss=buffer), runtime_info=dict(best=np.float64(1)))
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    log = train_gated(tiny, init_cfg(tmp_path / 'epoch_1.pth'), tmp_path)
    assert '120/120 backbone tensors' in log


@pytest.mark.parametrize('style, prefix', [('authors', 'encoder_q.0.'),
                                           ('moco', 'module.encoder_q'),
                                           ('classifier', 'backbone'),
                                           ('torchvision', None)])
def test_other_styles_directly(style: str, prefix: str | None,
                               tiny: ResNetLayout, tmp_path: Path,
                               save_style: SaveStyle) -> None:
    path, _ = save_style(style, tiny)
    assert '120/120' in train_gated(tiny, init_cfg(path, prefix), tmp_path)


def test_half_precision_file(tiny: ResNetLayout, tmp_path: Path,
                             save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    out = export_backbone(path, half=True).path
    assert '120/120' in train_gated(tiny, init_cfg(out), tmp_path)


def test_file_without_batch_counts(tiny: ResNetLayout, tmp_path: Path) -> None:
    tensors = {
        key: value
        for key, value in random_tensors(tiny).items()
        if not key.endswith('num_batches_tracked')
    }
    torch.save(tensors, tmp_path / 'old.pth')
    assert '100/100' in train_gated(tiny, init_cfg(tmp_path / 'old.pth', None),
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
        train_gated(tiny, init_cfg(path, prefix), tmp_path)
    assert cure in str(error.value)


@pytest.mark.parametrize('style, prefix',
                         [('mmselfsup', 'encoder_k.module.0.'),
                          ('authors', 'encoder_k.0'),
                          ('moco', 'module.encoder_k.')])
def test_key_encoder_by_prefix(style: str, prefix: str, tiny: ResNetLayout,
                               tmp_path: Path, save_style: SaveStyle) -> None:
    path, _ = save_style(style, tiny)
    with pytest.raises(ValueError, match=r'key \(momentum\) encoder'):
        train_gated(tiny, init_cfg(path, prefix), tmp_path)


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
        train_gated(tiny, init_cfg(path), tmp_path, [GATE, other])


def test_deep_stem(tiny: ResNetLayout, tmp_path: Path,
                   save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    model = SkeletonModel(Skeleton(tiny, init_cfg(path), deep_stem=True))
    with pytest.raises(ValueError, match="ResNetV1c.*type='ResNet'"):
        make_runner(model, tmp_path / 'run', [GATE]).train()


def test_deep_stem_of_mmseg(tmp_path: Path, save_style: SaveStyle) -> None:
    backbones = pytest.importorskip(
        'mmseg.models.backbones', exc_type=ImportError)
    layout = ResNetLayout(18, 3, 16, 16)
    path, _ = save_style('mmselfsup', layout)
    model = SkeletonModel(
        backbones.ResNetV1c(
            depth=18,
            stem_channels=16,
            base_channels=16,
            pretrained=None,
            init_cfg=init_cfg(path)))
    with pytest.raises(ValueError, match='ResNetV1c'):
        make_runner(model, tmp_path / 'run', [GATE]).train()


def test_truncated(tiny: ResNetLayout, tmp_path: Path,
                   save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match='cut short'):
        train_gated(tiny, init_cfg(path), tmp_path)


@pytest.mark.parametrize('file_depth, model_depth', [(18, 34), (34, 18),
                                                     (34, 50), (50, 34),
                                                     (101, 50), (50, 101)])
def test_another_depth(file_depth: int, model_depth: int, tmp_path: Path,
                       save_style: SaveStyle) -> None:
    # From 101 to 50 every tensor of the model is in the file, shapes and all.
    path, _ = save_style('mmselfsup', ResNetLayout(file_depth, 3, 4, 4))
    with pytest.raises(
            ValueError,
            match=f'another depth.*ResNet-{file_depth}'
            f'.*ResNet-{model_depth}'):
        train_gated(
            ResNetLayout(model_depth, 3, 4, 4), init_cfg(path), tmp_path)


# --- other ways to go wrong --------------------------------------------------


def test_another_width(tiny: ResNetLayout, r18: ResNetLayout, tmp_path: Path,
                       save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    with pytest.raises(ValueError, match="'conv1.weight' has the shape"):
        train_gated(r18, init_cfg(path), tmp_path)


def test_missing_tensor(tiny: ResNetLayout, tmp_path: Path) -> None:
    tensors = random_tensors(tiny)
    del tensors['layer4.1.bn2.running_var']
    torch.save(with_prefix('backbone.', tensors), tmp_path / 'w.pth')
    with pytest.raises(
            ValueError,
            match='1 backbone tensors are missing.*'
            'layer4.1.bn2.running_var'):
        train_gated(tiny, init_cfg(tmp_path / 'w.pth'), tmp_path)


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


@pytest.mark.parametrize('name', [
    'layer3.0.conv1.weight', 'bn1.running_var',
    'layer4.1.bn2.num_batches_tracked'
])
def test_a_single_tensor(name: str, tiny: ResNetLayout, tmp_path: Path,
                         save_style: SaveStyle) -> None:
    path, query = save_style('mmselfsup', tiny)
    other = LoadFromElsewhere({name: query[name] + 1})
    with pytest.raises(RuntimeError, match=f'1 of 120.*{name}'):
        train_gated(tiny, init_cfg(path), tmp_path, [GATE, other])


def test_no_file_named(tiny: ResNetLayout, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='no pretrained weights'):
        train_gated(tiny, None, tmp_path)
    log = train_gated(tiny, None, tmp_path / 'b', [dict(GATE, required=False)])
    assert 'starts from random values' in log


def test_missing_file(tiny: ResNetLayout, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        train_gated(tiny, init_cfg(tmp_path / 'nowhere.pth'), tmp_path)


def test_no_such_module(tiny: ResNetLayout, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the model has no 'image_encoder'"):
        train_gated(tiny, None, tmp_path, [dict(GATE, module='image_encoder')])
