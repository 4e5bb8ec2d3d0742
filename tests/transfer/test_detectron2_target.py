# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import pytest

from mmregioncl.transfer.detectron2_target import (detectron2_shapes,
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
