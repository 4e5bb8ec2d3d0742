# Copyright (c) mmregioncl contributors. All rights reserved.
"""Bytes on the wire in 2 and 4 processes: ours against the host's."""
from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from mmregioncl.core import draw_permutation, exchange_rows, gather_rows

NUM, DIM = 6, 8  # images and size of a key on each rank
IMAGE = (3, 5, 7)
IMAGE_BYTES, KEY_BYTES = 3 * 5 * 7 * 4, DIM * 4


def host_functions() -> Any:
    """MMSelfSup's batch shuffle, without the seconds that its import takes
    in each process: two of its files, as a package of their own."""
    spec = importlib.util.find_spec('mmselfsup')
    assert spec is not None and spec.origin is not None
    package = types.ModuleType('host_utils')
    package.__path__ = [str(Path(spec.origin).parent / 'utils')]
    sys.modules['host_utils'] = package
    return (importlib.import_module('host_utils.batch_shuffle'),
            importlib.import_module('host_utils.gather'))


def encode(images: Tensor) -> Tensor:
    """Depends on the other images of the batch, as BatchNorm does."""
    return (images - images.mean(0)).flatten(1)[:, :DIM].contiguous()


def keys_of_a_rank(rank: int, world_size: int) -> dict[str, Any]:
    from wire_count import WireCount
    shuffle, gather = host_functions()
    total = world_size * NUM
    batch = torch.randn(
        total, *IMAGE, generator=torch.Generator().manual_seed(1))
    mine = batch[rank * NUM:(rank + 1) * NUM]
    order = draw_permutation(total, 3, 0)

    with WireCount() as ours:
        keys = exchange_rows(encode(exchange_rows(mine, order)),
                             order.argsort())
        queued = gather_rows(keys)

    draw, torch.randperm = torch.randperm, lambda *_, **__: order.clone()
    try:
        with WireCount() as hosts:
            shuffled, back = shuffle.batch_shuffle_ddp(mine)
            host_keys = shuffle.batch_unshuffle_ddp(encode(shuffled), back)
            host_queued = gather.concat_all_gather(host_keys)
    finally:
        torch.randperm = draw
    assert dist.all_gather.__module__.startswith('torch')  # put back
    assert torch.equal(keys, host_keys)
    assert torch.equal(queued, host_queued)
    with WireCount() as reduced:
        dist.all_reduce(torch.ones(10))
    places = order.view(world_size, NUM)[rank] // NUM
    back = order.argsort().view(world_size, NUM)[rank] // NUM
    return dict(
        ours=dict(ours.received),
        calls=dict(ours.calls),
        hosts=dict(hosts.received),
        reduced=reduced.received['all_reduce'],
        images_from_others=int((places != rank).sum()),
        keys_from_others=int((back != rank).sum()))


@pytest.mark.parametrize('world_size', [2, 4])
def test_each_rank_receives_its_own_batch_and_no_more(
        world_size: int, run_distributed: Callable[..., list[Any]],
        repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host: every image on every rank. Ours: what the rank encodes, less
    what it had. Same keys, same queue; the keys are gathered once."""
    monkeypatch.syspath_prepend(str(repo_root / 'tools' / 'benchmarks'))
    others = (world_size - 1) * NUM
    for rank, found in enumerate(
            run_distributed(keys_of_a_rank, world_size, timeout=300.)):
        assert found['calls'] == dict(
            all_to_all_single=2, all_gather_into_tensor=1)
        assert found['ours'] == dict(
            all_to_all_single=found['images_from_others'] * IMAGE_BYTES +
            found['keys_from_others'] * KEY_BYTES,
            all_gather_into_tensor=others * KEY_BYTES)
        assert found['images_from_others'] <= NUM
        assert found['hosts'] == dict(
            all_gather=others * (IMAGE_BYTES + 2 * KEY_BYTES),
            broadcast=8 * world_size * NUM * (rank != 0))
        assert found['reduced'] == 2 * 40 * (world_size - 1) // world_size
