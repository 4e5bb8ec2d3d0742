# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmregioncl.core import SwappedRegions
from tests.models import tiny_hosts
from tests.models.tiny_moco import MODELS

COSINE = dict(type='CosineSimilarityLoss')
DONORS = tiny_hosts.draw_donors(5)


def head(kind: str = 'RegionLatentPredictHead', **loss: Any) -> Any:
    return MODELS.build(
        dict(
            type=kind, loss=COSINE | loss,
            predictor=tiny_hosts.predictor())).double()


def rows() -> Tensor:
    return torch.randn(5, 8, dtype=torch.float64, requires_grad=True)


def regions() -> SwappedRegions:
    return SwappedRegions(
        torch.tensor([[0, 0, 1, 1]] * 5), torch.tensor(DONORS), 8)


def test_it_is_the_head_of_the_host() -> None:
    ours, hosts = head(), head('LatentPredictHead')
    assert list(ours.state_dict()) == list(hosts.state_dict())
    hosts.load_state_dict(ours.state_dict())
    prediction, target = rows(), rows()
    assert isinstance(ours, type(hosts))
    assert torch.equal(ours(prediction, target), hosts(prediction, target))


@pytest.mark.parametrize('factors', [
    dict(), dict(shift_factor=2., scale_factor=2.), dict(scale_factor=0.5)])
@pytest.mark.parametrize('joint', [True, False])
def test_region_loss(joint: bool, factors: dict) -> None:
    module, canvas, paste, target = head(**factors), rows(), rows(), rows()
    fast = module.region_loss(canvas, paste, target, regions(), joint)
    if joint:
        predictions = tiny_hosts.layers_by_hand(
            module.predictor, torch.cat((canvas, paste)))
    else:
        predictions = torch.cat([
            tiny_hosts.layers_by_hand(module.predictor, each)
            for each in (canvas, paste)
        ])
    cosine = tiny_hosts.cosines(predictions,
                                torch.cat((target, target[DONORS]))).mean()
    slow = factors.get('shift_factor', 0.) - factors.get(
        'scale_factor', 1.) * cosine
    torch.testing.assert_close(fast, slow)
    inputs = (canvas, paste, target, *module.predictor.parameters())
    for one, other in zip(*(torch.autograd.grad(
            loss, inputs, materialize_grads=True) for loss in (fast, slow))):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)
    assert not torch.autograd.grad(
        module.region_loss(canvas, paste, target, regions(), joint),
        target, materialize_grads=True)[0].any()


def test_joint_is_the_default() -> None:
    """And differs from separate, so that the test above could fail."""
    module, canvas, paste, target = head(), rows(), rows(), rows()
    default, joint, separate = (
        module.region_loss(canvas, paste, target, regions(), *options)
        for options in ((), (True, ), (False, )))
    assert torch.equal(default, joint)
    assert (joint - separate).abs() > 1e-3


def test_the_same_region_as_whole_images() -> None:
    """Where canvas and paste are the images themselves, both losses agree."""
    module, whole, target = head(), rows(), rows()
    module.eval()  # BatchNorm row by row
    back = torch.tensor(DONORS)
    torch.testing.assert_close(
        module.region_loss(whole, whole[back], target, regions()),
        module(whole, target))


@pytest.mark.parametrize('loss', [
    dict(type='CrossCorrelationLoss'),
    dict(type='mmcls.CrossEntropyLoss'),
])
def test_another_loss(loss: dict) -> None:
    with pytest.raises(ValueError, match='cosine similarity .* cannot use '
                       'head.loss=.*CosineSimilarityLoss'):
        MODELS.build(
            dict(
                type='RegionLatentPredictHead',
                loss=loss,
                predictor=tiny_hosts.predictor()))
