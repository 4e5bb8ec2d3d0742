# Copyright (c) mmregioncl contributors. All rights reserved.
"""What every library that a backbone is exported to must be able to do."""
from __future__ import annotations

from typing import Any

from torch import Tensor

from .backbone import strip_prefix
from .reference import stage_features
from .resnet_layout import ResNetLayout

Tensors = dict[str, Tensor]


class MMEngineTarget:
    """MMEngine style: ``backbone.`` before every key, a small meta beside."""

    name = 'mmengine'
    prefix = 'backbone.'
    module = 'mmengine'  # what must be importable to check the file
    formats: tuple[str, ...] = ('pth', 'safetensors')

    def obstacle(self, layout: ResNetLayout) -> str | None:
        """What in this layout the target cannot express; None if nothing."""
        return None

    def rename(self, tensors: Tensors) -> Tensors:
        return {self.prefix + key: value for key, value in tensors.items()}

    def wrap(self, tensors: Tensors, meta: dict[str, str]) -> dict[str, Any]:
        """What ``torch.save`` writes."""
        return dict(state_dict=tensors, meta=meta)

    def features(self, path: str, layout: ResNetLayout,
                 images: Tensor) -> list[Tensor]:
        """Features of the four stages from the file at ``path``."""
        tensors = self._read(path)
        if set(tensors) != set(layout.tensor_shapes()):
            raise RuntimeError(f'{path} lost tensors on its way')
        return stage_features(cast_like(tensors, images), layout, images)

    def usage(self, path: str, layout: ResNetLayout) -> str:
        return (f"init_cfg=dict(type='Pretrained', checkpoint='{path}', "
                f"prefix='{self.prefix}')")

    def _read(self, path: str) -> Tensors:
        from mmengine.runner import CheckpointLoader
        checkpoint = CheckpointLoader.load_checkpoint(
            path, map_location='cpu', logger='silent')
        return strip_prefix(
            checkpoint.get('state_dict', checkpoint), self.prefix)


def cast_like(tensors: Tensors, images: Tensor) -> Tensors:
    return {
        key: value.to(images.dtype) if value.is_floating_point() else value
        for key, value in tensors.items()
    }


def needs_imagenet_stem(layout: ResNetLayout) -> str | None:
    if layout.stem_kernel != 7:
        return 'has a 7x7 stem with stride 2 and cannot hold a 3x3 CIFAR stem'
    if layout.strided_layer1:
        return 'has no stride in layer1 and cannot hold the projection there'
    return None


def needs_full_width(layout: ResNetLayout) -> str | None:
    widths = (layout.stem_channels, layout.base_channels)
    if widths == (64, 64):
        return None
    return f'is 64 channels wide and cannot hold {widths[1]} base channels'
