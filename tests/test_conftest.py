# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import os
import time
from typing import Any, Callable

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

Run = Callable[..., list[Any]]


def _gather(rank: int, world_size: int, offset: Tensor) -> list[Tensor]:
    out = [torch.zeros(1) for _ in range(world_size)]
    dist.all_gather(out, offset + rank)
    return out


def _fail_on_one(rank: int, world_size: int) -> None:
    if rank == 1:
        raise ArithmeticError('from the second rank')
    dist.barrier()


def _never_meet(rank: int, world_size: int) -> None:
    if rank == 0:
        time.sleep(600)


def _die(rank: int, world_size: int) -> None:
    os._exit(3)


def test_ranks_see_each_other(run_distributed: Run) -> None:
    results = run_distributed(_gather, 2, torch.tensor([5.]))
    assert results == [[torch.tensor([5.]), torch.tensor([6.])]] * 2


def test_a_failing_rank_is_reported_at_once(run_distributed: Run) -> None:
    start = time.monotonic()
    with pytest.raises(RuntimeError, match='rank 1 of 2(.|\n)*second rank'):
        run_distributed(_fail_on_one, 2, timeout=300.)
    assert time.monotonic() - start < 200


def test_a_rank_that_dies_without_a_word(run_distributed: Run) -> None:
    with pytest.raises(RuntimeError, match='rank 0 of 1 ended with 3'):
        run_distributed(_die, 1)


def test_a_hang_ends_and_names_the_ranks(run_distributed: Run) -> None:
    with pytest.raises(TimeoutError, match='still run after 10'):
        run_distributed(_never_meet, 2, timeout=10.)


def test_a_local_function_is_refused(run_distributed: Run) -> None:
    with pytest.raises(ValueError, match='top level'):
        run_distributed(lambda rank, world_size: None, 2)


@pytest.mark.parametrize('turn', [0, 1])
def test_seeds_do_not_depend_on_the_order(turn: int) -> None:
    first = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(first, torch.rand(1))
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize('turn', [0, 1])
def test_mmengine_state_does_not_survive(turn: int) -> None:
    logging = pytest.importorskip('mmengine.logging')
    hubs = logging.MessageHub._instance_dict
    assert 'left_over' not in hubs
    logging.MessageHub.get_instance('left_over')
    assert 'left_over' in hubs
