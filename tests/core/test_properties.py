# Copyright (c) mmregioncl contributors. All rights reserved.
"""core/ over sizes, strides, boxes, permutations, lengths, types, devices.

What must hold whatever the numbers are. Hypothesis draws them, the same ones
in each run, and makes a failing case small.
"""
from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mmregioncl.core import (SwappedRegions, check_regions, draw_permutation,
                             ema_update, enqueue, exchange_rows,
                             in_batch_info_nce, info_nce, pair_flip,
                             pair_random, pool_regions, queue_log_sum_exp,
                             region_cosine, region_info_nce, sample_grid,
                             sample_legacy, split_batchnorm, swap_regions,
                             unit)
from tests import references

DEVICES = ['cpu'] + ['cuda'] * torch.cuda.is_available()
FLOATS = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
ANY_TYPE = FLOATS + [torch.uint8, torch.int64, torch.bool]
examples = settings(derandomize=True, deadline=None, max_examples=60)
seeds = st.integers(0, 2**31 - 1)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@st.composite
def regions(draw: Any) -> tuple[SwappedRegions, int, int]:
    """Any derangement, any box that leaves a canvas; rows, columns."""
    num = draw(st.integers(2, 7))
    rows, columns = draw(
        st.tuples(st.integers(1, 6),
                  st.integers(1,
                              6)).filter(lambda size: size[0] * size[1] > 1))
    boxes = []
    for _ in range(num):
        w, h = draw(
            st.tuples(st.integers(1, columns), st.integers(
                1,
                rows)).filter(lambda size: size[0] * size[1] < rows * columns))
        boxes.append((draw(st.integers(0, columns - w)),
                      draw(st.integers(0, rows - h)), w, h))
    donors = draw(
        st.permutations(range(num)).filter(references.is_derangement))
    return SwappedRegions(
        torch.tensor(boxes), torch.tensor(donors),
        draw(st.integers(1, 5))), rows, columns


def values(shape: tuple[int, ...], dtype: torch.dtype, seed: int,
           device: str) -> Tensor:
    drawn = torch.randint(0, 200, shape, generator=generator(seed))
    return (drawn / 8).to(device, dtype)


@examples
@given(regions(), st.sampled_from(ANY_TYPE), st.sampled_from(DEVICES), seeds)
def test_composites(drawn: Any, dtype: torch.dtype, device: str,
                    seed: int) -> None:
    """Pixel by pixel, in any type; the images stay as they are."""
    swapped, rows, columns = drawn
    stride = swapped.stride
    images = values((len(swapped), 2, rows * stride, columns * stride), dtype,
                    seed, device)
    before = images.clone()
    composites = swap_regions(images, swapped)
    boxes = [
        tuple(stride * side for side in box) for box in swapped.boxes.tolist()
    ]
    expected = references.swapped(
        images,
        boxes,  # type: ignore[arg-type]
        swapped.donors.tolist())
    assert composites.dtype == dtype
    assert torch.equal(composites, expected)
    assert torch.equal(images, before)


@examples
@given(regions(), st.sampled_from(FLOATS), st.sampled_from(DEVICES), seeds)
def test_pooling_divides_a_map(drawn: Any, dtype: torch.dtype, device: str,
                               seed: int) -> None:
    """Canvas and paste, by their areas, add up to the whole; each is right."""
    swapped, rows, columns = drawn
    features = values((len(swapped), 3, rows, columns), dtype, seed, device)
    canvas, paste = pool_regions(features, swapped)
    exact = torch.promote_types(dtype, torch.float32)
    assert canvas.dtype == paste.dtype == exact
    close = dict(rtol=0, atol=0.5 if dtype != exact else 1e-4)
    area = swapped.boxes[:, 2:].prod(1)[:, None].to(device, exact)
    whole = features.to(exact).sum((2, 3))
    torch.testing.assert_close(
        (canvas * (rows * columns - area) + paste * area) / (rows * columns),
        whole / (rows * columns), **close)
    expected = references.pooled(
        features.double(),
        [tuple(box) for box in swapped.boxes.tolist()])  # type: ignore
    torch.testing.assert_close(canvas.double(), expected[0], **close)
    torch.testing.assert_close(paste.double(), expected[1], **close)


@examples
@given(regions(), seeds)
def test_swapping_back(drawn: Any, seed: int) -> None:
    """With one box for all, the inverse permutation restores the images."""
    swapped, rows, columns = drawn
    box = swapped.boxes[:1].expand(len(swapped), 4)
    there = SwappedRegions(box, swapped.donors, swapped.stride)
    back = SwappedRegions(box, swapped.donors.argsort(), swapped.stride)
    images = values(
        (len(swapped), 1, rows * swapped.stride, columns * swapped.stride),
        torch.float32, seed, 'cpu')
    assert torch.equal(swap_regions(swap_regions(images, there), back), images)


@examples
@given(regions(), st.sampled_from(['box', 'size', 'donor', 'count']))
def test_wrong_regions_are_refused(drawn: Any, what: str) -> None:
    swapped, rows, columns = drawn
    boxes, donors = swapped.boxes.clone(), swapped.donors.clone()
    if what == 'box':
        boxes[-1, 0] = columns
    elif what == 'size':
        boxes[0] = torch.tensor([0, 0, columns, rows])
    elif what == 'donor':
        donors[0] = 0
    wrong = SwappedRegions(boxes, donors, swapped.stride)
    with pytest.raises(ValueError, match='composites|box|donor|permutation'):
        check_regions(wrong, len(wrong) + (what == 'count'), rows, columns)


@examples
@given(
    st.integers(2, 12), st.integers(2, 12), st.integers(1, 40), st.data(),
    seeds)
def test_boxes_fit(rows: int, columns: int, stride: int, data: Any,
                   seed: int) -> None:
    """Both samplers, whatever the grid; legacy leaves the pixel it needs."""
    largest = data.draw(st.integers(1, min(rows, columns) - 1))
    cells = (data.draw(st.integers(1, largest)), largest)
    boxes = sample_grid(9, rows, columns, cells, generator(seed))
    pasted, pooled = sample_legacy(9, rows * stride, columns * stride, stride,
                                   cells, generator(seed))
    for each in (boxes, pooled):
        check_regions(
            SwappedRegions(each, pair_flip(9), stride), 9, rows, columns)
        assert (each[:, 2:] >= cells[0]).all()
        assert (each[:, 2:] <= cells[1]).all()
    assert torch.equal(pasted[:, 2:], pooled[:, 2:] * stride)
    assert (pasted[:, :2] >= 0).all()
    assert (pasted[:, 0] + pasted[:, 2] < columns * stride).all()
    assert (pasted[:, 1] + pasted[:, 3] < rows * stride).all()
    assert torch.equal(pasted[:, :2].div(stride, rounding_mode='floor'),
                       pooled[:, :2])


@examples
@given(st.integers(2, 300), seeds)
def test_nobody_gives_to_himself(num: int, seed: int) -> None:
    assert references.is_derangement(pair_flip(num).tolist())
    assert references.is_derangement(
        pair_random(num, generator(seed)).tolist())


@examples
@given(
    st.integers(1, 9), st.lists(st.integers(0, 20), max_size=6),
    st.sampled_from(FLOATS), st.sampled_from(DEVICES), seeds)
def test_a_queue_forgets_the_oldest(length: int, batches: list[int],
                                    dtype: torch.dtype, device: str,
                                    seed: int) -> None:
    """Of any length, with any batches, empty and longer ones among them."""
    queue = values((3, length), torch.float32, seed, device)
    pointer = torch.zeros(1, dtype=torch.long, device=device)
    slow, place = queue.clone(), 0
    for number, num in enumerate(batches):
        keys = values((num, 3), dtype, seed + number + 1, device)
        enqueue(queue, pointer, keys)
        slow, place = references.enqueued(slow, place, keys.float())
        assert torch.equal(queue, slow) and pointer.item() == place


@examples
@given(
    st.integers(1, 8), st.integers(1, 12), st.integers(1,
                                                       6), st.floats(0.01, 5),
    st.sampled_from(FLOATS), st.sampled_from(DEVICES), seeds)
def test_log_sum_exp_and_its_slope(num: int, length: int, dim: int,
                                   temperature: float, dtype: torch.dtype,
                                   device: str, seed: int) -> None:
    """As torch has them, in fp32 or better, finite at any temperature."""
    draw = generator(seed)
    rows = unit(torch.randn(num, dim, generator=draw)).to(device, dtype)
    queue = unit(torch.randn(length, dim, generator=draw)).t().to(device)
    fast, slow = (rows.clone().requires_grad_() for _ in range(2))
    exact = torch.promote_types(dtype, torch.float32)
    logits = slow.to(exact) @ queue.to(exact) / temperature
    log_sum, hardest = queue_log_sum_exp(fast, queue, temperature)
    assert log_sum.dtype == exact and log_sum.isfinite().all()
    close = dict(rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(log_sum, logits.logsumexp(1), **close)
    torch.testing.assert_close(hardest, logits.amax(1).detach(), **close)
    for each in (log_sum, logits.logsumexp(1)):
        each.sum().backward()
    assert fast.grad is not None and slow.grad is not None
    torch.testing.assert_close(
        fast.grad,
        slow.grad,
        rtol=0.02,
        atol=1e-4 if dtype == exact else 0.02 / temperature)


@examples
@given(
    st.integers(2, 6), st.integers(1, 9), st.integers(2, 6),
    st.floats(0.05, 2), st.booleans(), st.data(), seeds)
def test_the_three_terms(num: int, length: int, dim: int, temperature: float,
                         intra: bool, data: Any, seed: int) -> None:
    """Against the rule, row by row, for any derangement."""
    donors = data.draw(
        st.permutations(range(num)).filter(references.is_derangement))
    draw = generator(seed)
    query, canvas, paste, key = (
        unit(torch.randn(num, dim, generator=draw, dtype=torch.float64))
        for _ in range(4))
    queue = unit(
        torch.randn(length, dim, generator=draw, dtype=torch.float64)).t()
    fast = region_info_nce(query, canvas, paste, key, torch.tensor(donors),
                           queue, temperature, intra)
    slow = references.region_info_nce(query, canvas, paste, key, donors, queue,
                                      temperature, intra)
    for name, rows in slow.items():
        torch.testing.assert_close(fast[name], rows, rtol=1e-7, atol=1e-7)
        assert (fast[name] >= 0).all()
    torch.testing.assert_close(
        info_nce(query, key, queue, temperature),
        slow['instance'],
        rtol=1e-7,
        atol=1e-7)


@examples
@given(st.integers(2, 6), st.integers(2, 8), st.data(), seeds)
def test_cosines_do_not_depend_on_lengths(num: int, dim: int, data: Any,
                                          seed: int) -> None:
    donors = torch.tensor(
        data.draw(
            st.permutations(range(num)).filter(references.is_derangement)))
    draw = generator(seed)
    rows = [
        torch.randn(num, dim, generator=draw, dtype=torch.float64)
        for _ in range(3)
    ]
    scales = [10**data.draw(st.floats(-3, 3)) for _ in range(3)]
    loss = region_cosine(*rows, donors)
    assert -1 - 1e-9 <= loss <= 1 + 1e-9
    torch.testing.assert_close(
        region_cosine(*(a * b for a, b in zip(rows, scales)), donors), loss)
    torch.testing.assert_close(
        region_cosine(rows[0], rows[0][donors], rows[0], donors),
        torch.tensor(-1., dtype=torch.float64))


@examples
@given(
    st.integers(1, 6), st.integers(2, 8), st.floats(0.05, 2), st.data(), seeds)
def test_in_batch_terms(num: int, candidates: int, temperature: float,
                        data: Any, seed: int) -> None:
    """A softmax over what is not ignored."""
    draw = generator(seed)
    anchors, others = (
        unit(torch.randn(rows, 5, generator=draw, dtype=torch.float64))
        for rows in (num, candidates))
    positive = torch.randint(candidates, (num, ), generator=draw)
    ignored = torch.rand(num, candidates, generator=draw) < 0.4
    ignored[torch.arange(num), (positive + 1) % candidates] = False
    losses = in_batch_info_nce(anchors, others, positive, ignored, temperature)
    for row in range(num):
        kept = [
            column for column in range(candidates)
            if column == positive[row] or not ignored[row, column]
        ]
        logits = anchors[row] @ others[kept].t() / temperature
        expected = F.cross_entropy(
            logits[None], torch.tensor([kept.index(int(positive[row]))]))
        torch.testing.assert_close(losses[row], expected)


@examples
@given(st.integers(1, 500), st.integers(0, 2**31), st.integers(0, 2**31))
def test_permutations(num: int, seed: int, step: int) -> None:
    order = draw_permutation(num, seed, step)
    assert order.sort().values.tolist() == list(range(num))
    assert torch.equal(order, draw_permutation(num, seed, step))
    rows = torch.arange(num)
    assert torch.equal(
        exchange_rows(exchange_rows(rows, order), order.argsort()), rows)


@examples
@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3),
    seeds)
def test_split_statistics(groups: int, each: int, channels: int, side: int,
                          seed: int) -> None:
    """Each group is a batch of its own."""
    if each * side == 1:
        side = 2  # BatchNorm refuses a single value
    images = torch.randn(
        groups * each, channels, side, side, generator=generator(seed))
    split = split_batchnorm(nn.BatchNorm2d(channels), groups).train()
    whole = nn.BatchNorm2d(channels).train()
    torch.testing.assert_close(
        split(images),
        torch.cat([whole(group) for group in images.chunk(groups)]),
        rtol=1e-4,
        atol=1e-5)


@examples
@given(
    st.lists(st.lists(st.integers(1, 3), max_size=3), min_size=1, max_size=4),
    st.floats(0, 1), st.sampled_from(FLOATS[:2]), st.sampled_from(DEVICES),
    seeds)
def test_moving_averages(shapes: list[list[int]], momentum: float,
                         dtype: torch.dtype, device: str, seed: int) -> None:
    averages, sources = ([
        values(tuple(shape), dtype, seed + i, device) for shape in shapes
    ] for i in range(2))
    expected = [
        references.moved_average(a, b, momentum)
        for a, b in zip(averages, sources)
    ]
    ema_update(averages, sources, momentum)
    for average, each in zip(averages, expected):
        torch.testing.assert_close(average, each)
