# Copyright (c) mmregioncl contributors. All rights reserved.
"""Detectron2's names for a ResNet, and files that it reads."""
from __future__ import annotations

from typing import Any

from torch import Tensor

from .reference import stage_features
from .resnet_layout import ResNetLayout
from .safe_load import load_checkpoint_file
from .target import MMEngineTarget, Tensors, cast_like, needs_imagenet_stem


class Detectron2Target(MMEngineTarget):
    """Detectron2's names; its matching heuristics find the place.

    The heuristics take the longest matching suffix, so ``res5`` reaches
    ``roi_heads.res5`` of a C4 model too. Detectron2 is on no registry; names
    and shapes are compared with those its ResNet has by the rules of
    :func:`detectron2_shapes`.
    """

    name = 'detectron2'
    module = 'torch'
    prefix = ''
    formats = ('pth', )  # its checkpointer reads no safetensors

    def obstacle(self, layout: ResNetLayout) -> str | None:
        if not layout.bottleneck and layout.base_channels != 64:
            return (f'wants 64 base channels of a ResNet-{layout.depth} and '
                    f'cannot hold {layout.base_channels}')
        return needs_imagenet_stem(layout)

    def rename(self, tensors: Tensors) -> Tensors:
        return {to_detectron2(key): value for key, value in tensors.items()}

    def wrap(self, tensors: Tensors, meta: dict[str, str]) -> dict[str, Any]:
        return dict(
            model=tensors, matching_heuristics=True, __author__='mmregioncl')

    def features(self, path: str, layout: ResNetLayout,
                 images: Tensor) -> list[Tensor]:
        tensors = load_checkpoint_file(path)['model']
        shapes = {key: tuple(value.shape) for key, value in tensors.items()}
        if shapes != detectron2_shapes(layout):
            raise RuntimeError(f'{path} does not have the names and shapes of '
                               'detectron2\'s ResNet')
        ours = {
            key: tensors[to_detectron2(key)]
            for key in layout.tensor_shapes()
        }
        return stage_features(cast_like(ours, images), layout, images)

    def usage(self, path: str, layout: ResNetLayout) -> str:
        base = layout.base_channels
        settings = {
            'WEIGHTS': repr(path),
            'RESNETS.DEPTH': layout.depth,
            'RESNETS.STRIDE_IN_1X1': False,
            'RESNETS.NORM': 'SyncBN',
            'BACKBONE.FREEZE_AT': 0,
            'PIXEL_MEAN': '[123.675, 116.28, 103.53]',
            'PIXEL_STD': '[58.395, 57.12, 57.375]'
        }
        if not layout.bottleneck or base != 64:
            settings['RESNETS.WIDTH_PER_GROUP'] = base
            settings['RESNETS.RES2_OUT_CHANNELS'] = base * (
                4 if layout.bottleneck else 1)
        if layout.stem_channels != 64:
            settings['RESNETS.STEM_OUT_CHANNELS'] = layout.stem_channels
        text = ', '.join(f'MODEL.{key} {v}' for key, v in settings.items())
        return f'{text}, INPUT.FORMAT RGB'


def to_detectron2(key: str) -> str:
    """Detectron2's name of a bare ResNet tensor.

    Stages count from res2, the stem has a name, a norm belongs to its
    convolution, and the projection on the skip path is the shortcut.
    """
    module, _, leaf = key.rpartition('.')
    parts = module.split('.')
    if parts[0].startswith('layer'):
        parts[0] = f'res{int(parts[0][len("layer"):]) + 1}'
    else:
        parts.insert(0, 'stem')
    if parts[-2] == 'downsample':
        parts[-2:] = ['shortcut'] + ['norm'] * (parts[-1] == '1')
    elif parts[-1].startswith('bn'):
        parts[-1:] = ['conv' + parts[-1][len('bn'):], 'norm']
    return '.'.join([*parts, leaf])


def detectron2_shapes(layout: ResNetLayout) -> dict[str, tuple[int, ...]]:
    """Names and shapes that detectron2's ``build_resnet_backbone`` has.

    Written down from its published module names, independently of
    :func:`to_detectron2`: ``stem.conv1`` and ``res{2..5}.{i}.conv{1..3}`` and
    ``.shortcut``, each a convolution with its ``norm`` inside.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, out: int, in_: int, kernel: int) -> None:
        shapes[f'{name}.weight'] = (out, in_, kernel, kernel)
        for leaf in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{name}.norm.{leaf}'] = (out, )
        shapes[f'{name}.norm.num_batches_tracked'] = ()

    in_ = layout.stem_channels
    conv('stem.conv1', in_, layout.in_channels, 7)
    for res, count in zip((2, 3, 4, 5), layout.blocks):
        mid = layout.base_channels * 2**(res - 2)
        out = mid * 4 if layout.bottleneck else mid
        for i in range(count):
            at = f'res{res}.{i}'
            # Stage res2 does not stride; it has a shortcut only to widen.
            if i == 0 and (in_ != out or res > 2):
                conv(f'{at}.shortcut', out, in_, 1)
            if layout.bottleneck:
                conv(f'{at}.conv1', mid, in_, 1)
                conv(f'{at}.conv2', mid, mid, 3)
                conv(f'{at}.conv3', out, mid, 1)
            else:
                conv(f'{at}.conv1', out, in_, 3)
                conv(f'{at}.conv2', out, out, 3)
            in_ = out
    return shapes
