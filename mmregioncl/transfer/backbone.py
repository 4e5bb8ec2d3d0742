# Copyright (c) mmregioncl contributors. All rights reserved.
"""Find the pretrained backbone in a checkpoint, whoever wrote it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .key_maps import (PROBE, KeyStyle, find_method, find_style, key_prefix,
                       list_prefixes)
from .resnet_layout import ResNetLayout, infer_layout

# Where checkpoints keep their weights, besides at the top.
_NESTS = ('state_dict', 'model')


@dataclass(frozen=True)
class Backbone:
    """The query encoder's ResNet, taken out of a checkpoint.

    Args:
        tensors (dict[str, Tensor]): Bare keys (``conv1.weight``, ...) in the
            order of the layers, each tensor a compact copy.
        layout (ResNetLayout): Depth, widths and stem.
        style (KeyStyle): Whose key names the checkpoint had.
        prefix (str): What stood before the bare keys.
        method (str): ``'RegionCLMoCo'``, ``'MoCo'``, ``'classification'``,
            ..., or ``'unknown'``.
    """

    tensors: dict[str, Tensor]
    layout: ResNetLayout
    style: KeyStyle
    prefix: str
    method: str


def unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, out of whatever holds them."""
    state: Mapping[str, Any] = checkpoint
    for nest in _NESTS:
        if isinstance(checkpoint.get(nest), Mapping):
            state = checkpoint[nest]
            break
    return {
        key: value
        for key, value in state.items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }


def find_backbone(checkpoint: Mapping[str, Any],
                  name: str = 'the checkpoint') -> Backbone:
    """Take the query encoder's ResNet out of a checkpoint.

    Args:
        checkpoint (Mapping): As :func:`load_checkpoint_file` returns it.
        name (str): What error messages call it, usually its path.
            Defaults to 'the checkpoint'.

    Raises:
        ValueError: If there is no backbone in it that we know of, if it is
            incomplete or no plain ResNet, or if it holds NaN or infinity.
    """
    state = unwrap(checkpoint)
    if not state:
        raise ValueError(f'{name} holds no tensors by name, only '
                         f'{list_prefixes(checkpoint)}; expected a state dict '
                         'or a checkpoint with a `state_dict`')
    found = find_style(state)
    if found is None:
        raise ValueError(
            f'{name} holds no backbone we know. Its keys: '
            f'{list_prefixes(state)}. Expected a ResNet below `backbone.`, '
            '`encoder_q.`, `encoder_q.0.`, `encoder.`, `base_encoder.` or at '
            'the top (torchvision, timm), with or without `module.` before '
            'it.')
    style, prefix = found
    entries = strip_prefix(state, prefix)
    _check_alias(state, entries, name)
    try:
        layout = infer_layout(entries)
    except ValueError as error:
        raise ValueError(f'the backbone below {prefix!r} in {name} '
                         f'{error}') from error
    tensors = {
        key: _compact(entries.get(key, torch.tensor(0)))
        for key in layout.tensor_shapes()
    }
    check_finite(tensors, name)
    meta = checkpoint.get('meta')
    config = meta.get('cfg', '') if isinstance(meta, Mapping) else ''
    method = find_method(state, config if isinstance(config, str) else '')
    return Backbone(tensors, layout, style, prefix, method)


def find_key_encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The momentum encoder's tensors with bare keys; empty without one."""
    found = find_style(state)
    if found is None or not found[0].key:
        return {}
    return strip_prefix(state, key_prefix(*found))


def strip_prefix(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Entries below a prefix, without it."""
    return {
        key[len(prefix):]: value
        for key, value in state.items() if key.startswith(prefix)
    }


def check_finite(tensors: Mapping[str, Tensor], name: str) -> None:
    """Refuse weights of a run that has diverged.

    Raises:
        ValueError: If a tensor holds NaN or infinity.
    """
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f'{name} holds NaN or infinity in {key!r}: the '
                             'run that wrote it has diverged; use an earlier '
                             'checkpoint')


def _check_alias(state: Mapping[str, Tensor], entries: Mapping[str, Tensor],
                 name: str) -> None:
    """The authors' `backbone.` is their `encoder_q.0.` under another name."""
    alias = state.get(f'backbone.{PROBE}')
    if alias is not None and not torch.equal(alias, entries[PROBE]):
        raise ValueError(f'{name} holds two different backbones, below '
                         '`backbone.` and below `encoder_q.`; expected one. '
                         'Remove the one that is not meant.')


def _compact(tensor: Tensor) -> Tensor:
    """A copy that owns its storage, in float32 where it is a float."""
    tensor = tensor.detach()
    if tensor.is_floating_point():
        tensor = tensor.float()
    return tensor.contiguous().clone()
