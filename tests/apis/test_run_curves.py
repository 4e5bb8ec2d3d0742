# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import pytest

from mmregioncl.apis.run_curves import epoch_length

LENGTH = 1251


def rows(first: int, last: int, interval: int = 50) -> list[dict]:
    """What is logged from one iteration to another, both counted from 1."""
    return [
        dict(epoch=(step - 1) // LENGTH + 1, step=step)
        for step in range(first, last + 1)
        if (step - 1) % LENGTH % interval == interval - 1
    ]


@pytest.mark.parametrize('epochs', [2, 3, 6])
@pytest.mark.parametrize('interval', [1, 50, 1251])
def test_a_whole_log_tells(epochs: int, interval: int) -> None:
    assert epoch_length(rows(1, epochs * LENGTH,
                             interval)) == (LENGTH, True)


@pytest.mark.parametrize('begin', [601, 2 * LENGTH + 1000])
def test_one_that_begins_inside_an_epoch(begin: int) -> None:
    """It tells once two whole epochs have begun, and says so before."""
    epoch = begin // LENGTH + 1
    assert epoch_length(rows(begin, epoch * LENGTH)) == (1, False)
    assert epoch_length(rows(begin, (epoch + 1) * LENGTH)) == (1, False)
    assert epoch_length(rows(begin, (epoch + 2) * LENGTH)) == (LENGTH, True)


def test_a_text_log_says_it() -> None:
    assert epoch_length([dict(epoch=3, step=9, length=4.)]) == (4, True)
