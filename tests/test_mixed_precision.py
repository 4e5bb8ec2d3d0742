# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from mmregioncl import mixed_precision
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


def test_other_wrappers_stay(gpu: None) -> None:
    with pytest.raises(ValueError, match="type='ApexOptimWrapper'"):
        apply_amp(config(type='ApexOptimWrapper'), 'bf16')
