# Copyright (c) mmregioncl contributors. All rights reserved.
"""Linear classification of frozen features. Plain torch.

The features are computed once, from images that are not augmented, and a
multinomial logistic regression is fitted to all of them at once: seconds
where a probe through the network takes hours. Its top-1 is a little below
that of configs/benchmarks/classification, which augment; it ranks backbones
as they do.
"""
from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

# Of standardised features; from strong to weak, each a start for the next.
L2_GRID = (1., 0.1, 0.01, 1e-3, 1e-4, 1e-5)
_HELD_OUT = 5  # every fifth image of a class chooses the strength


def linear_probe(train_features: Tensor,
                 train_labels: Tensor,
                 test_features: Tensor,
                 test_labels: Tensor,
                 l2_grid: Sequence[float] = L2_GRID,
                 max_iter: int = 200,
                 seed: int = 0) -> float:
    """Top-1 of a linear classifier on features that do not change.

    The strength of the regularisation is chosen on a fifth of the training
    set that is held out, then the classifier is fitted to all of it. The
    test set has no part in either.

    Args:
        train_features (Tensor): Features to fit.
        train_labels (Tensor): Their labels, from 0.
        test_features (Tensor): Features to classify.
        test_labels (Tensor): Their labels.
        l2_grid (Sequence[float]): Strengths to choose from, from strong to
            weak; one is taken without a choice. Defaults to (1, 0.1, 0.01,
            1e-3, 1e-4, 1e-5).
        max_iter (int): Steps of L-BFGS at most. Defaults to 200.
        seed (int): Draws the images that are held out. Defaults to 0.

    Returns:
        float: Top-1 on the test set in percent.

    Raises:
        ValueError: If features and labels do not go together, or a setting
            is out of range.

    Shape:
        train_features: (N, D), train_labels: (N, ) long,
        test_features: (M, D), test_labels: (M, ) long
    """
    _check('test', test_features, test_labels)
    if train_features.shape[1:] != test_features.shape[1:]:
        raise ValueError(
            'the linear probe needs training and test features of one width, '
            f'got {tuple(train_features.shape)} and '
            f'{tuple(test_features.shape)}')
    l2 = choose_l2(train_features, train_labels, l2_grid, max_iter, seed)
    weight, bias = fit_linear(train_features, train_labels, l2, max_iter)
    return _top1(weight, bias, test_features, test_labels)


def choose_l2(features: Tensor,
              labels: Tensor,
              l2_grid: Sequence[float] = L2_GRID,
              max_iter: int = 200,
              seed: int = 0) -> float:
    """The strength that is best on a held-out fifth of the training set.

    Args:
        features (Tensor): Of the training set.
        labels (Tensor): Their labels, from 0.
        l2_grid (Sequence[float]): As in :func:`linear_probe`. Defaults to
            (1, 0.1, 0.01, 1e-3, 1e-4, 1e-5).
        max_iter (int): Steps of L-BFGS at most. Defaults to 200.
        seed (int): Draws the images that are held out. Defaults to 0.

    Returns:
        float: The strongest of the best.

    Raises:
        ValueError: As :func:`linear_probe`.

    Shape:
        features: (N, D), labels: (N, ) long
    """
    _check('training', features, labels)
    if not l2_grid or min(l2_grid) <= 0:
        raise ValueError('the linear probe needs l2_grid > 0, at least one '
                         f'of them, got {tuple(l2_grid)}')
    if len(l2_grid) == 1:
        return l2_grid[0]
    # by class and at random within it, so that each keeps its share
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(labels), generator=generator).to(labels.device)
    order = drawn[torch.argsort(labels[drawn], stable=True)]
    held = torch.zeros_like(labels, dtype=torch.bool)
    held[order[::_HELD_OUT]] = True
    if held.all():
        raise ValueError('the linear probe cannot hold out any of '
                         f'{len(labels)} training images; give it more')
    best, best_l2 = -1., l2_grid[0]
    start: tuple[Tensor, Tensor] | None = None
    for l2 in l2_grid:
        start = fit_linear(features[~held], labels[~held], l2, max_iter, start,
                           int(labels.max()) + 1)
        top1 = _top1(*start, features[held], labels[held])
        if top1 > best:
            best, best_l2 = top1, l2
    return best_l2


def fit_linear(features: Tensor,
               labels: Tensor,
               l2: float,
               max_iter: int = 200,
               start: tuple[Tensor, Tensor] | None = None,
               num_classes: int | None = None) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression by L-BFGS.

    It minimises ``mean(cross entropy) + l2 / 2 * |weight|^2`` where the
    weight is that of standardised features; scikit-learn's ``C`` is
    ``1 / (l2 * N)``.

    Args:
        features (Tensor): To fit.
        labels (Tensor): Their labels, from 0.
        l2 (float): Strength of the regularisation.
        max_iter (int): Steps of L-BFGS at most. Defaults to 200.
        start (tuple[Tensor, Tensor], optional): What an earlier call gave
            for these features. Defaults to None, zeros.
        num_classes (int, optional): Defaults to None, the largest label
            and one.

    Returns:
        tuple[Tensor, Tensor]: Weight and bias, for features as they are.

    Shape:
        features: (N, D), labels: (N, ) long -> (C, D), (C, )
    """
    features = features.float()
    mean = features.mean(0)
    scale = features.std(0, correction=0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    inputs = (features - mean) / scale
    if start is None:
        num_classes = num_classes or int(labels.max()) + 1
        weight = inputs.new_zeros(num_classes, inputs.shape[1])
        bias = inputs.new_zeros(num_classes)
    else:
        weight = start[0] * scale
        bias = start[1] + start[0] @ mean
    weight.requires_grad_()
    bias.requires_grad_()
    optimizer = torch.optim.LBFGS([weight, bias],
                                  max_iter=max_iter,
                                  tolerance_grad=1e-5,
                                  line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = torch.addmm(bias, inputs, weight.t())
        loss = cross_entropy(logits, labels) + l2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    weight, bias = weight.detach() / scale, bias.detach()
    return weight, bias - weight @ mean


def _top1(weight: Tensor, bias: Tensor, features: Tensor,
          labels: Tensor) -> float:
    predicted = torch.addmm(bias, features.float(), weight.t()).argmax(1)
    return 100. * int((predicted == labels).sum()) / len(labels)


def _check(name: str, features: Tensor, labels: Tensor) -> None:
    if features.ndim != 2 or not len(features) or (labels.shape
                                                   != features.shape[:1]):
        raise ValueError(
            f'the linear probe needs {name} features (N, D) and a label for '
            f'each, got {tuple(features.shape)} and {tuple(labels.shape)}')
    if int(labels.min()) < 0:
        raise ValueError(f'some {name} images have no label; set '
                         'with_label=True in their data set')
    if not features.isfinite().all():
        raise ValueError(f'some {name} features are not finite; the backbone '
                         'diverged or its file is damaged')
