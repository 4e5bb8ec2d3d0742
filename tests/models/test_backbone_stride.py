# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mmregioncl.register  # noqa: F401
from mmregioncl.models.backbone_stride import backbone_stride
from tests.models.tiny_moco import MODELS


class Patches(nn.Module):
    """One convolution that does not overlap, as in a ViT."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 2, size, size)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return images, self.embed(images)


@pytest.mark.parametrize('settings, stride', [
    (dict(depth=50, base_channels=4, stem_channels=4), 32),
    (dict(depth=18, strides=(1, 2, 1, 1)), 8),
    (dict(depth=18, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)), 16),
    (dict(depth=18, norm_cfg=dict(type='SyncBN')), 32),
    (dict(depth=18, norm_cfg=dict(type='GN', num_groups=2)), 32),
    (dict(depth=18, out_indices=(0, 1, 2, 3)), 16),  # the last one counts
    (dict(depth=18, frozen_stages=2), 32),
    (dict(type='mmcls.ResNet_CIFAR', depth=18), 8),
    (dict(type='mmcls.ResNet_CIFAR', depth=18, strides=(1, 1, 2, 2)), 4),
])
def test_resnet(settings: dict[str, Any], stride: int) -> None:
    backbone = MODELS.build(dict(type='ResNet') | settings)
    assert backbone_stride(backbone) == stride


@pytest.mark.parametrize('size', [4, 7, 8, 14, 16, 28, 32, 64])
def test_patches(size: int) -> None:
    assert backbone_stride(Patches(size)) == size


def test_leaves_the_backbone_alone() -> None:
    backbone = MODELS.build(dict(type='ResNet', depth=18, frozen_stages=1))
    backbone.train()
    before = {name: each.clone() for name, each in
              backbone.state_dict().items()}
    modes = [module.training for module in backbone.modules()]
    torch.manual_seed(7)
    backbone_stride(backbone)
    assert torch.initial_seed() == 7
    assert modes == [module.training for module in backbone.modules()]
    assert not all(modes) and any(modes)  # frozen_stages keeps some in eval
    for name, each in backbone.state_dict().items():
        assert each.device.type == 'cpu' and torch.equal(each, before[name])
    backbone.eval()
    backbone_stride(backbone)
    assert not backbone.training


@pytest.mark.parametrize('settings', [
    dict(type='mmcls.ConvNeXt', arch='atto'),
    dict(type='mmcls.VisionTransformer', arch='deit-tiny', img_size=896),
])
def test_vectors_are_refused(settings: dict) -> None:
    """With a cure that works."""
    backbone = MODELS.build(settings)
    with pytest.raises(ValueError, match='no feature maps') as info:
        backbone_stride(backbone)
    name = settings['type'].removeprefix('mmcls.')
    setting, value = re.search(rf'(\w+)=(\w+) of {name}',
                               str(info.value)).groups()
    assert value == 'False'
    good = MODELS.build(settings | {setting: False})
    assert backbone_stride(good) == {'ConvNeXt': 32}.get(name, 16)
