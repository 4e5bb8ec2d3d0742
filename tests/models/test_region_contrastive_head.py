# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import mmregioncl.register  # noqa: F401
from mmregioncl.core import SwappedRegions
from mmregioncl.models.heads import RegionContrastiveHead
from tests import references
from tests.models.tiny_moco import MODELS

CROSS_ENTROPY = dict(type='mmcls.CrossEntropyLoss')


def head(**settings: Any) -> RegionContrastiveHead:
    return MODELS.build(dict(type='RegionContrastiveHead', **settings))


def rows(num: int, dim: int) -> Tensor:
    return references.normalised(torch.randn(num, dim, dtype=torch.float64))


def test_called_with_logits_it_is_the_head_of_the_host() -> None:
    host = MODELS.build(
        dict(type='ContrastiveHead', loss=CROSS_ENTROPY, temperature=0.2))
    positive, negative = torch.randn(5, 1), torch.randn(5, 7)
    assert torch.equal(head()(positive, negative), host(positive, negative))
    assert isinstance(head(), type(host)) and not head().state_dict()


@pytest.mark.parametrize('settings, temperature, weight, intra', [
    (dict(), 0.2, 1, True),
    (dict(temperature=0.07), 0.07, 1, True),
    (dict(intra_negative=False), 0.2, 1, False),
    (dict(loss=CROSS_ENTROPY | dict(loss_weight=0.5)), 0.2, 0.5, True),
])
def test_region_loss(settings: dict, temperature: float, weight: float,
                     intra: bool) -> None:
    query, canvas, paste, key = (rows(5, 3) for _ in range(4))
    queue, donors = rows(7, 3).t(), [2, 0, 4, 1, 3]
    regions = SwappedRegions(
        torch.tensor([[0, 0, 1, 1]] * 5), torch.tensor(donors), 8)
    losses = head(**settings).region_loss(query, canvas, paste, key, regions,
                                          queue)
    slow = references.region_info_nce(query, canvas, paste, key, donors, queue,
                                      temperature, intra)
    torch.testing.assert_close(losses['loss_instance'],
                               weight * slow['instance'].mean(), rtol=1e-8,
                               atol=0)
    torch.testing.assert_close(
        losses['loss_region'],
        weight * (slow['canvas'].sum() + slow['paste'].sum()) / 10, rtol=1e-8,
        atol=0)
    assert set(losses) == {'loss_instance', 'loss_region', 'acc_instance',
                           'acc_canvas', 'acc_paste', 'gap_instance',
                           'gap_canvas', 'gap_paste'}


def test_accuracies_are_percentages() -> None:
    """The first of four queries is closer to a negative than to its key."""
    key = torch.eye(4, dtype=torch.float64)
    query = key[[3, 1, 2, 3]]
    queue = torch.eye(4, dtype=torch.float64)[:, [3, 0]] * 0.9
    regions = SwappedRegions(
        torch.tensor([[0, 0, 1, 1]] * 4), torch.tensor([1, 2, 3, 0]), 8)
    losses = head().region_loss(query, key, key[regions.donors], key, regions,
                                queue)
    assert losses['acc_instance'] == 75
    assert losses['acc_canvas'] == losses['acc_paste'] == 100
    # cosines of 1 or 0 over a negative of 0.9 or 0, at temperature 0.2
    assert losses['gap_instance'].item() == pytest.approx(
        (-4.5 + 5 + 5 + 0.5) / 4)
    assert losses['gap_canvas'].item() == pytest.approx(
        (0.5 + 5 + 5 + 0.5) / 4)
    swapped = head().region_loss(query, key[regions.donors], key, key, regions,
                                 queue)
    assert swapped['acc_canvas'] == swapped['acc_paste'] == 0


def test_dense_loss() -> None:
    query, key, queue = rows(6, 3), rows(6, 3), rows(5, 3).t()
    slow = torch.stack([
        references.info_nce(a, b, list(queue.t()), 0.3)
        for a, b in zip(query, key)
    ]).mean()
    ours = head(
        temperature=0.3,
        loss=CROSS_ENTROPY | dict(loss_weight=2.)).dense_loss(
            query, key, queue)
    torch.testing.assert_close(ours, 2 * slow, rtol=1e-8, atol=0)


@pytest.mark.parametrize('temperature', [0, -0.2, float('nan')])
def test_bad_temperature(temperature: float) -> None:
    with pytest.raises(ValueError, match='head.temperature must be positive, '
                       f'got {temperature}'):
        head(temperature=temperature)


@pytest.mark.parametrize('loss', [
    CROSS_ENTROPY | dict(use_soft=True),
    dict(type='mmcls.LabelSmoothLoss', label_smooth_val=0.1),
    dict(),
])
def test_another_loss(loss: dict) -> None:
    with pytest.raises(ValueError, match='plain cross entropy .* cannot use'):
        head(loss=loss)
