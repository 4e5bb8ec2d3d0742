# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mmregioncl.core import (in_batch_info_nce, info_nce, region_cosine,
                             region_info_nce, similarity, unit)
from tests import references

# N, D, K: a queue of one, shorter than the batch, of no multiple of it
SIZES = [(2, 3, 1), (3, 4, 2), (5, 6, 7), (7, 2, 33)]
TERMS = ('instance', 'canvas', 'paste')
# softplus becomes linear above 20, which is off by 2e-9 at most
CLOSE = dict(rtol=1e-8, atol=1e-8)


def vectors(*shape: int, grad: bool = True) -> Tensor:
    """Unit vectors, leaves of the graph."""
    rows = torch.randn(*shape, dtype=torch.float64)
    return (rows / rows.norm(dim=1, keepdim=True)).requires_grad_(grad)


def draw(num: int, dim: int, length: int) -> tuple[list[Tensor], list[int]]:
    """query, canvas, paste, key, queue; and a cycle as donors."""
    rows = [vectors(num, dim) for _ in range(3)]
    rows.append(vectors(num, dim, grad=False))
    rows.append(vectors(length, dim, grad=False).t())
    order = torch.randperm(num)
    donors = torch.empty(num, dtype=torch.long)
    donors[order] = order.roll(1)
    return rows, donors.tolist()


@pytest.mark.parametrize('intra', [True, False])
@pytest.mark.parametrize('temperature', [0.2, 0.05])
@pytest.mark.parametrize('num, dim, length', SIZES)
def test_region_info_nce(num: int, dim: int, length: int, temperature: float,
                         intra: bool) -> None:
    rows, donors = draw(num, dim, length)
    query, canvas, paste, key, queue = rows
    fast = region_info_nce(query, canvas, paste, key, torch.tensor(donors),
                           queue, temperature, intra)
    slow = references.region_info_nce(query, canvas, paste, key, donors, queue,
                                      temperature, intra)
    total_fast, total_slow = torch.zeros(()), torch.zeros(())
    for name in TERMS:
        torch.testing.assert_close(fast[name], slow[name], **CLOSE)
        weights = torch.rand(num, dtype=torch.float64)  # each row apart
        total_fast = total_fast + (weights * fast[name]).sum()
        total_slow = total_slow + (weights * slow[name]).sum()
    anchors = (query, canvas, paste)
    for ours, theirs in zip(
            torch.autograd.grad(total_fast, anchors),
            torch.autograd.grad(total_slow, anchors)):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize('name', TERMS)
def test_stop_gradients(name: str) -> None:
    """A term pulls at its own anchor only: the intra negative is detached."""
    rows, donors = draw(3, 4, 5)
    terms = region_info_nce(*rows[:4], torch.tensor(donors), rows[4])
    slopes = torch.autograd.grad(
        terms[name].sum(), rows[:3], materialize_grads=True)
    pulled = [bool(slope.abs().sum() > 1e-6) for slope in slopes]
    assert pulled == [each == name for each in TERMS]


def test_default_temperature_is_that_of_the_paper() -> None:
    rows, donors = draw(3, 4, 5)
    slow = references.region_info_nce(*rows[:4], donors, rows[4], 0.2)
    fast = region_info_nce(*rows[:4], torch.tensor(donors), rows[4])
    torch.testing.assert_close({n: fast[n] for n in TERMS}, slow, **CLOSE)


def test_gap_of_the_positive_over_the_hardest_negative() -> None:
    hits = {name: 0 for name in TERMS}
    for _ in range(20):
        rows, donors = draw(5, 2, 3)
        query, canvas, paste, key, queue = (row.detach() for row in rows)
        terms = region_info_nce(query, canvas, paste, key,
                                torch.tensor(donors), queue)
        for i, donor in enumerate(donors):
            for name, anchor, positive, rival in (
                ('instance', query[i], key[i], None),
                ('canvas', canvas[i], key[i], paste[i]),
                ('paste', paste[i], key[donor], canvas[i])):
                negatives = [float(anchor @ queue[:, m]) for m in range(3)]
                if rival is not None:
                    negatives.append(float(anchor @ rival))
                gap = float(anchor @ positive) - max(negatives)
                assert terms[f'{name}_gap'][i].item() == pytest.approx(
                    gap / 0.2, abs=1e-9)
                assert not terms[f'{name}_gap'].requires_grad
                hits[name] += gap > 0
    assert all(10 < hit < 90 for hit in hits.values())  # of 100: both occur


def test_a_random_guess_costs_ln_of_the_choices() -> None:
    """K + 1 for the instance, K + 2 for a region: the loss of a start."""
    same = torch.zeros(4, 3, dtype=torch.float64)
    same[:, 0] = 1
    terms = region_info_nce(same, same, same, same,
                            torch.tensor([1, 2, 3, 0]), same.t())
    for name, choices in zip(TERMS, (5, 6, 6)):
        torch.testing.assert_close(
            terms[name],
            torch.full((4, ), math.log(choices), dtype=torch.float64))
        assert not terms[f'{name}_gap'].any()


@pytest.mark.parametrize('num, dim, length', SIZES)
def test_info_nce(num: int, dim: int, length: int) -> None:
    anchors, positives = vectors(num, dim), vectors(num, dim)
    queue = vectors(length, dim, grad=False).t()
    fast = info_nce(anchors, positives, queue, 0.3)
    columns = list(queue.t())
    slow = torch.stack([references.info_nce(a, p, columns, 0.3)
                        for a, p in zip(anchors, positives)])
    torch.testing.assert_close(fast, slow, **CLOSE)
    for ours, theirs in zip(
            torch.autograd.grad(fast.square().sum(), (anchors, positives)),
            torch.autograd.grad(slow.square().sum(), (anchors, positives))):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-8)


def test_region_cosine() -> None:
    for num, dim in ((2, 3), (3, 2), (5, 4), (7, 1)):
        canvas, paste, target = (
            torch.randn(num, dim, dtype=torch.float64, requires_grad=True)
            for _ in range(3))
        donors = list(range(1, num)) + [0]
        fast = region_cosine(canvas, paste, target, torch.tensor(donors))
        clean = references.normalised(target).detach()
        slow = torch.stack([
            -(c @ clean[j] + p @ clean[donors[j]]) / 2 for j, (c, p) in
            enumerate(zip(references.normalised(canvas),
                          references.normalised(paste)))
        ]).mean()
        torch.testing.assert_close(fast, slow)
        for ours, theirs in zip(
                torch.autograd.grad(fast, (canvas, paste, target),
                                    materialize_grads=True),
                torch.autograd.grad(slow, (canvas, paste, target),
                                    materialize_grads=True)):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize('with_intra', [True, False])
def test_in_batch_info_nce(with_intra: bool) -> None:
    """6 anchors against 8 candidates, some of which are no negatives."""
    anchors, candidates, intra = vectors(6, 4), vectors(8, 4), vectors(6, 4)
    positive = torch.tensor([0, 3, 7, 7, 2, 5])
    ignored = torch.rand(6, 8) < 0.3
    ignored[0] = True  # all of them: nothing but the intra negative is left
    fast = in_batch_info_nce(anchors, candidates, positive, ignored, 0.3,
                             intra if with_intra else None)
    slow = []
    for i in range(6):
        negatives = [candidates[b] for b in range(8)
                     if b != positive[i] and not ignored[i, b]]
        if with_intra:
            negatives.append(intra[i].detach())
        slow.append(references.info_nce(
            anchors[i], candidates[positive[i]], negatives, 0.3))
    torch.testing.assert_close(fast, torch.stack(slow), **CLOSE)
    for ours, theirs in zip(
            torch.autograd.grad(fast.sum(), (anchors, candidates)),
            torch.autograd.grad(torch.stack(slow).sum(),
                                (anchors, candidates))):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-8)


def test_unit_and_similarity() -> None:
    rows, others = torch.randn(2, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(unit(rows), references.normalised(rows))
    dense = torch.randn(2, 3, 4)
    torch.testing.assert_close(
        unit(dense).norm(dim=1), torch.ones(2, 4))  # along D
    torch.testing.assert_close(
        similarity(rows, others, 0.25),
        torch.stack([(a * b).sum() / 0.25 for a, b in zip(rows, others)]))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_fp32_under_autocast(dtype: torch.dtype) -> None:
    """The same numbers with and without bf16 autocast around the losses,
    whatever the networks give."""
    rows, donors = draw(5, 6, 40)
    query, canvas, paste, key, queue = (row.detach() for row in rows)
    query, canvas, paste = (row.to(dtype).requires_grad_()
                            for row in (query, canvas, paste))
    key, queue = key.float(), queue.float()
    where = torch.tensor(donors)

    def compute() -> dict[str, Tensor]:
        terms = region_info_nce(query, canvas, paste, key, where, queue)
        terms['dense'] = info_nce(query, key, queue)
        terms['cosine'] = region_cosine(canvas, paste, key, where)
        terms['batch'] = in_batch_info_nce(
            query, key, where, torch.zeros(5, 5, dtype=torch.bool), 0.2)
        terms['similarity'] = similarity(query, key, 0.2)
        return terms

    def slopes(terms: dict[str, Tensor]) -> tuple[Tensor, ...]:
        total: Any = sum(
            each.sum() for each in terms.values() if each.is_floating_point())
        return torch.autograd.grad(total, (query, canvas, paste))

    exact = compute()
    with torch.autocast('cpu', torch.bfloat16):
        terms = compute()
        assert unit(query).dtype == torch.float32
    for name, term in terms.items():
        assert term.dtype in (torch.float32, torch.bool)
        assert torch.equal(term, exact[name]), name
    for ours, theirs in zip(slopes(terms), slopes(exact)):
        assert torch.equal(ours, theirs)
