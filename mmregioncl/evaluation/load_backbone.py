# Copyright (c) mmregioncl contributors. All rights reserved.
"""A backbone from a checkpoint, complete or not at all."""
from __future__ import annotations

from torch import nn

from mmregioncl.transfer.safe_load import load_checkpoint_file


def load_backbone(backbone: nn.Module, checkpoint: str) -> str:
    """Load every tensor of a backbone.

    A checkpoint that fits in part would be evaluated with what is left of
    the random weights, and nobody would know.

    Args:
        backbone (nn.Module): Gets the weights.
        checkpoint (str): A training checkpoint (names ``backbone.*``) or the
            backbone alone. Read without running any code that it may hold.

    Returns:
        str: One line that says what was loaded.

    Raises:
        ValueError: If a tensor is missing or has another shape.
    """
    loaded = load_checkpoint_file(checkpoint)
    state = loaded.get('state_dict', loaded)
    expected = backbone.state_dict()
    found = {}
    for name in expected:
        for key in (f'backbone.{name}', name):
            if key in state and state[key].shape == expected[name].shape:
                found[name] = state[key]
                break
    missing = [  # PyTorch 0.4 did not count batches
        name for name in expected
        if name not in found and not name.endswith('num_batches_tracked')
    ]
    if missing:
        raise ValueError(
            f'{len(missing)} of the {len(expected)} backbone tensors of the '
            f'config are not in {checkpoint!r} under their name and shape, '
            f'first {missing[:5]}; it holds {sorted(state)[:5]}... Use the '
            'config that it was trained with')
    backbone.load_state_dict(found, strict=False)
    return f'{len(found)}/{len(expected)} backbone tensors from {checkpoint}'
