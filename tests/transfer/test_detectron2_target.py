# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import re

import pytest

from mmregioncl.transfer.detectron2_target import (Detectron2Target,
                                                   detectron2_shapes,
                                                   to_detectron2)
from mmregioncl.transfer.resnet_layout import ResNetLayout


@pytest.mark.parametrize('ours, theirs', [
    ('conv1.weight', 'stem.conv1.weight'),
    ('bn1.running_mean', 'stem.conv1.norm.running_mean'),
    ('layer1.0.conv2.weight', 'res2.0.conv2.weight'),
    ('layer4.2.bn3.bias', 'res5.2.conv3.norm.bias'),
    ('layer2.0.downsample.0.weight', 'res3.0.shortcut.weight'),
    ('layer2.0.downsample.1.running_var', 'res3.0.shortcut.norm.running_var'),
])
def test_detectron2_names(ours: str, theirs: str) -> None:
    """As detectron2's model zoo publishes them."""
    assert to_detectron2(ours) == theirs


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_detectron2_map_is_one_to_one(depth: int) -> None:
    layout = ResNetLayout(depth)
    renamed = {
        to_detectron2(key): shape
        for key, shape in layout.tensor_shapes().items()
    }
    assert renamed == detectron2_shapes(layout)


def test_what_its_builder_refuses() -> None:
    """RES2_OUT_CHANNELS must be 64 there for a ResNet-18 or 34."""
    target = Detectron2Target()
    narrow = target.obstacle(ResNetLayout(18, base_channels=16))
    assert narrow and 'ResNet-18 and cannot hold 16' in narrow
    assert target.obstacle(ResNetLayout(50, base_channels=16)) is None
    assert target.obstacle(ResNetLayout(18)) is None


@pytest.mark.parametrize('layout, more', [
    (ResNetLayout(50), set()),
    (ResNetLayout(18), {
        'MODEL.RESNETS.WIDTH_PER_GROUP 64',
        'MODEL.RESNETS.RES2_OUT_CHANNELS 64'
    }),
    (ResNetLayout(50, stem_channels=16, base_channels=16), {
        'MODEL.RESNETS.WIDTH_PER_GROUP 16',
        'MODEL.RESNETS.RES2_OUT_CHANNELS 64',
        'MODEL.RESNETS.STEM_OUT_CHANNELS 16'
    }),
])
def test_usage_gives_detectron2s_own_keys(layout: ResNetLayout,
                                          more: set[str]) -> None:
    text = Detectron2Target().usage('a.pth', layout)
    settings = set(re.split(r', (?=[A-Z])', text))
    assert settings == more | {
        "MODEL.WEIGHTS 'a.pth'", f'MODEL.RESNETS.DEPTH {layout.depth}',
        'MODEL.RESNETS.STRIDE_IN_1X1 False', 'MODEL.RESNETS.NORM SyncBN',
        'MODEL.BACKBONE.FREEZE_AT 0', 'INPUT.FORMAT RGB',
        'MODEL.PIXEL_MEAN [123.675, 116.28, 103.53]',
        'MODEL.PIXEL_STD [58.395, 57.12, 57.375]'
    }
