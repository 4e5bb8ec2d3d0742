# Copyright (c) mmregioncl contributors. All rights reserved.
"""The weights that a config asks for, as MMEngine would take them."""
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
from .safe_load import load_checkpoint_file

CURE_EXPORT = ('`python tools/export.py CHECKPOINT` writes a file that '
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


def read_source(checkpoint: str,
                prefix: str | None,
                whole_model: bool = False) -> PretrainedSource:
    """Take from a file what ``init_cfg`` with this prefix would take.

    Args:
        checkpoint (str): As in ``init_cfg`` or ``load_from``.
        prefix (str, optional): As in ``init_cfg``; None takes all keys.
        whole_model (bool): For ``load_from``: the prefix is that of the
            backbone in the model. Defaults to False.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is cut short or no checkpoint, if the prefix names
            nothing or the momentum encoder, or if weights are not finite.
    """
    path = locate(checkpoint)
    loaded = load_checkpoint_file(path)
    # MMEngine looks at `state_dict` and at the top, and nowhere else.
    nested = loaded.get('state_dict')
    nested = nested if isinstance(nested, dict) else loaded
    # Only where it takes all keys does it strip what DDP puts before them.
    ddp = 'module.' if whole_model or not prefix else ''
    state = {
        key.removeprefix(ddp): value
        for key, value in nested.items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }
    dotted = prefix.rstrip('.') + '.' if prefix else ''
    if is_key_prefix(dotted):
        raise ValueError(
            f'prefix={prefix!r} takes the key (momentum) encoder of {path}, '
            'not the query encoder that was trained. Use the query\'s prefix '
            f'({_query_prefix(loaded)}), or export it: {CURE_EXPORT}.')
    tensors = strip_prefix(state, dotted)
    if not state:
        raise ValueError(
            f'{path} has no tensors where MMEngine looks for them, under '
            f'`state_dict` and at the top; export it: {CURE_EXPORT}.')
    if PROBE not in tensors:
        raise ValueError(
            f'wrong prefix: {path} has no backbone under prefix={prefix!r}; '
            f'its keys are {list_prefixes(nested)}. The backbone in it is at '
            f'{_query_prefix(loaded)}; set that, or export it: '
            f'{CURE_EXPORT}.')
    check_finite(tensors, path)
    return PretrainedSource(path, _sha256(path), tensors,
                            find_key_encoder(state))


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
