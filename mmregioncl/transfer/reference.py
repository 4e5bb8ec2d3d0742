# Copyright (c) mmregioncl contributors. All rights reserved.
"""A ResNet as plain functions of its tensors, to compare others with.

Nothing is built and nothing is loaded here, so nothing can be left at its
initial value. Only the plain strides (stem 2 or 1, stages 1, 2, 2, 2; 2 in
the first stage too where its tensors show one).
"""
from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from .resnet_layout import ResNetLayout

_EPS = 1e-5  # BatchNorm's default, the same in every target


def stage_features(tensors: Mapping[str, Tensor], layout: ResNetLayout,
                   images: Tensor) -> list[Tensor]:
    """Features of the four stages, in inference mode.

    Args:
        tensors (Mapping[str, Tensor]): Bare keys, dtype as ``images``.
        layout (ResNetLayout): Depth, widths and stem.
        images (Tensor): Shape (N, in_channels, H, W).

    Returns:
        list[Tensor]: Four feature maps, (N, C, h, w) each.
    """

    def conv_bn(x: Tensor, conv: str, norm: str, stride: int) -> Tensor:
        weight = tensors[f'{conv}.weight']
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        return F.batch_norm(
            x,
            tensors[f'{norm}.running_mean'],
            tensors[f'{norm}.running_var'],
            tensors[f'{norm}.weight'],
            tensors[f'{norm}.bias'],
            eps=_EPS)

    def block(x: Tensor, at: str, stride: int) -> Tensor:
        skip = x
        if f'{at}.downsample.0.weight' in tensors:
            skip = conv_bn(x, f'{at}.downsample.0', f'{at}.downsample.1',
                           stride)
        convs = 3 if layout.bottleneck else 2
        # The 3x3 convolution strides (v1.5, style='pytorch').
        strided = 2 if layout.bottleneck else 1
        for i in range(1, convs + 1):
            x = conv_bn(x, f'{at}.conv{i}', f'{at}.bn{i}',
                        stride if i == strided else 1)
            x = F.relu(x + skip if i == convs else x)
        return x

    imagenet_stem = layout.stem_kernel == 7
    x = F.relu(conv_bn(images, 'conv1', 'bn1', 2 if imagenet_stem else 1))
    if imagenet_stem:
        x = F.max_pool2d(x, 3, stride=2, padding=1)
    first_strided = 0 if layout.strided_layer1 else 1
    features = []
    for stage, count in enumerate(layout.blocks):
        for i in range(count):
            x = block(x, f'layer{stage + 1}.{i}',
                      2 if i == 0 and stage >= first_strided else 1)
        features.append(x)
    return features
