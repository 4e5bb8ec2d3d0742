# Copyright (c) mmregioncl contributors. All rights reserved.
"""Gather the rows of all ranks, with the gradient that all ranks have."""
from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from .batch_shuffle import gather_rows


class _GatherWithGrad(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.num = len(rows)
        return gather_rows(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()  # all_reduce writes into it
        dist.all_reduce(grad)
        first = dist.get_rank() * ctx.num
        return grad[first:first + ctx.num]


def gather_with_grad(rows: Tensor) -> Tensor:
    """Concatenate the rows of all ranks, the same on every rank.

    A row of one rank is a negative in the losses of all others. Its gradient
    is the sum of what they all say, so that the mean over ranks that DDP
    forms is the gradient of the mean loss, as in one process with the joint
    batch. (MMSelfSup's ``GatherLayer`` keeps this rank's part only.)

    Args:
        rows (Tensor): This rank's rows; as many on every rank.

    Shape:
        (N, ...) -> (world * N, ...)
    """
    if not (dist.is_available() and dist.is_initialized()
            and dist.get_world_size() > 1):
        return rows
    return _GatherWithGrad.apply(rows)
