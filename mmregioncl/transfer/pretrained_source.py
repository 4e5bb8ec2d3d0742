# Copyright (c) mmregioncl contributors. All rights reserved.
"""The weights a config asks for, and whether they fit and have arrived.

Every function here speaks in causes: what is wrong, and what cures it.
"""
from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlparse

import torch
from torch import Tensor

from .backbone import (check_finite, find_backbone, find_key_encoder,
                       strip_prefix)
from .key_maps import PROBE, is_key_prefix, list_prefixes
from .resnet_layout import count_blocks, find_depth
from .safe_load import load_checkpoint_file

_CURE_EXPORT = ('`python tools/export.py CHECKPOINT` writes a file that '
                "prefix='backbone.' takes")


@dataclass(frozen=True)
class PretrainedSource:
    """What MMEngine takes from a file under a prefix.

    Args:
        path (str): The file.
        sha256 (str): Of its contents.
        tensors (dict[str, Tensor]): With the prefix taken off.
        key_encoder (dict[str, Tensor]): The momentum encoder in the same
            file, bare keys; empty if there is none.
    """

    path: str
    sha256: str
    tensors: dict[str, Tensor]
    key_encoder: dict[str, Tensor]


def locate(checkpoint: str) -> str:
    """The local file behind a name that MMEngine accepts.

    Args:
        checkpoint (str): A path, ``torchvision://name`` or an http(s) address
            that MMEngine has downloaded already.

    Raises:
        ValueError: If it is on some other storage.
    """
    if checkpoint.startswith('torchvision://'):
        from mmengine.runner.checkpoint import get_torchvision_models
        checkpoint = get_torchvision_models()[checkpoint.split('://', 1)[1]]
    if checkpoint.startswith(('http://', 'https://')):
        return os.path.join(torch.hub.get_dir(), 'checkpoints',
                            os.path.basename(urlparse(checkpoint).path))
    if '://' in checkpoint:
        raise ValueError(f'cannot check {checkpoint}: only local files, '
                         'torchvision:// and http(s):// can be compared with '
                         'the model. Copy it to a local file first.')
    return os.path.expanduser(checkpoint)


def is_remote(checkpoint: str) -> bool:
    return '://' in checkpoint


def read_source(checkpoint: str, prefix: str | None) -> PretrainedSource:
    """Take from a file what ``init_cfg`` with this prefix would take.

    Args:
        checkpoint (str): As in ``init_cfg`` or ``load_from``.
        prefix (str, optional): As in ``init_cfg``; None takes all keys.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is cut short or no checkpoint, if the prefix names
            nothing or the momentum encoder, or if weights are not finite.
    """
    path = locate(checkpoint)
    loaded = load_checkpoint_file(path)
    # MMEngine looks at `state_dict` and at the top, and nowhere else.
    nested = loaded.get('state_dict', loaded)
    # What MMEngine strips by itself where no prefix is given.
    state = {key if prefix else key.removeprefix('module.'): value
             for key, value in nested.items()
             if isinstance(key, str) and isinstance(value, Tensor)}
    dotted = prefix.rstrip('.') + '.' if prefix else ''
    if is_key_prefix(dotted):
        raise ValueError(
            f'prefix={prefix!r} takes the key (momentum) encoder of {path}, '
            'not the query encoder that was trained. Use the query\'s prefix '
            f'({_query_prefix(loaded)}), or export it: {_CURE_EXPORT}.')
    tensors = strip_prefix(state, dotted)
    if PROBE not in tensors:
        raise ValueError(
            f'wrong prefix: {path} has no backbone under prefix={prefix!r}; '
            f'its keys are {list_prefixes(nested)}. The backbone in it is at '
            f'{_query_prefix(loaded)}; set that, or export it: '
            f'{_CURE_EXPORT}.')
    check_finite(tensors, path)
    return PretrainedSource(path, _sha256(path), tensors,
                            find_key_encoder(state))


def check_fits(source: PretrainedSource,
               expected: Mapping[str, Tensor]) -> None:
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
        with_deep, without = ('the model', path) if deep_model else (
            path, 'the model')
        raise ValueError(
            f'the stems differ: {with_deep} has the deep stem of ResNetV1c or '
            f'V1d (three 3x3 convolutions), {without} one convolution. '
            + ("Set backbone type='ResNet' (mmseg's bases say ResNetV1c) and "
               'pretrained=None.' if deep_model else
               'Set the backbone type that the file was made with.'))
    ours, theirs = count_blocks(expected), count_blocks(got)
    if ours != theirs[:len(ours)] or (
            ('layer1.0.conv3.weight' in expected) !=
            ('layer1.0.conv3.weight' in got)):
        raise ValueError(
            f'another depth: {path} holds {_depth_name(got)}, the model is '
            f'{_depth_name(expected)}. Set model.backbone.depth to the '
            'file\'s, or use weights of the model\'s depth.')
    missing = [key for key in countable(source, expected) if key not in got]
    if missing:
        raise ValueError(f'{len(missing)} backbone tensors are missing in '
                         f'{path}, such as {missing[:3]}; they would keep '
                         f'their initial values. {_CURE_EXPORT}.')
    for key in countable(source, expected):
        if got[key].shape != expected[key].shape:
            raise ValueError(
                f'{key!r} has the shape {tuple(got[key].shape)} in {path} and '
                f'{tuple(expected[key].shape)} in the model; it would keep '
                'its initial value. Set the backbone\'s stem_channels, '
                'base_channels and type as they were in pretraining.')


def check_arrived(source: PretrainedSource,
                  model: Mapping[str, Tensor]) -> int:
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
    apart = [name for name in names
             if not _equal(model[name], source.tensors[name])]
    if not apart:
        return len(names)
    key = source.key_encoder
    # The counts of batches may agree by chance, the weights do not.
    if key and all(name in key and _equal(model[name], key[name])
                   for name in names if name.endswith('weight')):
        raise RuntimeError(
            'the model\'s backbone holds the key (momentum) encoder of '
            f'{source.path}, not the query encoder that was trained. Take the '
            f'query\'s tensors: {_CURE_EXPORT}.')
    raise RuntimeError(
        f'{len(apart)} of {len(names)} backbone tensors do not hold what '
        f'{source.path} holds, such as {apart[:3]}: they were left at their '
        'initial values or overwritten after loading. See the messages of '
        'MMEngine above (`unexpected key`, `size mismatch`) and whether '
        'another init_cfg or load_from comes after it.')


def countable(source: PretrainedSource,
              model: Mapping[str, Tensor]) -> list[str]:
    """Names to compare: all of the model's backbone.

    Files from before torch 0.4.1 hold no ``num_batches_tracked`` at all, and
    nothing depends on it; those are left out then.
    """
    counted = any(key.endswith('num_batches_tracked')
                  for key in source.tensors)
    return [name for name in model
            if counted or not name.endswith('num_batches_tracked')]


def _equal(model: Tensor, file: Tensor) -> bool:
    # A file stored in half precision is widened by loading, exactly.
    return torch.equal(model.detach().cpu(), file.to(model.dtype))


def _depth_name(keys: Mapping[str, Tensor]) -> str:
    depth = find_depth(keys)
    if depth:
        return f'a ResNet-{depth}'
    kind = 'bottleneck' if 'layer1.0.conv3.weight' in keys else 'basic'
    return f'one of {count_blocks(keys)} {kind} blocks'


def _query_prefix(checkpoint: Mapping[str, object]) -> str:
    """Where the query encoder is, for an error message."""
    try:
        prefix = find_backbone(checkpoint).prefix
    except ValueError:
        return 'a place that we do not know'
    return f'prefix={prefix!r}' if prefix else 'the top (no prefix)'


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
