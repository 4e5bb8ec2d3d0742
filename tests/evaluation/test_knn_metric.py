# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import pytest
import torch

from mmregioncl.evaluation import KNNMetric

BANK = torch.eye(3), torch.tensor([0, 1, 2])


def samples(*numbers: int) -> list[dict]:
    """Image i looks like class i % 3; every fourth one is of another."""
    return [
        dict(
            vector=torch.eye(3)[i % 3],
            label=torch.tensor(i % 3 if i % 4 else 9),
            index=torch.tensor(i)) for i in numbers
    ]


def test_top1_in_percent() -> None:
    metric = KNNMetric(k=1)
    metric.set_bank(*BANK)
    metric.process(None, samples(0, 1, 2))
    metric.process(None, samples(3, 4))
    assert metric.evaluate(5) == {'knn/top1': 60.}
    metric.process(None, samples(1))  # the next evaluation starts anew
    assert metric.evaluate(1) == {'knn/top1': 100.}


def test_prefix() -> None:
    metric = KNNMetric(k=1, prefix='knn200')
    metric.set_bank(*BANK)
    metric.process(None, samples(1))
    assert metric.evaluate(1) == {'knn200/top1': 100.}


def test_without_bank() -> None:
    metric = KNNMetric()
    metric.set_bank(*BANK)
    metric.set_bank(None, None)
    with pytest.raises(ValueError, match='KNNLoop'):
        metric.process(None, samples(1))


@pytest.mark.parametrize('settings', [dict(k=0), dict(temperature=-1.)])
def test_bad_settings(settings: dict) -> None:
    with pytest.raises(ValueError, match='k >= 1 and temperature > 0'):
        KNNMetric(**settings)
