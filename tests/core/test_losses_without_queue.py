# Copyright (c) mmregioncl contributors. All rights reserved.
"""region_cosine and in_batch_info_nce: what the hosts rely on.

Values and gradients on random sizes are in test_losses.py.
"""
from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmregioncl.core import in_batch_info_nce, region_cosine
from tests import references

FLIP = [3, 2, 1, 0]
DERANGED = [2, 0, 4, 1, 3]  # no involution


def rows(num: int, dim: int) -> Tensor:
    return torch.randn(num, dim, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize('donors', [FLIP, DERANGED])
def test_region_cosine_finds_the_donor(donors: list[int]) -> None:
    """-1 where each region says what its own image says; and only there."""
    target = rows(len(donors), 6).detach()
    there = torch.tensor(donors)
    perfect = region_cosine(3 * target, 0.1 * target[there], target, there)
    assert perfect.item() == pytest.approx(-1)
    wrong = region_cosine(target, target[there.argsort()], target, there)
    assert (wrong.item() == pytest.approx(-1)) == (donors == FLIP)


@pytest.mark.parametrize('donors', [FLIP, DERANGED])
def test_region_cosine_row_by_row(donors: list[int]) -> None:
    num = len(donors)
    canvas, paste, target = (rows(num, 5) for _ in range(3))
    fast = region_cosine(canvas, paste, target, torch.tensor(donors))
    total = torch.zeros((), dtype=torch.float64)
    for j, donor in enumerate(donors):
        for region, image in ((canvas[j], j), (paste[j], donor)):
            clean = target[image].detach()
            total = total - (region @ clean) / (
                region.norm() * clean.norm()) / (2 * num)
    torch.testing.assert_close(fast, total, rtol=1e-8, atol=0)
    inputs = (canvas, paste, target)
    for one, other in zip(*(torch.autograd.grad(
            loss, inputs, materialize_grads=True) for loss in (fast, total))):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)
    assert torch.autograd.gradcheck(
        lambda one, other: region_cosine(one, other, target.detach(),
                                         torch.tensor(donors)),
        (canvas, paste))


def simclr(z: Tensor, temperature: float) -> Tensor:
    """Rows 2j and 2j + 1 are the views of image j."""
    at = torch.arange(len(z))
    return in_batch_info_nce(z, z, at ^ 1, at[:, None] == at, temperature)


@pytest.mark.parametrize('images', [1, 2, 5])
def test_in_batch_info_nce_is_simclr(images: int) -> None:
    """torch's cross entropy over all other views; z takes both roles."""
    raw = rows(2 * images, 4)
    z = F.normalize(raw, dim=1)
    logits = (z @ z.t() / 0.1).masked_fill(
        torch.eye(2 * images, dtype=torch.bool), -torch.inf)
    slow = F.cross_entropy(
        logits, torch.arange(2 * images) ^ 1, reduction='none')
    fast = simclr(z, 0.1)
    torch.testing.assert_close(fast, slow, rtol=1e-8, atol=1e-8)
    for one, other in zip(
            torch.autograd.grad(fast.square().sum(), raw, retain_graph=True),
            torch.autograd.grad(slow.square().sum(), raw)):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-8)


def test_neither_positive_nor_negative() -> None:
    """An ignored candidate changes nothing and gets no gradient."""
    anchors, candidates = rows(2, 3), rows(5, 3)
    positive = torch.tensor([1, 3])
    ignored = torch.zeros(2, 5, dtype=torch.bool)
    ignored[0, 0] = ignored[1, 2] = True
    losses = in_batch_info_nce(anchors, candidates, positive, ignored, 0.5)
    for i, absent in enumerate((0, 2)):
        slope, = torch.autograd.grad(losses[i], candidates, retain_graph=True)
        assert slope.any(1).tolist() == [b != absent for b in range(5)]
        without = [b for b in range(5) if b != absent]
        alone = in_batch_info_nce(
            anchors[i:i + 1], candidates[without],
            torch.tensor([without.index(int(positive[i]))]),
            torch.zeros(1, 4, dtype=torch.bool), 0.5)
        torch.testing.assert_close(losses[i:i + 1], alone)


def test_the_positive_may_be_among_the_ignored() -> None:
    """It counts as the positive all the same, and once."""
    anchors, candidates = rows(3, 4), rows(6, 4)
    positive = torch.tensor([5, 0, 2])
    ignored = torch.zeros(3, 6, dtype=torch.bool)
    one = in_batch_info_nce(anchors, candidates, positive, ignored, 0.3)
    ignored[range(3), positive] = True
    other = in_batch_info_nce(anchors, candidates, positive, ignored, 0.3)
    assert torch.equal(one, other)


def test_the_intra_negative_does_not_move() -> None:
    """It raises the loss and pulls at the anchor, but gets no gradient."""
    anchors, candidates, intra = rows(3, 4), rows(6, 4), rows(3, 4)
    positive = torch.tensor([5, 0, 2])
    ignored = torch.zeros(3, 6, dtype=torch.bool)
    plain, ours = (
        in_batch_info_nce(anchors, candidates, positive, ignored, 0.3, each)
        for each in (None, intra))
    assert (ours > plain).all()
    slopes = [torch.autograd.grad(loss.sum(), anchors, retain_graph=True)[0]
              for loss in (plain, ours)]
    assert not torch.allclose(*slopes)
    assert not torch.autograd.grad(
        ours.sum(), intra, materialize_grads=True, allow_unused=True)[0].any()
    slow = references.info_nce(
        anchors[1], candidates[0],
        [*candidates[1:], intra[1].detach()], 0.3)
    torch.testing.assert_close(ours[1], slow)


def test_a_collapsed_batch_costs_ln_of_the_choices() -> None:
    """2N - 1 views for an image; one region more, one own view less."""
    same = torch.zeros(8, 3, dtype=torch.float64)
    same[:, 0] = 1
    torch.testing.assert_close(
        simclr(same, 0.1), torch.full_like(same[:, 0], math.log(7)))
    at = torch.arange(8)
    first = in_batch_info_nce(same, same, at | 1, (at & 6)[:, None] == at,
                              0.1, intra=same)
    torch.testing.assert_close(first, torch.full_like(first, math.log(8)))


def test_a_low_temperature_does_not_overflow() -> None:
    """exp(1 / 0.001) is beyond any float."""
    z = F.normalize(torch.randn(6, 4), dim=1).requires_grad_()
    losses = simclr(z, 0.001)
    assert losses.isfinite().all()
    assert torch.autograd.grad(losses.sum(), z)[0].isfinite().all()
