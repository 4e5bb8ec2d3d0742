# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Callable

import torch
from torch import Tensor

from mmregioncl.core import gather_with_grad

WORLD, NUM = 2, 3


def loss_of(rank: int, everyone: Tensor, mine: Tensor) -> Tensor:
    """No two rows and no two ranks count alike."""
    weights = torch.arange(1., 1 + WORLD * NUM).double()
    return (rank + 1) * ((mine @ everyone.t()).exp() * weights).sum()


def slope_on_a_rank(rank: int, world_size: int,
                    rows: Tensor) -> tuple[Tensor, Tensor]:
    mine = rows[rank * NUM:(rank + 1) * NUM].clone().requires_grad_()
    everyone = gather_with_grad(mine)
    return everyone.detach(), torch.autograd.grad(
        loss_of(rank, everyone, mine), mine)[0]


def test_two_ranks(run_distributed: Callable[..., list[Any]]) -> None:
    """The gradient of the sum of the losses of all ranks."""
    rows = torch.randn(WORLD * NUM, 4, dtype=torch.float64)
    ranks = run_distributed(slope_on_a_rank, WORLD, rows)
    whole = rows.clone().requires_grad_()
    total = sum(loss_of(rank, whole, whole[rank * NUM:(rank + 1) * NUM])
                for rank in range(WORLD))
    slope, = torch.autograd.grad(total, whole)
    for rank, (everyone, part) in enumerate(ranks):
        assert torch.equal(everyone, rows)
        torch.testing.assert_close(part, slope[rank * NUM:(rank + 1) * NUM])


def test_one_process_needs_nothing() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    assert gather_with_grad(rows) is rows
