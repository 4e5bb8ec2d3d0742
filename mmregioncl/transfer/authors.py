# Copyright (c) mmregioncl contributors. All rights reserved.
"""Checkpoints of the authors' code as checkpoints of ours.

Their RegionCL-M (class ``MOCO_RegionCL`` in OpenSelfSup) keeps each encoder
as a sequence of backbone (0) and neck (1), and the query's backbone a second
time as ``backbone.``. WXinlong/DenseCL, on the same base, differs in the neck
and in a second queue only, and goes through the same rules.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .backbone import check_finite, unwrap
from .key_maps import list_prefixes

# theirs -> ours; the first that matches counts.
_RULES = (
    (r'encoder_q\.0\.(.+)', r'backbone.\1'),
    (r'encoder_q\.1\.(mlp2?\.[02]\..+)', r'neck.\1'),
    (r'encoder_k\.0\.(.+)', r'encoder_k.module.0.\1'),
    (r'encoder_k\.1\.(mlp2?\.[02]\..+)', r'encoder_k.module.1.\1'),
    (r'(queue2?(_ptr)?)', r'\1'),
)


def convert_authors(checkpoint: Mapping[str, Any],
                    name: str = 'the checkpoint') -> dict[str, Any]:
    """Rename the authors' keys to those of MMSelfSup's MoCo.

    Args:
        checkpoint (Mapping): A checkpoint of their code.
        name (str): What error messages call it. Defaults to
            'the checkpoint'.

    Returns:
        dict: ``state_dict``, which loads strictly into ``RegionCLMoCo`` and
        MMSelfSup's ``MoCo`` (what DenseCL's own code wrote, in the same names:
        ``RegionCLDenseCL`` and ``DenseCL``), and ``meta`` of plain strings.
        Their optimizer state is left out: start from it with ``load_from``.

    Raises:
        ValueError: If keys are missing or unknown, or the two names of the
            query's backbone disagree.
    """
    state = {
        key.removeprefix('module.'): value
        for key, value in unwrap(checkpoint).items()
    }
    converted: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        if _is_alias(key, value, state, name):
            continue
        for pattern, ours in _RULES:
            match = re.fullmatch(pattern, key)
            if match:
                converted[match.expand(ours)] = value.detach().clone()
                break
        else:
            unknown.append(key)
    expected = [
        'backbone.conv1.weight', 'neck.mlp.0.weight', 'neck.mlp.2.weight',
        'encoder_k.module.0.conv1.weight', 'encoder_k.module.1.mlp.0.weight',
        'queue', 'queue_ptr'
    ]
    if any('mlp2' in key or 'queue2' in key for key in converted):
        expected += [
            'neck.mlp2.0.weight', 'neck.mlp2.2.weight',
            'encoder_k.module.1.mlp2.0.weight', 'queue2', 'queue2_ptr'
        ]
    missing = [key for key in expected if key not in converted]
    if missing or unknown:
        raise ValueError(
            f'{name} is no checkpoint of the authors\' RegionCL-M: it holds '
            f'{list_prefixes(state)}; ' +
            (f'there is nothing to become {missing}; ' if missing else '') +
            (f'unknown are {unknown[:5]}; ' if unknown else '') +
            'expected encoder_q.0.*, encoder_q.1.mlp.*, encoder_k.0.*, '
            'encoder_k.1.mlp.*, queue and queue_ptr.')
    check_finite(converted, name)
    converted['encoder_k.steps'] = torch.tensor(_steps(checkpoint))
    return dict(
        state_dict=converted,
        meta=dict(converted_from='the authors\' code (OpenSelfSup)'))


def _steps(checkpoint: Mapping[str, Any]) -> int:
    """Updates that the key encoder has had.

    Never 0: at step 0 MMEngine's ExponentialMovingAverage overwrites the key
    encoder with the query encoder.
    """
    meta = checkpoint.get('meta')
    iterations = meta.get('iter') if isinstance(meta, Mapping) else None
    return max(1, iterations) if isinstance(iterations, int) else 1


def _is_alias(key: str, value: Tensor, state: Mapping[str, Tensor],
              name: str) -> bool:
    """Whether this is a second name of a tensor in `encoder_q.0.`."""
    original = state.get(key.replace('backbone.', 'encoder_q.0.', 1))
    if not key.startswith('backbone.') or original is None:
        return False
    if not torch.equal(original, value):
        raise ValueError(f'{name}: {key!r} should be the same tensor as its '
                         '`encoder_q.0.` namesake and is not; the file was '
                         'not written by the authors\' code')
    return True
