# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmregioncl.core import enqueue
from tests import references


def fresh(length: int, dim: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    queue = torch.randn(dim, length, dtype=torch.float64)
    return queue, torch.zeros(1, dtype=torch.long)


# a queue of one; of a multiple; of no multiple; shorter than the batch; and
# batches of different sizes, the last one short
@pytest.mark.parametrize('length, batches', [
    (1, [1, 3, 2]),
    (6, [2, 2, 2, 2]),
    (7, [3, 3, 3, 3, 3, 1]),
    (5, [4, 4, 4, 2, 4]),
    (4, [4, 4]),
    (3, [5, 2, 7, 1]),
    (5, [10, 11]),
    (4, [0, 3, 0, 3]),
])
def test_wraps_around(length: int, batches: list[int]) -> None:
    queue, pointer = fresh(length)
    expected, at = queue.clone(), 0
    place = queue.data_ptr()
    for num in batches:
        keys = torch.randn(num, 3, dtype=torch.float64)
        expected, at = references.enqueued(expected, at, keys)
        assert enqueue(queue, pointer, keys) is None
        assert torch.equal(queue, expected)
        assert pointer.tolist() == [at]
    assert queue.data_ptr() == place


def test_the_oldest_go_first() -> None:
    queue, pointer = fresh(5, 1)
    for step in range(1, 8):
        enqueue(queue, pointer, torch.full((2, 1), step).double())
        held = sorted(queue[0].tolist())
        if step >= 3:
            assert held == [step - 2, step - 1, step - 1, step, step]


def test_keys_of_another_dtype_and_with_gradient() -> None:
    queue, pointer = torch.zeros(3, 4), torch.zeros(1, dtype=torch.long)
    keys = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    enqueue(queue, pointer, keys)
    assert queue.dtype == torch.float32 and not queue.requires_grad
    assert queue[:, :2].eq(1).all() and queue[:, 2:].eq(0).all()


def test_no_clone_and_no_look_at_the_numbers() -> None:
    """A look (item) would make the host wait for the device."""
    seen = []

    class Watch(TorchDispatchMode):

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append((func.overloadpacket.__name__,
                         [a.numel() for a in args
                          if isinstance(a, torch.Tensor)]))
            return func(*args, **(kwargs or {}))

    queue, pointer = fresh(1000)
    with Watch():
        enqueue(queue, pointer, torch.randn(7, 3, dtype=torch.float64))
    names = [name for name, _ in seen]
    assert not {'_local_scalar_dense', 'nonzero', 'item'} & set(names)
    touching = {name for name, sizes in seen if 3000 in sizes}
    assert touching == {'index_copy_'}
