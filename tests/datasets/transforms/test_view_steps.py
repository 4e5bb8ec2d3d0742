# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmregioncl.datasets.transforms.view_steps import (COLUMNS, FACTORS, FLIP,
                                                       GREY, ORDER, SIGMA,
                                                       ViewSteps)
from tests.stock_views import BLUR
from tests.stock_views import FLIP as MIRROR
from tests.stock_views import GREY as TO_GREY
from tests.stock_views import composed, jitter


def steps(*transforms: dict) -> ViewSteps:
    return ViewSteps(composed(*transforms).transforms)


def draws(count: int, *transforms: dict) -> np.ndarray:
    drawing = steps(*transforms)
    return np.array([drawing.draw() for _ in range(count)])


def test_nothing_to_do() -> None:
    row, = draws(1)
    assert row.shape == (COLUMNS, )
    assert (row[ORDER] == -1).all()
    assert (row[4:] == 0).all()


def test_what_the_paper_draws() -> None:
    """Shares and ranges of MoCo v2, and each of 24 orders as often."""
    rows = draws(4000, jitter(), TO_GREY, BLUR, MIRROR)
    jittered = rows[rows[:, 0] >= 0]
    assert len(jittered) / 4000 == pytest.approx(.8, abs=.03)
    orders, counts = np.unique(jittered[:, ORDER], axis=0, return_counts=True)
    assert len(orders) == 24
    assert counts == pytest.approx(len(jittered) / 24, rel=.4)
    for column, low, high in ((0, .6, 1.4), (1, .6, 1.4), (2, .6, 1.4),
                              (3, -.1, .1)):
        factors = jittered[:, FACTORS][:, column]
        assert factors.min() == pytest.approx(low, abs=.01)
        assert factors.max() == pytest.approx(high, abs=.01)
        assert factors.mean() == pytest.approx((low + high) / 2, abs=.02)
    grey = rows[rows[:, GREY].any(1)][:, GREY]
    assert len(grey) / 4000 == pytest.approx(.2, abs=.03)
    assert grey == pytest.approx(  # R, G, B
        np.tile([.2989 / .9999, .587 / .9999, .114 / .9999], (len(grey), 1)))
    sigma = rows[rows[:, SIGMA] > 0][:, SIGMA]
    assert len(sigma) / 4000 == pytest.approx(.5, abs=.03)
    assert sigma.min() == pytest.approx(.1, abs=.02)
    assert sigma.max() == pytest.approx(2, abs=.02)
    assert rows[:, FLIP].mean() == pytest.approx(.5, abs=.03)


def test_an_adjustment_that_is_off_has_no_turn() -> None:
    rows = draws(50, jitter(prob=1., contrast=.4))
    assert (np.sort(rows[:, ORDER]) == [-1, -1, -1, 1]).all()
    assert (rows[:, FACTORS][:, [0, 2, 3]] == 0).all()


@pytest.mark.parametrize('transforms, message', [
    ([dict(type='RandomSolarize')], 'has RandomSolarize, which is not one'),
    ([BLUR, jitter()], r"has \['RandomGaussianBlur', 'ColorJitter'\]; on the"),
    ([BLUR, BLUR], 'each at most once. Or take MMSelfSup'),
    ([dict(TO_GREY, keep_channels=False)], 'keep_channels=True'),
    ([dict(TO_GREY, color_format='rgb')], "color_format='bgr'"),
    ([dict(MIRROR, direction='vertical')], "direction='horizontal'"),
    ([dict(MIRROR, prob=[.3, .3], direction=['horizontal', 'vertical'])
      ], 'one prob'),
    ([dict(BLUR, sigma_min=3.)], 'sigma_min <= sigma_max'),
])
def test_wrong_settings(transforms: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        steps(*transforms)
