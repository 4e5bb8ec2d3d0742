# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import pytest
import torch

from mmregioncl.core import SwappedRegions
from mmregioncl.models.necks import RegionNonLinearNeck
from tests import references
from tests.models import tiny_hosts
from tests.models.tiny_moco import MODELS

BOXES: list[references.Box] = [(0, 0, 1, 1), (1, 0, 2, 2), (0, 1, 3, 1)]
OF_HOSTS = {
    'SimSiam': dict(num_layers=3, with_last_bn_affine=False),
    'BYOL': dict(with_bias=True, with_last_bn=False),
    'SimCLR': dict(),
}


def neck(settings: dict, kind: str = 'RegionNonLinearNeck') -> Any:
    return MODELS.build(
        tiny_hosts.projector(in_channels=6, **settings)
        | dict(type=kind)).double()


def maps() -> torch.Tensor:
    return torch.randn(3, 6, 2, 3, dtype=torch.float64)


def regions() -> SwappedRegions:
    return SwappedRegions(
        torch.tensor(BOXES), torch.tensor([2, 0, 1]), stride=8)


@pytest.mark.parametrize('settings', OF_HOSTS.values(), ids=OF_HOSTS)
def test_it_is_the_neck_of_the_host(settings: dict) -> None:
    ours, hosts = neck(settings), neck(settings, 'NonLinearNeck')
    assert list(ours.state_dict()) == list(hosts.state_dict())
    hosts.load_state_dict(ours.state_dict())
    features = [maps()]
    assert isinstance(ours, RegionNonLinearNeck)
    assert isinstance(ours, type(hosts))
    assert torch.equal(ours(features)[0], hosts(features)[0])


@pytest.mark.parametrize('settings', OF_HOSTS.values(), ids=OF_HOSTS)
@pytest.mark.parametrize('joint', [True, False])
def test_project_regions(settings: dict, joint: bool) -> None:
    """Joint: BatchNorm over 2N rows, canvas and paste. Separate: over N."""
    module, features = neck(settings), maps()
    canvas, paste = references.pooled(features, BOXES)
    if joint:
        slow = tiny_hosts.layers_by_hand(
            module, torch.cat((canvas, paste))).chunk(2)
    else:
        slow = tuple(tiny_hosts.layers_by_hand(module, rows)
                     for rows in (canvas, paste))
    ours = module.project_regions((features, ), regions(), joint)
    torch.testing.assert_close(ours, slow)


def test_running_statistics() -> None:
    """One update for a joint call, two for separate ones."""
    for joint, updates in ((True, 1), (False, 2)):
        module = neck(OF_HOSTS['SimCLR'])
        module.project_regions((maps(), ), regions(), joint)
        assert module.bn0.num_batches_tracked == updates


def test_without_the_average_pooling() -> None:
    """with_avg_pool=False expects pooled maps, which regions are."""
    module = neck(dict(with_avg_pool=False))
    rows = torch.randn(5, 6, dtype=torch.float64)
    torch.testing.assert_close(
        module.project_pooled(rows), tiny_hosts.layers_by_hand(module, rows))
