# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import pytest
import torch

import mmregioncl.register  # noqa: F401
from mmregioncl.core import SwappedRegions
from mmregioncl.models.necks import RegionMoCoV2Neck
from tests import references
from tests.models.tiny_moco import MODELS

SETTINGS = dict(in_channels=6, hid_channels=5, out_channels=4)
BOXES: list[references.Box] = [(0, 0, 1, 1), (1, 0, 2, 2), (0, 1, 3, 1)]


def neck(**settings: Any) -> RegionMoCoV2Neck:
    return MODELS.build(
        dict(type='RegionMoCoV2Neck', **SETTINGS, **settings)).double()


def regions() -> SwappedRegions:
    return SwappedRegions(
        torch.tensor(BOXES), torch.tensor([2, 0, 1]), stride=8)


def test_it_is_the_neck_of_the_host() -> None:
    ours, hosts = neck(), MODELS.build(
        dict(type='MoCoV2Neck', **SETTINGS)).double()
    assert list(ours.state_dict()) == list(hosts.state_dict())
    hosts.load_state_dict(ours.state_dict())
    features = [torch.randn(3, 6, 2, 3, dtype=torch.float64)]
    assert isinstance(ours, type(hosts)) and len(ours(features)) == 1
    assert torch.equal(ours(features)[0], hosts(features)[0])


@pytest.mark.parametrize('joint', [True, False])
def test_project_regions(joint: bool) -> None:
    """In composite order, one row at a time through the same layers."""
    module = neck()
    features = torch.randn(3, 6, 2, 3, dtype=torch.float64)
    canvas, paste = module.project_regions(
        (torch.zeros(3, 1, 9, 9), features), regions(), joint)
    slow = references.pooled(features, BOXES)
    for ours, means in zip((canvas, paste), slow):
        assert ours.shape == (3, 4)
        for row, mean in zip(ours, means):
            torch.testing.assert_close(row, module.mlp(mean))


def test_joint_and_separate_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call with 2N rows, canvas first; or two of N."""
    module, batches = neck(), []
    monkeypatch.setattr(
        module, 'project_pooled',
        lambda pooled: batches.append(pooled) or pooled)
    features = torch.randn(3, 6, 2, 3, dtype=torch.float64)
    joint = module.project_regions((features, ), regions())
    apart = module.project_regions((features, ), regions(), joint=False)
    assert [len(each) for each in batches] == [6, 3, 3]
    torch.testing.assert_close(joint, apart)
    torch.testing.assert_close(joint, references.pooled(features, BOXES))


def test_without_the_average_pooling() -> None:
    """with_avg_pool=False expects pooled maps, which regions are."""
    module = neck(with_avg_pool=False)
    rows = torch.randn(5, 6, dtype=torch.float64)
    torch.testing.assert_close(module.project_pooled(rows), module.mlp(rows))


def test_regions_of_another_batch() -> None:
    with pytest.raises(ValueError, match='of 3 composites .* batch of 2'):
        neck().project_regions((torch.zeros(2, 6, 2, 3).double(), ),
                               regions())
