# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import doctest
import random

import pytest
import torch
from torch import Tensor

from mmregioncl.core import (SwappedRegions, check_regions, paste_boxes,
                             pool_regions, regions, swap_regions)
from mmregioncl.core.regions import box_masks
from tests import references
from tests.references import Box

# N, h, w in cells, pixels per cell
SIZES = [(2, 1, 2, 1), (3, 4, 2, 3), (5, 3, 7, 2), (7, 5, 5, 4)]


def draw_boxes(num: int, height: int, width: int) -> list[Box]:
    """A box in every row, each of another size, none over the whole."""
    boxes: list[Box] = []
    while len(boxes) < num:
        w, h = random.randint(1, width), random.randint(1, height)
        if w * h < width * height:
            boxes.append((random.randint(0, width - w),
                          random.randint(0, height - h), w, h))
    return boxes


def draw_donors(num: int) -> list[int]:
    """A cycle through all images in random order: from 3 on no involution."""
    order = random.sample(range(num), num)
    donors = [0] * num
    for one, other in zip(order, order[1:] + order[:1]):
        donors[one] = other
    assert references.is_derangement(donors)
    return donors


def draw(num: int, height: int, width: int,
         stride: int) -> tuple[list[Box], list[int], SwappedRegions]:
    boxes, donors = draw_boxes(num, height, width), draw_donors(num)
    return boxes, donors, SwappedRegions(
        torch.tensor(boxes), torch.tensor(donors), stride)


@pytest.mark.parametrize('num, height, width, stride', SIZES)
def test_swap_regions(num: int, height: int, width: int, stride: int) -> None:
    for _ in range(5):
        boxes, donors, swap = draw(num, height, width, stride)
        images = torch.rand(
            num, 3, height * stride, width * stride, dtype=torch.float64)
        before = images.clone()
        composites = swap_regions(images, swap)
        in_pixels = [(x * stride, y * stride, w * stride, h * stride)
                     for x, y, w, h in boxes]
        assert torch.equal(composites,
                           references.swapped(images, in_pixels, donors))
        assert torch.equal(images, before)


def test_swap_regions_keeps_the_dtype() -> None:
    _, _, swap = draw(3, 2, 3, 2)
    for dtype in (torch.uint8, torch.bfloat16):
        assert swap_regions(torch.ones(3, 1, 4, 6, dtype=dtype),
                            swap).dtype == dtype


def test_paste_boxes_off_the_grid() -> None:
    images = torch.rand(4, 2, 9, 11, dtype=torch.float64)
    boxes = draw_boxes(4, 9, 11)
    donors = draw_donors(4)
    composites = paste_boxes(images, torch.tensor(boxes),
                             torch.tensor(donors))
    assert torch.equal(composites, references.swapped(images, boxes, donors))


def test_box_masks() -> None:
    boxes = draw_boxes(6, 3, 5)
    masks = box_masks(torch.tensor(boxes), 3, 5)
    assert masks.dtype == torch.bool and masks.shape == (6, 3, 5)
    for mask, (x, y, w, h) in zip(masks.tolist(), boxes):
        for row in range(3):
            for column in range(5):
                assert mask[row][column] == (x <= column < x + w
                                             and y <= row < y + h)


@pytest.mark.parametrize('num, height, width, stride', SIZES)
def test_pool_regions(num: int, height: int, width: int, stride: int) -> None:
    for _ in range(5):
        boxes, _, swap = draw(num, height, width, stride)
        features = torch.randn(
            num, 4, height, width, dtype=torch.float64, requires_grad=True)
        canvas, paste = pool_regions(features, swap)
        slow_canvas, slow_paste = references.pooled(features, boxes)
        torch.testing.assert_close(canvas, slow_canvas, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(paste, slow_paste, rtol=1e-12, atol=1e-12)

        weights = torch.randn(2, num, 4, dtype=torch.float64)
        fast, = torch.autograd.grad((torch.stack(
            (canvas, paste)) * weights).sum(), features)
        slow, = torch.autograd.grad((torch.stack(
            (slow_canvas, slow_paste)) * weights).sum(), features)
        torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)


def test_pool_regions_gradcheck() -> None:
    _, _, swap = draw(3, 2, 3, 8)
    features = torch.randn(3, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda maps: pool_regions(maps, swap),
                                    features)


def test_pool_regions_of_strided_maps() -> None:
    """Channels-last and sliced maps are read as what they are."""
    boxes, _, swap = draw(5, 3, 4, 2)
    features = torch.randn(5, 12, 3, 4, dtype=torch.float64)
    for maps in (features.to(memory_format=torch.channels_last),
                 features[:, ::3], features.flip(2)):
        for fast, slow in zip(pool_regions(maps, swap),
                              references.pooled(maps, boxes)):
            torch.testing.assert_close(fast, slow)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_pool_regions_in_half_precision(dtype: torch.dtype) -> None:
    boxes, _, swap = draw(3, 5, 7, 2)
    features = torch.rand(3, 4, 5, 7).to(dtype)
    for fast, slow in zip(pool_regions(features, swap),
                          references.pooled(features.double(), boxes)):
        assert fast.dtype == torch.float32
        torch.testing.assert_close(fast.double(), slow, rtol=1e-2, atol=0)


def test_pool_regions_under_autocast() -> None:
    boxes, _, swap = draw(3, 5, 7, 2)
    features = torch.rand(3, 4, 5, 7)
    with torch.autocast('cpu', torch.bfloat16):
        fast = pool_regions(features, swap)
    for means, slow in zip(fast, references.pooled(features.double(), boxes)):
        assert means.dtype == torch.float32
        torch.testing.assert_close(means.double(), slow, rtol=1e-2, atol=0)


def test_pool_regions_builds_no_mask_of_all_channels() -> None:
    """Besides the features nothing of size (N, C, h, w) is made."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Sizes(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor) and out.data_ptr() != start:
                self.largest = max(self.largest, out.numel())
            return out

    _, _, swap = draw(3, 4, 5, 2)
    features = torch.rand(3, 64, 4, 5)
    start = features.data_ptr()
    with Sizes() as sizes:
        pool_regions(features, swap)
    assert 0 < sizes.largest <= 2 * 3 * 64  # the sums (N, C, 2)


def test_what_is_pasted_is_what_is_pooled() -> None:
    """Pooled from pixels (stride 1), each region shows its own image only."""
    _, donors, swap = draw(5, 4, 6, 1)
    images = torch.arange(5.).view(5, 1, 1, 1).expand(5, 1, 4, 6)
    canvas, paste = pool_regions(swap_regions(images, swap), swap)
    assert canvas.flatten().tolist() == [0, 1, 2, 3, 4]
    assert paste.flatten().tolist() == donors


def test_regions_move_and_count() -> None:
    _, _, swap = draw(3, 2, 2, 8)
    assert len(swap) == 3
    moved = swap.to('meta')
    assert moved.boxes.device.type == moved.donors.device.type == 'meta'
    assert moved.stride == 8
    with pytest.raises(AttributeError):  # frozen
        swap.stride = 4  # type: ignore[misc]


@pytest.mark.parametrize('boxes, donors, stride, message', [
    ([[0, 0, 1, 1]], [1, 0], 1, r'boxes \(N, 4\)'),
    ([[0, 0, 1]] * 2, [1, 0], 1, r'boxes \(N, 4\)'),
    ([[0, 0, 1, 1]] * 2, [[1], [0]], 1, r'donors \(N, \)'),
    ([[0., 0., 1., 1.]] * 2, [1, 0], 1, 'boxes must be torch.long'),
    ([[0, 0, 1, 1]] * 2, [1., 0.], 1, 'donors must be torch.long'),
    ([[0, 0, 1, 1]] * 2, [1, 0], 0, 'stride must be positive, got 0'),
])
def test_bad_regions(boxes: list, donors: list, stride: int,
                     message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SwappedRegions(torch.tensor(boxes), torch.tensor(donors), stride)


# for a grid of 2 x 3 cells
@pytest.mark.parametrize('box', [
    (0, 0, 3, 2),  # no canvas
    (0, 0, 0, 1),  # no paste
    (0, 0, 1, 0),
    (-1, 0, 1, 1),  # outside
    (0, -1, 1, 1),
    (2, 0, 2, 1),
    (0, 1, 1, 2),
    (0, 0, -1, -1),
])
def test_boxes_that_do_not_fit(box: Box) -> None:
    swap = SwappedRegions(
        torch.tensor([(0, 0, 1, 1), box]), torch.tensor([1, 0]), 4)
    for call in (lambda: check_regions(swap, 2, 2, 3),
                 lambda: swap_regions(torch.zeros(2, 3, 8, 12), swap),
                 lambda: pool_regions(torch.zeros(2, 5, 2, 3), swap)):
        with pytest.raises(ValueError, match='leaves no canvas, no paste or'):
            call()


@pytest.mark.parametrize('donors, message', [
    ([1, 2, 3], 'must be a permutation'),
    ([1, 0, 0], 'must be a permutation'),
    ([-1, 0, 1], 'must be a permutation'),
    ([1, 0, 2], 'cannot be its own donor'),
])
def test_bad_donors(donors: list[int], message: str) -> None:
    swap = SwappedRegions(
        torch.tensor([[0, 0, 1, 1]] * 3), torch.tensor(donors), 4)
    with pytest.raises(ValueError, match=message):
        swap_regions(torch.zeros(3, 3, 8, 8), swap)


def test_another_batch_or_stride() -> None:
    _, _, swap = draw(3, 2, 2, 4)
    with pytest.raises(ValueError, match='of 3 composites .* batch of 4'):
        swap_regions(torch.zeros(4, 3, 8, 8), swap)
    with pytest.raises(ValueError, match='of 3 composites .* batch of 2'):
        pool_regions(torch.zeros(2, 3, 2, 2), swap)
    with pytest.raises(ValueError, match='8 x 9 pixels .* stride 4'):
        swap_regions(torch.zeros(3, 3, 8, 9), swap)


def test_examples() -> None:
    result = doctest.testmod(regions)
    assert result.attempted and not result.failed
