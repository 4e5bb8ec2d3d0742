# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS, DefaultScope

from mmregioncl import mixed_precision
from mmregioncl.engine import BFloat16OptimWrapper
from mmregioncl.mixed_precision import apply_amp


def config(**wrapper: object) -> Config:
    return Config(dict(optim_wrapper=dict(clip_grad=None, **wrapper)))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch,
        request: pytest.FixtureRequest) -> None:
    """A machine without a GPU, with an old one, or with a new one."""
    kind = getattr(request, 'param', None)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: kind is not None)
    monkeypatch.setattr(mixed_precision, '_computes_in_bf16',
                        lambda: kind == 'new')


@pytest.mark.parametrize(
    'gpu, asked, given', [
        (None, 'auto', 'bf16'),
        (None, 'bf16', 'bf16'),
        ('old', 'auto', 'fp16'),
        ('old', 'fp16', 'fp16'),
        ('new', 'auto', 'bf16'),
        ('new', 'fp16', 'fp16'),
    ],
    indirect=['gpu'])
def test_precision(gpu: None, asked: str, given: str) -> None:
    cfg = config(type='AmpOptimWrapper', loss_scale=512., dtype='float16')
    assert apply_amp(cfg, asked) == given
    expected = dict(
        bf16=dict(type='BFloat16OptimWrapper'),
        fp16=dict(
            type='AmpOptimWrapper', loss_scale='dynamic', dtype='float16'))
    assert dict(cfg.optim_wrapper) == dict(clip_grad=None, **expected[given])


def test_fp16_needs_a_gpu(gpu: None) -> None:
    with pytest.raises(ValueError, match='use --amp bf16'):
        apply_amp(config(), 'fp16')


@pytest.mark.parametrize(
    'gpu, asked, given', [
        ('new', 'auto', 'fp16'),
        ('new', 'fp16', 'fp16'),
        ('new', 'bf16', None),
        (None, 'auto', None),
        (None, 'fp16', None),
    ],
    indirect=['gpu'])
def test_detectors_need_fp16(gpu: None, asked: str, given: str | None) -> None:
    cfg = Config(dict(default_scope='mmdet', optim_wrapper={}))
    if given is None:
        with pytest.raises(ValueError, match='leave --amp out on a CPU'):
            apply_amp(cfg, asked)
    else:
        assert apply_amp(cfg, asked) == given


@pytest.mark.parametrize('scope', ['mmselfsup', 'mmdet', 'mmseg', 'mmcls'])
def test_every_scope_finds_the_wrapper(gpu: None, scope: str) -> None:
    cfg = config()
    apply_amp(cfg, 'bf16')
    with DefaultScope.overwrite_default_scope(scope):
        assert OPTIM_WRAPPERS.get(
            cfg.optim_wrapper.type) is BFloat16OptimWrapper


def test_mmcv_still_knows_no_bf16() -> None:
    """Else detectors may have it, too."""
    ops = pytest.importorskip('mmcv.ops')
    boxes = torch.tensor([[0, 0., 0., 4., 4.]], dtype=torch.bfloat16)
    with pytest.raises(RuntimeError, match='BFloat16'):
        ops.roi_align(
            torch.ones(1, 1, 8, 8, dtype=torch.bfloat16), boxes, (2, 2))


def test_other_wrappers_stay(gpu: None) -> None:
    with pytest.raises(ValueError, match="type='ApexOptimWrapper'"):
        apply_amp(config(type='ApexOptimWrapper'), 'bf16')
