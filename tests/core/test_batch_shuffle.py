# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Callable

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from mmregioncl.core import draw_permutation, exchange_rows, gather_rows

Run = Callable[..., list[Any]]


def whole(world_size: int, num: int, *shape: int) -> Tensor:
    """The global batch; every row is unlike every other."""
    size = world_size * num
    for each in shape:
        size *= each
    return torch.arange(float(size)).view(world_size * num, *shape)


def slow_exchange(batch: Tensor, source: Tensor, rank: int,
                  num: int) -> Tensor:
    """Gather all, take what is wanted: MoCo's way."""
    places = range(rank * num, (rank + 1) * num)
    return torch.stack([batch[source[place]] for place in places])


def shuffle_on_a_rank(rank: int, world_size: int) -> dict[str, Any]:
    """Every check that needs a process group, in one start of the ranks."""
    received: list[int] = []
    exchange = dist.all_to_all_single

    def counting(output: Tensor, *args: Any, **kwargs: Any) -> Any:
        received.append(len(output))
        return exchange(output, *args, **kwargs)

    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise AssertionError('a whole batch was gathered')

    dist.all_to_all_single = counting
    gather, dist.all_gather_into_tensor = (dist.all_gather_into_tensor,
                                           forbidden)
    for step, (num, shape) in enumerate([(1, (2, )), (2, ()), (3, (2, 3, 5)),
                                         (5, (3, )), (4, (1, 2))]):
        batch = whole(world_size, num, *shape)
        mine = batch[rank * num:(rank + 1) * num]
        before = mine.clone()
        for source in (draw_permutation(world_size * num, 7, step),
                       torch.arange(world_size * num),  # nobody moves
                       torch.arange(world_size * num).roll(num),  # all move
                       torch.arange(world_size * num).flip(0)):
            shuffled = exchange_rows(mine, source)
            assert torch.equal(shuffled,
                               slow_exchange(batch, source, rank, num))
            restored = exchange_rows(shuffled, source.argsort())
            assert torch.equal(restored, mine) and torch.equal(mine, before)
            assert received[-2:] == [num, num]

    # images as a channel flip or a format change leaves them
    images = whole(world_size, 3, 2, 4, 5)
    mine = images[rank * 3:(rank + 1) * 3]
    source = draw_permutation(world_size * 3, 1, 0)
    for view in (mine.to(memory_format=torch.channels_last),
                 mine.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)):
        assert torch.equal(
            exchange_rows(view, source),
            slow_exchange(images, source, rank, 3))
    for dtype in (torch.bfloat16, torch.uint8, torch.float64, torch.long):
        assert torch.equal(
            exchange_rows(mine.to(dtype), source),
            slow_exchange(images.to(dtype), source, rank, 3))

    dist.all_gather_into_tensor = gather
    for shape in ((), (4, ), (2, 3)):
        batch = whole(world_size, 3, *shape)
        part = batch[rank * 3:(rank + 1) * 3].clone().requires_grad_()
        gathered = gather_rows(part)
        assert torch.equal(gathered, batch) and not gathered.requires_grad
    turned = whole(world_size * 2, 2).view(2, -1)[:, rank * 2:rank * 2 + 2]
    assert torch.equal(  # columns: rows that do not lie together
        gather_rows(turned.t()),
        whole(world_size * 2, 2).view(2, -1)[:, :2 * world_size].t())

    try:
        exchange_rows(mine, torch.arange(world_size * 3 + 1))
        raise AssertionError('a permutation too long was taken')
    except ValueError as error:
        message = str(error)
    torch.manual_seed(rank)  # must have no part in it
    return dict(
        permutations=[draw_permutation(9, 5, step) for step in range(3)],
        message=message)


@pytest.mark.parametrize('world_size', [2, 3])
def test_ranks(run_distributed: Run, world_size: int) -> None:
    results = run_distributed(shuffle_on_a_rank, world_size, timeout=300.)
    for result in results[1:]:
        for ours, first in zip(result['permutations'],
                               results[0]['permutations']):
            assert torch.equal(ours, first)
    assert f'{world_size} ranks of 3 rows' in results[0]['message']


def test_one_process() -> None:
    rows = torch.randn(5, 2, 3)
    source = draw_permutation(5, 3, 1)
    shuffled = exchange_rows(rows, source)
    assert torch.equal(shuffled, slow_exchange(rows, source, 0, 5))
    assert torch.equal(exchange_rows(shuffled, source.argsort()), rows)
    assert torch.equal(gather_rows(rows), rows)
    with pytest.raises(ValueError, match='4 rows does not go with 1 ranks'):
        exchange_rows(rows, torch.arange(4))


def test_shuffling_keeps_no_graph() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    assert not exchange_rows(rows, torch.tensor([2, 0, 1])).requires_grad
    assert not gather_rows(rows * 2).requires_grad


@pytest.mark.parametrize('num', [1, 2, 7, 64])
def test_permutations(num: int) -> None:
    for seed in (0, 1, 2**31, 2**62):
        order = draw_permutation(num, seed, 3)
        assert order.dtype == torch.long and order.device.type == 'cpu'
        assert sorted(order.tolist()) == list(range(num))
        assert torch.equal(order, draw_permutation(num, seed, 3))


def test_each_seed_and_step_has_its_own() -> None:
    """Also next to each other: a run must not repeat another one shifted."""
    drawn = {
        tuple(draw_permutation(40, seed, step).tolist())
        for seed in (*range(20), 2**31 - 1, 2**31)
        for step in (*range(50), 10**6)
    }
    assert len(drawn) == 22 * 51


def test_drawing_leaves_torch_alone() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    draw_permutation(9, 5, 2)
    assert torch.equal(torch.get_rng_state(), state)
