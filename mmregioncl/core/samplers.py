# Copyright (c) mmregioncl contributors. All rights reserved.
"""Where the box goes, and who gives to whom.

Two box samplers. ``grid`` draws every start that fits with equal probability,
aligned to the feature cells. ``legacy`` draws from the distribution of the
authors' code (RegionCLM.py:165-197 at 61bbcabb), in which 87 % of the boxes
are not aligned: the paste is clamped to end one pixel before the border, and
the floor of a division then pools it one cell too low.
"""
from __future__ import annotations

import torch
from torch import Tensor


def sample_sizes(num: int, cells: tuple[int, int],
                 generator: torch.Generator | None) -> Tensor:
    """Draw widths and heights, independent and uniform.

    Returns:
        Tensor: ``w, h`` in cells, shape (num, 2), long.
    """
    low, high = cells
    return torch.randint(low, high + 1, (num, 2), generator=generator)


def sample_grid(num: int,
                height: int,
                width: int,
                cells: tuple[int, int] = (3, 5),
                generator: torch.Generator | None = None) -> Tensor:
    """Draw boxes aligned to the feature cells.

    Args:
        num (int): Number of boxes.
        height (int): Height of the feature map in cells.
        width (int): Width of the feature map in cells.
        cells (tuple[int, int]): Smallest and largest side in cells, both
            included. Defaults to (3, 5), the authors' cutMixLower=3 and
            cutMixUpper=6 (excluded).
        generator (torch.Generator, optional): Source of randomness, on the
            CPU. Defaults to None, torch's own.

    Returns:
        Tensor: ``x, y, w, h`` in cells, shape (num, 4), long.
    """
    sizes = sample_sizes(num, cells, generator)  # (num, 2)
    room = torch.tensor([width, height]) - sizes + 1  # starts that fit
    # floor(u * n) with u in float64 from [0, 1): a box per row, each with its
    # own n, uniform to within 1e-15.
    uniform = torch.rand(num, 2, dtype=torch.float64, generator=generator)
    starts = (uniform * room).long()
    return torch.cat((starts, sizes), dim=1)


def sample_legacy(
        num: int,
        height: int,
        width: int,
        stride: int = 32,
        cells: tuple[int, int] = (3, 5),
        generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Draw boxes as the authors' code does, misalignment included.

    Args:
        num (int): Number of boxes.
        height (int): Height of the image in pixels.
        width (int): Width of the image in pixels.
        stride (int): Pixels per cell. Defaults to 32, the authors' constant.
        cells (tuple[int, int]): Smallest and largest side in cells, both
            included. Defaults to (3, 5).
        generator (torch.Generator, optional): Source of randomness, on the
            CPU. Defaults to None, torch's own.

    Returns:
        tuple[Tensor, Tensor]: The boxes that are pasted, in pixels, and the
        boxes that are pooled, in cells; ``x, y, w, h``, shape (num, 4), long.
    """
    sizes = sample_sizes(num, cells, generator)  # (num, 2) in cells
    extent = torch.tensor([width, height])  # (2, )
    uniform = torch.rand(num, 2, dtype=torch.float64, generator=generator)
    points = (uniform * extent).long()  # any pixel
    # torch.round goes half to even, as the authors' Python round() did.
    starts = torch.round(points / stride).long() * stride
    # The authors' off-by-one: without the -1 the box would stay aligned.
    starts = torch.minimum(starts, extent - 1 - sizes * stride)
    pasted = torch.cat((starts, sizes * stride), dim=1)
    pooled = torch.cat((starts // stride, sizes), dim=1)
    return pasted, pooled


def pair_flip(num: int) -> Tensor:
    """Pair image ``i`` with image ``num - 1 - i``, as the authors do.

    In an odd batch the middle image would be its own donor. It takes part in
    a cycle of three with its neighbours instead.

    Args:
        num (int): Number of images, at least 2.

    Returns:
        Tensor: Donor of each image, shape (num, ), long.
    """
    donors = torch.arange(num - 1, -1, -1)
    if num % 2:
        middle = num // 2
        donors[middle], donors[middle + 1] = middle - 1, middle
    return donors


def pair_random(num: int,
                generator: torch.Generator | None = None) -> Tensor:
    """Draw a permutation without fixed points, each equally likely.

    Args:
        num (int): Number of images, at least 2.
        generator (torch.Generator, optional): Source of randomness, on the
            CPU. Defaults to None, torch's own.

    Returns:
        Tensor: Donor of each image, shape (num, ), long.
    """
    itself = torch.arange(num)
    while True:  # e = 2.7 draws on average, whatever the size
        donors = torch.randperm(num, generator=generator)
        if not (donors == itself).any():
            return donors
