# Copyright (c) mmregioncl contributors. All rights reserved.
"""What the code is held against: slow, obvious, in float64.

Each function walks over samples, cells and pixels one by one and says the
rule as the paper (or MMSelfSup) says it. Nothing here calls mmregioncl.
"""
from __future__ import annotations

import math
import random

import torch
from torch import Tensor

Box = tuple[int, int, int, int]  # x, y, w, h


def swapped(images: Tensor, boxes: list[Box], donors: list[int]) -> Tensor:
    """Composites, pixel by pixel; ``boxes`` in pixels."""
    composites = images.clone()
    for i, (x, y, w, h) in enumerate(boxes):
        for row in range(y, y + h):
            for column in range(x, x + w):
                composites[i, :, row, column] = \
                    images[donors[i], :, row, column]
    return composites


def pooled(features: Tensor, boxes: list[Box]) -> tuple[Tensor, Tensor]:
    """Mean of the cells outside and inside each box; ``boxes`` in cells."""
    canvas, paste = [], []
    for i, (x, y, w, h) in enumerate(boxes):
        outside, inside = [], []
        for row in range(features.shape[2]):
            for column in range(features.shape[3]):
                cell = features[i, :, row, column]
                if x <= column < x + w and y <= row < y + h:
                    inside.append(cell)
                else:
                    outside.append(cell)
        canvas.append(sum(outside) / len(outside))
        paste.append(sum(inside) / len(inside))
    return torch.stack(canvas), torch.stack(paste)


def normalised(rows: Tensor) -> Tensor:
    """Each row over its length."""
    return torch.stack([row / (row * row).sum().sqrt() for row in rows])


def info_nce(anchor: Tensor, positive: Tensor, negatives: list[Tensor],
             temperature: float) -> Tensor:
    """-log e^s(a, p) / (e^s(a, p) + sum e^s(a, n)), of one anchor."""
    numerator = ((anchor * positive).sum() / temperature).exp()
    denominator = numerator
    for negative in negatives:
        denominator = denominator + (
            (anchor * negative).sum() / temperature).exp()
    return -(numerator / denominator).log()


def region_info_nce(query: Tensor,
                    canvas: Tensor,
                    paste: Tensor,
                    key: Tensor,
                    donors: list[int],
                    queue: Tensor,
                    temperature: float,
                    intra_negative: bool = True) -> dict[str, Tensor]:
    """The three terms of RegionCL-M, row by row; ``queue`` (D, K)."""
    columns = [queue[:, m] for m in range(queue.shape[1])]
    terms: dict[str, list[Tensor]] = {'instance': [], 'canvas': [],
                                      'paste': []}
    for j, donor in enumerate(donors):
        c_negatives, p_negatives = list(columns), list(columns)
        if intra_negative:
            c_negatives.append(paste[j].detach())
            p_negatives.append(canvas[j].detach())
        terms['instance'].append(
            info_nce(query[j], key[j], columns, temperature))
        terms['canvas'].append(
            info_nce(canvas[j], key[j], c_negatives, temperature))
        terms['paste'].append(
            info_nce(paste[j], key[donor], p_negatives, temperature))
    return {name: torch.stack(rows) for name, rows in terms.items()}


def enqueued(queue: Tensor, pointer: int,
             keys: Tensor) -> tuple[Tensor, int]:
    """The queue (D, K) and its pointer after the keys, one at a time."""
    queue = queue.clone()
    for key in keys:
        queue[:, pointer] = key
        pointer = pointer + 1 if pointer + 1 < queue.shape[1] else 0
    return queue, pointer


def moved_average(average: Tensor, source: Tensor, momentum: float) -> Tensor:
    """``momentum`` is the share that stays."""
    return momentum * average + (1 - momentum) * source


def batch_norm(images: Tensor, weight: Tensor, bias: Tensor,
               eps: float) -> Tensor:
    """BatchNorm2d in training, channel by channel."""
    channels = []
    for channel in range(images.shape[1]):
        values = images[:, channel]
        mean = values.mean()
        variance = ((values - mean)**2).mean()
        channels.append(weight[channel] * (values - mean) /
                        (variance + eps).sqrt() + bias[channel])
    return torch.stack(channels, 1)


def legacy_start(point: int, size: int, extent: int, stride: int) -> int:
    """Where the authors' paste begins along one axis, in pixels.

    The nearest cell border to the point, a half going to the even cell; but
    not beyond the last start that leaves one more pixel after the box.
    """
    cell, rest = divmod(point, stride)
    if 2 * rest > stride or 2 * rest == stride and cell % 2:
        cell += 1
    return min(cell * stride, extent - 1 - size * stride)


def legacy_box(height: int, width: int, stride: int, low: int, high: int,
               rng: random.Random) -> tuple[Box, Box]:
    """The box that the authors paste (pixels) and the one they pool (cells).

    ``low`` and ``high`` are both included.
    """
    w, h = rng.randint(low, high), rng.randint(low, high)
    x = legacy_start(rng.randrange(width), w, width, stride)
    y = legacy_start(rng.randrange(height), h, height, stride)
    return ((x, y, w * stride, h * stride),
            (math.floor(x / stride), math.floor(y / stride), w, h))


def is_derangement(donors: list[int]) -> bool:
    """Whether everyone gives once, and nobody to himself."""
    return sorted(donors) == list(range(len(donors))) and all(
        donor != i for i, donor in enumerate(donors))
