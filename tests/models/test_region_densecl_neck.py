# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import pytest
import torch

import mmregioncl.register  # noqa: F401
from mmregioncl.core import SwappedRegions
from mmregioncl.models.necks import RegionDenseCLNeck
from tests import references
from tests.models.tiny_moco import MODELS

SETTINGS = dict(in_channels=6, hid_channels=5, out_channels=4)
BOXES: list[references.Box] = [(0, 0, 1, 1), (1, 0, 2, 2), (0, 1, 3, 1)]


def neck(**settings: Any) -> RegionDenseCLNeck:
    return MODELS.build(
        dict(type='RegionDenseCLNeck', **SETTINGS, **settings)).double()


def maps() -> torch.Tensor:
    return torch.randn(3, 6, 2, 3, dtype=torch.float64)


@pytest.mark.parametrize('num_grid', [None, 2])
def test_it_is_the_neck_of_the_host(num_grid: int | None) -> None:
    ours, hosts = neck(num_grid=num_grid), MODELS.build(
        dict(type='DenseCLNeck', num_grid=num_grid, **SETTINGS)).double()
    assert list(ours.state_dict()) == list(hosts.state_dict())
    hosts.load_state_dict(ours.state_dict())
    features = [maps()]
    assert isinstance(ours, type(hosts))
    for one, other in zip(ours(features), hosts(features), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize('joint', [True, False])
def test_regions_use_the_global_branch(joint: bool) -> None:
    """In composite order, one row at a time; the dense branch is not run."""
    module = neck()
    module.mlp2.register_forward_pre_hook(
        lambda *args: pytest.fail('the dense branch was run'))
    features = maps()
    regions = SwappedRegions(
        torch.tensor(BOXES), torch.tensor([2, 0, 1]), stride=8)
    both = module.project_regions((features, ), regions, joint)
    for ours, means in zip(both, references.pooled(features, BOXES)):
        assert ours.shape == (3, 4)
        for row, mean in zip(ours, means):
            torch.testing.assert_close(row, module.mlp(mean))
