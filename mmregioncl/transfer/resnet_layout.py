# Copyright (c) mmregioncl contributors. All rights reserved.
"""Which ResNet a set of bare tensors is: depth, widths and stem."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

# depth -> (bottleneck blocks, blocks per stage)
DEPTHS = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}
_NORM = ('weight', 'bias', 'running_mean', 'running_var')


@dataclass(frozen=True)
class ResNetLayout:
    """A plain ResNet (v1.5, BN) as its tensors describe it.

    Strides and dilations leave no trace in the tensors, but for a stride in
    the first stage of a ResNet-18 or 34, which has no projection there else.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        in_channels (int): Channels of the image.
        stem_channels (int): Output channels of ``conv1``.
        base_channels (int): Width of the first stage, 64 in the paper.
        stem_kernel (int): Kernel of ``conv1`` in pixels; 7, or 3 for the
            CIFAR stem, which has stride 1 and no max pooling.
        strided_layer1 (bool): Whether the first block projects its input
            only because it has a stride.
    """

    depth: int
    in_channels: int = 3
    stem_channels: int = 64
    base_channels: int = 64
    stem_kernel: int = 7
    strided_layer1: bool = False

    @property
    def bottleneck(self) -> bool:
        return DEPTHS[self.depth][0]

    @property
    def blocks(self) -> tuple[int, ...]:
        return DEPTHS[self.depth][1]

    def __str__(self) -> str:
        text = f'ResNet-{self.depth}'
        if (self.stem_channels, self.base_channels) != (64, 64):
            text += (f', {self.stem_channels} stem and {self.base_channels} '
                     'base channels')
        if self.stem_kernel != 7:
            text += f', {self.stem_kernel}x{self.stem_kernel} stem'
        if self.strided_layer1:
            text += ', a stride in layer1'
        if self.in_channels != 3:
            text += f', {self.in_channels} image channels'
        return text

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor; 318 of them for ResNet-50."""
        shapes: dict[str, tuple[int, ...]] = {}

        def conv_bn(conv: str, norm: str, out: int, in_: int,
                    kernel: int) -> None:
            shapes[f'{conv}.weight'] = (out, in_, kernel, kernel)
            shapes.update({f'{norm}.{name}': (out, ) for name in _NORM})
            shapes[f'{norm}.num_batches_tracked'] = ()

        conv_bn('conv1', 'bn1', self.stem_channels, self.in_channels,
                self.stem_kernel)
        channels = self.stem_channels
        for stage, count in enumerate(self.blocks):
            width = self.base_channels * 2**stage
            out = width * 4 if self.bottleneck else width
            # kernel sizes of the block's convolutions
            kernels = (1, 3, 1) if self.bottleneck else (3, 3)
            for block in range(count):
                at = f'layer{stage + 1}.{block}'
                widths = [channels, *[width] * (len(kernels) - 1), out]
                for i, kernel in enumerate(kernels):
                    conv_bn(f'{at}.conv{i + 1}', f'{at}.bn{i + 1}',
                            widths[i + 1], widths[i], kernel)
                if block == 0 and (stage > 0 or channels != out
                                   or self.strided_layer1):
                    conv_bn(f'{at}.downsample.0', f'{at}.downsample.1', out,
                            channels, 1)
                channels = out
        return shapes


def count_blocks(keys: Iterable[str]) -> tuple[int, ...]:
    """Blocks per stage, from keys such as ``layer3.22.conv1.weight``."""
    highest: dict[int, int] = {}
    for key in keys:
        match = re.match(r'layer(\d)\.(\d+)\.', key)
        if match:
            stage, block = int(match.group(1)), int(match.group(2))
            highest[stage] = max(highest.get(stage, 0), block + 1)
    return tuple(highest[stage] for stage in sorted(highest))


def find_depth(keys: Iterable[str]) -> int | None:
    """Depth of the ResNet with these keys, None if it is no usual one."""
    keys = set(keys)
    found = ('layer1.0.conv3.weight' in keys, count_blocks(keys))
    return next((depth for depth, what in DEPTHS.items() if what == found),
                None)


def infer_layout(tensors: Mapping[str, Tensor]) -> ResNetLayout:
    """Read the layout off bare tensors, and check that they are complete.

    Args:
        tensors (Mapping[str, Tensor]): Bare keys (``conv1.weight``, ...).
            Tensors of a classifier or projector may be among them.

    Raises:
        ValueError: If this is no complete plain ResNet, with the first tensor
            that says so.
    """
    if 'stem.0.weight' in tensors:
        raise ValueError('holds a deep stem of three convolutions (ResNetV1c '
                         'or V1d); expected a plain ResNet with `conv1`')
    depth = find_depth(tensors)
    if depth is None or 'conv1.weight' not in tensors:
        raise ValueError(
            'holds no plain ResNet: expected `conv1.weight` and the blocks of '
            f'ResNet-{"/".join(map(str, DEPTHS))}, found stages of '
            f'{count_blocks(tensors)} blocks')
    stem = tensors['conv1.weight']
    if stem.dim() != 4 or stem.shape[2:] not in ((7, 7), (3, 3)):
        raise ValueError(f'`conv1.weight` has the shape {tuple(stem.shape)}; '
                         'expected a 7x7 or a 3x3 (CIFAR) convolution')
    width = tensors['layer1.0.conv1.weight'].shape[0]
    layout = ResNetLayout(depth, stem.shape[1], stem.shape[0], width,
                          stem.shape[2])
    projection = 'layer1.0.downsample.0.weight'
    if projection in tensors and projection not in layout.tensor_shapes():
        layout = replace(layout, strided_layer1=True)
    shapes = layout.tensor_shapes()
    for name, shape in shapes.items():
        # Files from before torch 0.4.1 do not count batches.
        if name not in tensors and not name.endswith('num_batches_tracked'):
            raise ValueError(f'is incomplete for a {layout}: `{name}` is '
                             'missing')
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise ValueError(
                f'is no plain ResNet: `{name}` has the shape '
                f'{tuple(tensors[name].shape)}, a {layout} has {shape}')
    for name in tensors:
        if name not in shapes and re.match(r'(conv1|bn1|layer\d)\.', name):
            raise ValueError(f'is no plain ResNet: a {layout} has no `{name}`')
    return layout
