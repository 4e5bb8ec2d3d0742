# Copyright (c) mmregioncl contributors. All rights reserved.
"""Synthetic checkpoints, one for every way of naming a ResNet's tensors."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from torch import Tensor

from mmregioncl.transfer.resnet_layout import ResNetLayout

Tensors = dict[str, Tensor]


def random_tensors(layout: ResNetLayout, seed: int = 0) -> Tensors:
    """Weights and BN statistics that all differ from any initial value."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in layout.tensor_shapes().items():
        if name.endswith('num_batches_tracked'):
            value = torch.tensor(1000 + seed)
        elif len(shape) == 4:
            fan_in = shape[1] * shape[2] * shape[3]
            value = torch.randn(shape, generator=generator) / fan_in**0.5
        elif name.endswith(('running_var', 'weight')):
            value = torch.rand(shape, generator=generator) + 0.5
        else:
            value = torch.randn(shape, generator=generator) * 0.1
        tensors[name] = value
    return tensors


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + key: value for key, value in tensors.items()}


def neck(prefix: str, seed: int = 0, in_channels: int = 512) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {
        f'{prefix}0.weight': torch.randn(32, in_channels, generator=generator),
        f'{prefix}0.bias': torch.randn(32, generator=generator),
        f'{prefix}2.weight': torch.randn(16, 32, generator=generator),
        f'{prefix}2.bias': torch.randn(16, generator=generator),
    }


def queue() -> Tensors:
    return dict(queue=torch.randn(16, 64), queue_ptr=torch.tensor([8]))


def styled_checkpoint(style: str, query: Tensors,
                      key: Tensors) -> dict[str, Any]:
    """A checkpoint as the named code base would have saved it."""
    if style == 'mmselfsup':
        state = {
            **with_prefix('backbone.', query),
            **neck('neck.mlp.'), 'encoder_k.steps': torch.tensor(5),
            **with_prefix('encoder_k.module.0.', key),
            **neck('encoder_k.module.1.mlp.', 1),
            **queue()
        }
        return dict(state_dict=state, meta=dict(epoch=1))
    if style == 'authors':
        state = {
            **with_prefix('encoder_q.0.', query),
            **neck('encoder_q.1.mlp.'),
            **with_prefix('encoder_k.0.', key),
            **neck('encoder_k.1.mlp.', 1),
            **with_prefix('backbone.', query),
            **queue()
        }
        return dict(state_dict=state, meta=dict(epoch=1, iter=77))
    if style == 'moco':
        state = {
            **with_prefix('encoder_q.', query),
            **neck('encoder_q.fc.'),
            **with_prefix('encoder_k.', key),
            **neck('encoder_k.fc.', 1),
            **queue()
        }
        return dict(
            state_dict=with_prefix('module.', state), epoch=1, arch='resnet18')
    if style == 'densecl':  # CoinCheung/DenseCL
        state = {
            **with_prefix('encoder_q.', query),
            **neck('encoder_q.fc.'), 'encoder_q.dense_head.0.weight':
            torch.randn(4, 4, 1, 1),
            **with_prefix('encoder_k.', key),
            **queue(), 'queue_dense':
            torch.randn(16, 64)
        }
        return dict(state_dict=with_prefix('module.', state))
    if style == 'wrapped':
        state = {
            **with_prefix('encoder_q.backbone.', query),
            **with_prefix('encoder_k.backbone.', key),
            **queue()
        }
        return dict(state_dict=with_prefix('module.', state))
    if style == 'simsiam':
        state = {
            **with_prefix('encoder.', query),
            **neck('encoder.fc.'),
            **neck('predictor.')
        }
        return dict(state_dict=with_prefix('module.', state))
    if style == 'classifier':
        return dict(
            state_dict={
                **with_prefix('backbone.', query), 'head.fc.weight':
                torch.randn(10, 512)
            })
    assert style == 'torchvision'
    return {
        **query, 'fc.weight': torch.randn(10, 512),
        'fc.bias': torch.randn(10)
    }


@pytest.fixture
def r18() -> ResNetLayout:
    return ResNetLayout(18)


@pytest.fixture
def tiny() -> ResNetLayout:
    """A ResNet-18 of width 16: the smallest that mmdet can express."""
    return ResNetLayout(18, stem_channels=16, base_channels=16)


@pytest.fixture
def save_style(tmp_path: Path) -> Callable[..., tuple[Path, Tensors]]:
    """``save_style(style, layout)`` gives the file and the query tensors."""

    def save(style: str, layout: ResNetLayout) -> tuple[Path, Tensors]:
        query = random_tensors(layout, 0)
        checkpoint = styled_checkpoint(style, query, random_tensors(layout, 1))
        path = tmp_path / f'{style}.pth'
        torch.save(checkpoint, path)
        return path, query

    return save
