# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from mmregioncl.evaluation.linear_probe import (choose_l2, fit_linear,
                                                linear_probe)


def draw(count: int,
         dim: int = 12,
         classes: int = 4,
         noise: float = 1.5) -> tuple[Any, Any]:
    """Overlapping classes; dimensions of very different size and offset."""
    generator = torch.Generator().manual_seed(5)
    centres = torch.randn(classes, dim, generator=generator)
    labels = torch.arange(count) % classes
    points = centres[labels] + noise * torch.randn(
        count, dim, generator=generator)
    return points * torch.logspace(-3, 1, dim) + 3, labels


def by_scikit_learn(features: Tensor, labels: Tensor, l2: float) -> Any:
    """An independent solver of the same problem, to convergence."""
    scaler = StandardScaler().fit(features.double())
    model = LogisticRegression(
        C=1 / (l2 * len(features)), tol=1e-10, max_iter=10000)
    model.fit(scaler.transform(features.double()), labels)
    return lambda each: (model.decision_function(
        scaler.transform(each.double())),
                         model.predict(scaler.transform(each.double())))


@pytest.mark.parametrize('l2', [1., 0.01, 1e-4])
def test_equals_scikit_learn(l2: float) -> None:
    features, labels = draw(600)
    train, test = features[:400], features[400:]
    weight, bias = fit_linear(train, labels[:400], l2)
    expected, predicted = by_scikit_learn(train, labels[:400], l2)(test)
    logits = (test @ weight.t() + bias).double().numpy()
    # scikit-learn's logits sum to zero over the classes; ours need not
    np.testing.assert_allclose(
        logits - logits.mean(1, keepdims=True),
        expected - expected.mean(1, keepdims=True),
        atol=0.02)
    top1 = linear_probe(train, labels[:400], test, labels[400:], (l2, ))
    assert top1 == 100 * np.mean(predicted == labels[400:].numpy())
    assert 30 < top1 < 95  # or any answer would do


def test_chooses_on_a_held_out_fifth_of_each_class() -> None:
    """By the definition: for each strength, fit to the rest and count."""
    features, labels = draw(83, dim=40, classes=3, noise=4.)
    grid = (3., 0.3, 0.03, 3e-4)
    drawn = torch.randperm(
        83, generator=torch.Generator().manual_seed(0)).tolist()
    by_class = [i for c in range(3) for i in drawn if labels[i] == c]
    held = by_class[::5]
    rest = [i for i in range(83) if i not in held]
    top1 = []
    for l2 in grid:
        classify = by_scikit_learn(features[rest], labels[rest], l2)
        right = classify(features[held])[1] == labels[held].numpy()
        top1.append(right.mean())
    assert len(set(top1)) > 2  # the choice matters
    assert choose_l2(features, labels, grid) == grid[int(np.argmax(top1))]


def test_the_choice_comes_from_the_training_set_alone() -> None:
    features, labels = draw(300, dim=40, noise=4.)
    train, test = slice(0, 120), slice(120, 300)
    l2 = choose_l2(features[train], labels[train])
    chosen = linear_probe(features[train], labels[train], features[test],
                          labels[test])
    per_l2 = {
        each:
        linear_probe(features[train], labels[train], features[test],
                     labels[test], (each, ))
        for each in (1., 0.1, 0.01, 1e-3, 1e-4, 1e-5)
    }
    assert chosen == per_l2[l2]
    assert len(set(per_l2.values())) > 1


def test_units_do_not_matter() -> None:
    features, labels = draw(200)
    scale = torch.logspace(3, -1, 12)
    moved = features * scale - 4 * scale
    assert linear_probe(features[:150], labels[:150], features[150:],
                        labels[150:]) == linear_probe(moved[:150],
                                                      labels[:150],
                                                      moved[150:],
                                                      labels[150:])


def test_a_constant_feature_and_an_absent_class() -> None:
    features, labels = draw(200)
    features[:, 3] = 7.  # dead unit
    labels = labels + (labels > 1)  # no image has the label 2
    weight, bias = fit_linear(features, labels, 0.01)
    assert weight.shape == (5, 12) and bias.shape == (5, )
    assert weight.isfinite().all() and weight[:, 3].abs().max() < 1e-6
    assert 2 not in (features @ weight.t() + bias).argmax(1)


@pytest.mark.parametrize('settings, message', [
    (dict(test_features=torch.zeros(5, 3)), r'one width.*\(8, 2\).*\(5, 3\)'),
    (dict(train_labels=torch.zeros(7).long()), r'training.*\(8, 2\) and \(7'),
    (dict(test_labels=torch.full((5, ), -1)), 'test.*with_label=True'),
    (dict(train_features=torch.full((8, 2), np.nan)), 'training.*not finite'),
    (dict(l2_grid=()), 'l2_grid > 0'),
    (dict(l2_grid=(0.1, 0.)), 'l2_grid > 0'),
])
def test_bad_input(settings: dict, message: str) -> None:
    arguments = dict(
        train_features=torch.randn(8, 2),
        train_labels=torch.arange(8) % 2,
        test_features=torch.randn(5, 2),
        test_labels=torch.arange(5) % 2)
    with pytest.raises(ValueError, match=message):
        linear_probe(**{**arguments, **settings})


def test_too_few_to_hold_any_out() -> None:
    with pytest.raises(ValueError, match='cannot hold out any of 1'):
        linear_probe(
            torch.randn(1, 2),
            torch.zeros(1).long(), torch.randn(1, 2),
            torch.zeros(1).long())
