# Copyright (c) mmregioncl contributors. All rights reserved.
"""Whether weights fit a model and have arrived in it.

Every message here names a cause and its cure.
"""
from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .pretrained_source import CURE_EXPORT, PretrainedSource
from .resnet_layout import count_blocks, find_depth


def check_fits(source: PretrainedSource, expected: Mapping[str,
                                                           Tensor]) -> None:
    """Compare names and shapes of file and model, before anything is loaded.

    Args:
        source (PretrainedSource): The file's side.
        expected (Mapping[str, Tensor]): The model's backbone, bare keys.

    Raises:
        ValueError: With the cause: another stem, another depth, a tensor
            that is missing or has another shape.
    """
    path, got = source.path, source.tensors
    deep_model, deep_file = 'stem.0.weight' in expected, 'stem.0.weight' in got
    if deep_model != deep_file:
        with_deep, without = ('the model',
                              path) if deep_model else (path, 'the model')
        raise ValueError(
            f'the stems differ: {with_deep} has the deep stem of ResNetV1c or '
            f'V1d (three 3x3 convolutions), {without} one convolution. ' +
            ("Set backbone type='ResNet' (mmseg's bases say ResNetV1c) and "
             'pretrained=None.' if deep_model else
             'Set the backbone type that the file was made with.'))
    ours, theirs = count_blocks(expected), count_blocks(got)
    if ours != theirs[:len(ours)] or (('layer1.0.conv3.weight' in expected)
                                      != ('layer1.0.conv3.weight' in got)):
        raise ValueError(
            f'another depth: {path} holds {_depth_name(got)}, the model is '
            f'{_depth_name(expected)}. Set model.backbone.depth to the '
            'file\'s, or use weights of the model\'s depth.')
    missing = [key for key in countable(source, expected) if key not in got]
    if missing:
        raise ValueError(f'{len(missing)} backbone tensors are missing in '
                         f'{path}, such as {missing[:3]}; they would keep '
                         f'their initial values. {CURE_EXPORT}.')
    for key in countable(source, expected):
        if got[key].shape != expected[key].shape:
            raise ValueError(
                f'{key!r} has the shape {tuple(got[key].shape)} in {path} and '
                f'{tuple(expected[key].shape)} in the model; it would keep '
                'its initial value. Set the backbone\'s stem_channels, '
                'base_channels and type as they were in pretraining.')


def check_arrived(source: PretrainedSource, model: Mapping[str,
                                                           Tensor]) -> int:
    """Compare the model's values with the file's, tensor by tensor.

    Args:
        source (PretrainedSource): The file's side.
        model (Mapping[str, Tensor]): The model's backbone after loading.

    Returns:
        int: How many tensors are equal; all of them.

    Raises:
        RuntimeError: If any of them differs.
    """
    names = countable(source, model)
    apart = [
        name for name in names if not _equal(model[name], source.tensors[name])
    ]
    if not apart:
        return len(names)
    key = source.key_encoder
    # The counts of batches may agree by chance, the weights do not.
    if key and all(
            name in key and _equal(model[name], key[name])
            for name in names if name.endswith('weight')):
        raise RuntimeError(
            'the model\'s backbone holds the key (momentum) encoder of '
            f'{source.path}, not the query encoder that was trained. Take the '
            f'query\'s tensors: {CURE_EXPORT}.')
    raise RuntimeError(
        f'{len(apart)} of {len(names)} backbone tensors do not hold what '
        f'{source.path} holds, such as {apart[:3]}: they were left at their '
        'initial values or overwritten after loading. See the messages of '
        'MMEngine above (`unexpected key`, `size mismatch`) and whether '
        'another init_cfg or load_from comes after it.')


def countable(source: PretrainedSource, model: Mapping[str,
                                                       Tensor]) -> list[str]:
    """Names to compare: all of the model's backbone.

    Files from before torch 0.4.1 hold no ``num_batches_tracked`` at all, and
    nothing depends on it; those are left out then.
    """
    counted = any(
        key.endswith('num_batches_tracked') for key in source.tensors)
    return [
        name for name in model
        if counted or not name.endswith('num_batches_tracked')
    ]


def unused_stages(source: PretrainedSource,
                  model: Mapping[str, Tensor]) -> list[str]:
    """Stages of the file that the model's backbone does not have."""
    ours, theirs = ({
        key.split('.')[0]
        for key in keys if key.startswith('layer')
    } for keys in (model, source.tensors))
    return sorted(theirs - ours)


def _equal(model: Tensor, file: Tensor) -> bool:
    # A file stored in half precision is widened by loading, exactly.
    return torch.equal(model.detach().cpu(), file.to(model.dtype))


def _depth_name(keys: Mapping[str, Tensor]) -> str:
    depth = find_depth(keys)
    if depth:
        return f'a ResNet-{depth}'
    kind = 'bottleneck' if 'layer1.0.conv3.weight' in keys else 'basic'
    return f'one of {count_blocks(keys)} {kind} blocks'
