# Copyright (c) mmregioncl contributors. All rights reserved.
"""Shuffle a batch across ranks, so that BatchNorm cannot give the key away.

MoCo (https://arxiv.org/abs/1911.05722, Sec. 3.3): the key of an image is
computed in another BatchNorm batch than its query. The authors gather every
image on every rank and throw most of them away. Here each rank receives the
images that it needs, by one all-to-all exchange: as many as it had.
"""
from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def _world() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def draw_permutation(num: int, seed: int, step: int) -> Tensor:
    """Draw the same permutation on every rank, without talking.

    Args:
        num (int): Size of the global batch.
        seed (int): Same on all ranks.
        step (int): Number of the training step, same on all ranks. Each step
            has its own permutation, also after a resume.

    Returns:
        Tensor: Shape (num, ), long, on the CPU.
    """
    # Spread the seeds far apart (2**64 over the golden ratio, as in
    # SplitMix64): seed 1 must not repeat seed 0 one step later. torch takes
    # the lower 32 bits: neighbours are millions of steps apart.
    mixed = (seed * 0x9E3779B97F4A7C15 + step) % 2**63
    generator = torch.Generator().manual_seed(mixed)
    return torch.randperm(num, generator=generator)


@torch.no_grad()
def exchange_rows(rows: Tensor, source: Tensor) -> Tensor:
    """Fetch row ``source[i]`` of the global batch to global place ``i``.

    The global batch is the ranks' batches one behind the other; all are of
    the same size. With one rank this is ``rows[source]``. The inverse is
    ``exchange_rows(result, source.argsort())``.

    Args:
        rows (Tensor): This rank's rows, shape (N, ...).
        source (Tensor): Permutation of the global batch, the same on every
            rank. Shape (world * N, ), long, on the CPU.

    Returns:
        Tensor: This rank's rows of the permuted batch, shape (N, ...).

    Raises:
        ValueError: If ``source`` has another length than world * N. Ranks of
            different N cannot be told here: they would wait for each other.
    """
    rank, world = _world()
    num = len(rows)
    if len(source) != world * num:
        raise ValueError(
            f'a permutation of {len(source)} rows does not go with {world} '
            f'ranks of {num} rows; all ranks need the same batch size')
    if world == 1:
        return rows[source.to(rows.device, non_blocking=True)]

    wanted = source.view(world, num)  # place -> global row, by rank
    owner = wanted // num
    mine = owner == rank  # (world, N): who wants which row of mine
    sent = rows[(wanted % num)[mine].to(rows.device, non_blocking=True)]
    # Bytes are sent as they lie: both sides in one layout, or the rows of a
    # channels-last view would arrive scrambled.
    sent = sent.contiguous()
    send_counts = mine.sum(1).tolist()
    receive_counts = torch.bincount(owner[rank], minlength=world).tolist()
    received = torch.empty_like(sent)
    dist.all_to_all_single(received, sent, receive_counts, send_counts)
    # Rows arrive rank by rank, each rank's in the order of their places.
    arrival = owner[rank].argsort(stable=True).argsort()
    return received[arrival.to(rows.device, non_blocking=True)]


@torch.no_grad()
def gather_rows(rows: Tensor) -> Tensor:
    """Concatenate the rows of all ranks, the same on every rank, detached.

    Shape:
        (N, ...) -> (world * N, ...)
    """
    _, world = _world()
    if world == 1:
        return rows.detach()
    gathered = rows.new_empty((world * len(rows), *rows.shape[1:]))
    dist.all_gather_into_tensor(gathered, rows.contiguous())
    return gathered
