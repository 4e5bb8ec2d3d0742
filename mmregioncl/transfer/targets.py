# Copyright (c) mmregioncl contributors. All rights reserved.
"""The libraries that a backbone is exported to, and how each reads it.

``features`` reloads the written file through the target's own code into the
target's own ResNet: what it returns is what a user of the file gets.
"""
from __future__ import annotations

import importlib
from typing import Any

from torch import Tensor, nn

from .detectron2_target import Detectron2Target
from .resnet_layout import ResNetLayout
from .safe_load import load_checkpoint_file
from .target import (MMEngineTarget, Tensors, needs_full_width,
                     needs_imagenet_stem)


class OpenMMLabTarget(MMEngineTarget):
    """Bare keys, as mmdet's and mmseg's own configs expect weights."""

    prefix = ''

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = f'{name}.models'

    def obstacle(self, layout: ResNetLayout) -> str | None:
        return needs_imagenet_stem(layout)

    def features(self, path: str, layout: ResNetLayout,
                 images: Tensor) -> list[Tensor]:
        backbone = importlib.import_module(self.module).backbones.ResNet(
            layout.depth,
            in_channels=layout.in_channels,
            stem_channels=layout.stem_channels,
            base_channels=layout.base_channels,
            style='pytorch')
        backbone.load_state_dict(self._read(path), strict=True)
        backbone.eval()  # theirs returns nothing
        return list(backbone.to(images.dtype)(images))

    def usage(self, path: str, layout: ResNetLayout) -> str:
        return f"init_cfg=dict(type='Pretrained', checkpoint='{path}')"


class TorchvisionTarget(MMEngineTarget):
    """A flat state dict for ``torchvision.models.resnet*``."""

    name = 'torchvision'
    module = 'torchvision'
    prefix = ''

    def obstacle(self, layout: ResNetLayout) -> str | None:
        if layout.in_channels != 3:
            return f'takes 3 image channels, not {layout.in_channels}'
        return needs_imagenet_stem(layout) or needs_full_width(layout)

    def wrap(self, tensors: Tensors, meta: dict[str, str]) -> dict[str, Any]:
        return dict(tensors)

    def features(self, path: str, layout: ResNetLayout,
                 images: Tensor) -> list[Tensor]:
        from torchvision import models
        net = models.get_model(f'resnet{layout.depth}', weights=None)
        net.fc = nn.Identity()  # the only part that a backbone lacks
        net.load_state_dict(load_checkpoint_file(path), strict=True)
        return _torchvision_stages(net, images)

    def usage(self, path: str, layout: ResNetLayout) -> str:
        load = (f"torch.load('{path}')" if path.endswith('.pth') else
                f"safetensors.torch.load_file('{path}')")
        return (f'torchvision.models.resnet{layout.depth}().load_state_dict('
                f'{load}, strict=False)  # only fc is missing')


class TimmTarget(TorchvisionTarget):
    """The same flat state dict, checked through timm's own loader."""

    name = 'timm'
    module = 'timm'

    def obstacle(self, layout: ResNetLayout) -> str | None:
        return needs_imagenet_stem(layout) or needs_full_width(layout)

    def features(self, path: str, layout: ResNetLayout,
                 images: Tensor) -> list[Tensor]:
        import timm
        net = timm.create_model(
            f'resnet{layout.depth}',
            in_chans=layout.in_channels,
            num_classes=0,
            checkpoint_path=path)
        return _torchvision_stages(net, images)

    def usage(self, path: str, layout: ResNetLayout) -> str:
        return (f"timm.create_model('resnet{layout.depth}', num_classes=0, "
                f"checkpoint_path='{path}')")


def _torchvision_stages(net: Any, images: Tensor) -> list[Tensor]:
    net = net.eval().to(images.dtype)
    relu = net.relu if hasattr(net, 'relu') else net.act1  # timm's name
    x = net.maxpool(relu(net.bn1(net.conv1(images))))
    features = []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        x = stage(x)
        features.append(x)
    return features


TARGETS: dict[str, MMEngineTarget] = {
    target.name: target
    for target in (MMEngineTarget(), OpenMMLabTarget('mmdet'),
                   OpenMMLabTarget('mmseg'), TorchvisionTarget(), TimmTarget(),
                   Detectron2Target())
}
