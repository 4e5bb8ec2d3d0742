# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import torch

from mmregioncl.core import ema_update
from tests import references


def test_ema_update() -> None:
    shapes = [(), (3, ), (2, 5, 1), (4, 4)]
    averages = [torch.randn(s, dtype=torch.float64) for s in shapes]
    sources = [torch.randn(s, dtype=torch.float64, requires_grad=True)
               for s in shapes]
    places = [each.data_ptr() for each in averages]
    for momentum in (0.999, 0.5, 0.99):
        expected = [references.moved_average(a, s.detach(), momentum)
                    for a, s in zip(averages, sources)]
        ema_update(averages, sources, momentum)
        for average, slow in zip(averages, expected):
            torch.testing.assert_close(average, slow, rtol=1e-12, atol=1e-14)
            assert not average.requires_grad
    assert [each.data_ptr() for each in averages] == places


def test_sides_are_not_mixed_up() -> None:
    average, source = torch.zeros(1), torch.ones(1)
    ema_update([average], [source], 0.75)
    assert average.item() == 0.25 and source.item() == 1


def test_takes_parameters() -> None:
    """Leaves that require a gradient may not be changed in place outside."""
    average = torch.nn.Parameter(torch.zeros(2))
    ema_update([average], [torch.nn.Parameter(torch.ones(2))], 0.5)
    assert average.tolist() == [0.5, 0.5]
