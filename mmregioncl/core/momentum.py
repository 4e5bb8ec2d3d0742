# Copyright (c) mmregioncl contributors. All rights reserved.
"""Exponential moving average of many tensors at once."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def ema_update(averages: Sequence[Tensor], sources: Sequence[Tensor],
               momentum: float) -> None:
    """``average = momentum * average + (1 - momentum) * source``, in place.

    One multi-tensor call instead of one kernel per parameter.

    Args:
        averages (Sequence[Tensor]): Parameters of the momentum encoder.
        sources (Sequence[Tensor]): Parameters of the query encoder.
        momentum (float): Share of the average that stays: 0.999 in MoCo v2.
    """
    torch._foreach_lerp_(
        list(averages), [source.detach() for source in sources],
        1 - momentum)
