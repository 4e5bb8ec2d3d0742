# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import math
import random
from collections import Counter
from itertools import permutations

import pytest
import torch
from torch import Tensor

from mmregioncl.core import pair_flip, pair_random, sample_grid, sample_legacy
from mmregioncl.core.samplers import sample_sizes
from tests import references

# method.md, section 2: how many of the 224 points start a box of w cells at
# which pixel
LEGACY_STARTS = {
    3: {0: 17, 32: 31, 64: 33, 96: 31, 127: 112},
    4: {0: 17, 32: 31, 64: 33, 95: 143},
    5: {0: 17, 32: 31, 63: 176},
}


def assert_frequency(count: int, total: int, probability: float) -> None:
    """Within five standard deviations: one false alarm in two million."""
    deviation = math.sqrt(total * probability * (1 - probability))
    assert abs(count - total * probability) <= 5 * deviation


def test_sizes_include_both_ends() -> None:
    sizes = sample_sizes(9000, (2, 4), None)
    for side in sizes.t():
        counts = Counter(side.tolist())
        assert set(counts) == {2, 3, 4}
        for count in counts.values():
            assert_frequency(count, 9000, 1 / 3)
    joint = Counter(map(tuple, sizes.tolist()))
    for count in joint.values():  # w and h are independent
        assert_frequency(count, 9000, 1 / 9)


def test_grid_draws_every_start_that_fits_alike() -> None:
    """4 x 6 cells, sides 1 to 3: every size, and within it every start."""
    num, height, width = 60000, 4, 6
    boxes = sample_grid(num, height, width, (1, 3))
    assert boxes.shape == (num, 4) and boxes.dtype == torch.long
    counts = Counter(map(tuple, boxes.tolist()))
    expected = {(x, y, w, h): 1 / 9 / (width - w + 1) / (height - h + 1)
                for w in (1, 2, 3) for h in (1, 2, 3)
                for x in range(width - w + 1) for y in range(height - h + 1)}
    assert set(counts) == set(expected)
    squares = 0.
    for box, probability in expected.items():
        assert_frequency(counts[box], num, probability)
        squares += (counts[box] - num * probability)**2 / num / probability
    freedom = len(expected) - 1  # chi-square: mean and half its variance
    assert abs(squares - freedom) < 5 * math.sqrt(2 * freedom)


def test_grid_defaults_are_the_paper() -> None:
    """3 to 5 of 7 cells, and the last row and column are reached."""
    boxes = sample_grid(5000, 7, 7)
    sizes, ends = boxes[:, 2:], boxes[:, :2] + boxes[:, 2:]
    assert sizes.amin(0).tolist() == [3, 3]
    assert sizes.amax(0).tolist() == [5, 5]
    assert boxes[:, :2].amin(0).tolist() == [0, 0]
    assert ends.amax(0).tolist() == [7, 7]
    # method.md: mean area 16 of 49 cells
    assert abs(sizes.prod(1).double().mean() - 16) < 0.3


def test_grid_has_one_start_when_the_box_just_fits() -> None:
    boxes = sample_grid(50, 2, 3, (2, 2))
    assert set(boxes[:, 1].tolist()) == {0}
    assert set(boxes[:, 0].tolist()) == {0, 1}


def test_legacy_reference_gives_the_table() -> None:
    """The rule in words, counted over all points, is the authors' table."""
    for size, starts in LEGACY_STARTS.items():
        assert Counter(
            references.legacy_start(point, size, 224, 32)
            for point in range(224)) == starts


def test_legacy_rounds_every_point_as_the_table(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """All 224 points once, so that one more or less is seen: a half goes to
    the even cell."""
    points = (torch.arange(224., dtype=torch.float64) + 0.5) / 224
    monkeypatch.setattr(
        torch, 'rand', lambda *args, **kwargs: points[:, None].expand(-1, 2))
    for size, starts in LEGACY_STARTS.items():
        pasted, _ = sample_legacy(224, 224, 224, cells=(size, size))
        assert Counter(pasted[:, 0].tolist()) == starts
        assert Counter(pasted[:, 1].tolist()) == starts


def test_legacy_draws_the_table() -> None:
    num = 30000
    pasted, pooled = sample_legacy(num, 224, 224)
    assert pasted.shape == pooled.shape == (num, 4)
    assert pasted.dtype == pooled.dtype == torch.long
    for axis in (0, 1):
        drawn = Counter(
            zip(pooled[:, 2 + axis].tolist(), pasted[:, axis].tolist()))
        expected = {(size, start): points / 224 / 3
                    for size, starts in LEGACY_STARTS.items()
                    for start, points in starts.items()}
        assert set(drawn) == set(expected)
        for case, probability in expected.items():
            assert_frequency(drawn[case], num, probability)
    # what is pooled: the same size, and the cell in which the paste begins
    assert torch.equal(pasted[:, 2:], pooled[:, 2:] * 32)
    assert torch.equal(pasted[:, :2] // 32, pooled[:, :2])


def shares(pasted: Tensor, pooled: Tensor,
           extent: int) -> tuple[float, float, float]:
    """Truly pasted share of what is pooled as paste, the same for the canvas,
    and the share of boxes aligned on both axes."""
    cells = pooled.double() * 32
    begin = torch.maximum(pasted[:, :2], cells[:, :2])
    end = torch.minimum(pasted[:, :2] + pasted[:, 2:],
                        cells[:, :2] + cells[:, 2:])
    common, area = (end - begin).prod(1), cells[:, 2:].prod(1)
    canvas = extent**2 - area
    aligned = (pasted[:, :2] == cells[:, :2]).all(1).double()
    return (float((common / area).mean()),
            float(((canvas - (area - common)) / canvas).mean()),
            float(aligned.mean()))


def test_legacy_area_shares() -> None:
    """71.2 %, 85.2 % and 12.9 % in method.md, section 2."""
    paste, canvas, aligned = shares(*sample_legacy(40000, 224, 224), 224)
    assert abs(paste - 0.712) < 0.005
    assert abs(canvas - 0.852) < 0.005
    assert abs(aligned - 0.129) < 0.008


def test_grid_is_always_aligned() -> None:
    """The same measure, to show what it says of a clean sampler."""
    boxes = sample_grid(100, 7, 7)
    assert shares(boxes * 32, boxes, 224) == (1, 1, 1)


@pytest.mark.parametrize('height, width, stride, cells', [
    (224, 224, 32, (3, 5)),
    (96, 160, 16, (1, 4)),  # not square
    (70, 98, 14, (1, 3)),  # a stride that is no power of two
])
def test_legacy_against_the_rule_in_words(height: int, width: int, stride: int,
                                          cells: tuple[int, int]) -> None:
    num = 20000
    rng = random.Random(0)
    slow = [references.legacy_box(height, width, stride, *cells, rng)
            for _ in range(num)]
    pasted, pooled = sample_legacy(num, height, width, stride, cells)
    for axis in (0, 1):
        ours = Counter(
            zip(pasted[:, axis].tolist(), pooled[:, axis].tolist(),
                pooled[:, 2 + axis].tolist()))
        theirs = Counter(
            (paste[axis], pool[axis], pool[2 + axis]) for paste, pool in slow)
        assert set(ours) == set(theirs)
        for case in theirs:
            # both are draws: the difference has twice the variance
            share = (ours[case] + theirs[case]) / 2 / num
            assert abs(ours[case] - theirs[case]) <= 5 * math.sqrt(
                2 * num * share * (1 - share))


@pytest.mark.parametrize('num', [2, 3, 4, 5, 7, 8, 33])
def test_pair_flip(num: int) -> None:
    donors = pair_flip(num).tolist()
    assert references.is_derangement(donors)
    flipped = list(range(num))[::-1]
    if num % 2 == 0:
        assert donors == flipped
    else:  # only the middle and one neighbour differ from the flip
        assert sum(a != b for a, b in zip(donors, flipped)) == 2


@pytest.mark.parametrize('num', [2, 3, 4, 5])
def test_pair_random_draws_every_derangement_alike(num: int) -> None:
    every = {p for p in permutations(range(num))
             if references.is_derangement(list(p))}
    total = 150 * len(every)
    drawn = Counter(tuple(pair_random(num).tolist()) for _ in range(total))
    assert set(drawn) == every
    for count in drawn.values():
        assert_frequency(count, total, 1 / len(every))


def test_generators_repeat_and_differ() -> None:
    def draw(seed: int) -> list[Tensor]:
        source = torch.Generator().manual_seed(seed)
        return [
            sample_grid(8, 7, 9, (1, 5), source),
            *sample_legacy(8, 224, 320, 32, (1, 5), source),
            pair_random(8, source)
        ]

    torch.manual_seed(1)
    first = draw(3)
    torch.manual_seed(2)  # torch's own stream has no part in it
    for one, again, other in zip(first, draw(3), draw(4)):
        assert torch.equal(one, again) and not torch.equal(one, other)
    # without a generator it is torch's own stream
    torch.manual_seed(1)
    one = sample_grid(8, 7, 9)
    torch.manual_seed(1)
    assert torch.equal(one, sample_grid(8, 7, 9))
