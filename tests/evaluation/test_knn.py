# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.nn.functional import normalize

from mmregioncl.evaluation import knn_classify


def draw(bank: int, queries: int, dim: int,
         classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Overlapping classes, in float64."""
    centres = torch.randn(classes, dim, dtype=torch.float64)
    labels = torch.arange(bank) % classes
    noise = 1.5 * torch.randn(bank + queries, dim, dtype=torch.float64)
    truth = torch.cat([labels, torch.randint(classes, (queries, ))])
    points = normalize(centres[truth] + noise, dim=1)
    return points[:bank], labels, points[bank:]


def vote(bank: Tensor, labels: Tensor, query: Tensor, k: int,
         temperature: float) -> int:
    """The definition, one query at a time."""
    similar = [float(each @ query) for each in bank]
    nearest = sorted(range(len(bank)), key=lambda i: -similar[i])[:k]
    votes: dict[int, float] = {}
    for i in nearest:
        label = int(labels[i])
        votes[label] = votes.get(label, 0) + math.exp(similar[i] / temperature)
    return max(votes, key=lambda label: votes[label])


@pytest.mark.parametrize('bank, queries, k, temperature', [
    (97, 31, 20, 0.07),
    (40, 13, 1, 0.07),
    (40, 13, 7, 1.),
    (11, 5, 11, 0.5),
])
@pytest.mark.parametrize('chunk', [1, 4, 1000])
def test_equals_the_definition(bank: int, queries: int, k: int,
                               temperature: float, chunk: int) -> None:
    features, labels, points = draw(bank, queries, 6, 5)
    predicted = knn_classify(features, labels, points, k, temperature, chunk)
    assert predicted.tolist() == [
        vote(features, labels, query, k, temperature) for query in points
    ]


@pytest.mark.parametrize('k, temperature', [(20, 0.07), (5, 0.3), (50, 1.)])
def test_equals_scikit_learn(k: int, temperature: float) -> None:
    features, labels, points = draw(500, 200, 8, 7)
    model = KNeighborsClassifier(
        k,
        metric='cosine',
        algorithm='brute',
        weights=lambda distance: np.exp((1 - distance) / temperature))
    expected = model.fit(features, labels).predict(points)
    predicted = knn_classify(features, labels, points, k, temperature)
    assert predicted.tolist() == expected.tolist()
    assert len(set(expected)) > 1


def test_a_small_bank_votes_as_a_whole() -> None:
    features, labels, points = draw(6, 9, 4, 3)
    whole = knn_classify(features, labels, points, 6)
    assert knn_classify(features, labels, points, 200).equal(whole)


def test_a_cold_temperature_does_not_overflow() -> None:
    features, labels, points = (
        each.float() if each.is_floating_point() else each
        for each in draw(50, 20, 4, 3))
    nearest = labels[(points @ features.t()).argmax(1)]
    assert knn_classify(features, labels, points, 5, 1e-4).equal(nearest)


def test_no_queries() -> None:
    features, labels, points = draw(6, 0, 4, 3)
    assert knn_classify(features, labels, points).shape == (0, )


@pytest.mark.parametrize('settings, message', [
    (dict(k=0), 'k=0'),
    (dict(temperature=0.), 'temperature=0'),
    (dict(chunk=0), 'chunk=0'),
    (dict(bank_labels=torch.zeros(5).long()), '6 features and 5 labels'),
    (dict(bank_labels=torch.tensor([0, 1, -1, 0, 1, 0])), 'with_label=True'),
])
def test_bad_input(settings: dict, message: str) -> None:
    bank, labels, queries = draw(6, 2, 4, 3)
    arguments = dict(bank=bank, bank_labels=labels, queries=queries)
    with pytest.raises(ValueError, match=message):
        knn_classify(**{**arguments, **settings})
