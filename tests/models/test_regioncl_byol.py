# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL on BYOL against its formulas and against its host."""
from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from mmengine.logging import MessageHub
from torch import Tensor

from tests import references
from tests.models import tiny_hosts, tiny_moco
from tests.models.tiny_hosts import CASES, FLIP, ONE_BOX
from tests.models.tiny_moco import FixedSwap

STEPS = 10


@pytest.fixture(autouse=True)
def length_of_the_run() -> None:
    """As the runner says it; the momentum follows a cosine."""
    MessageHub.get_current_instance().update_info('max_iters', STEPS)


def share_that_stays(step: int) -> float:
    """From 0.996 to 1; nothing stays in the first step."""
    if step == 0:
        return 0.
    return 1 - 0.004 * (math.cos(math.pi * step / STEPS) + 1) / 2


def squared_distance(predictions: Tensor, targets: Tensor) -> Tensor:
    """|a - sg b|^2 of unit vectors, averaged over rows."""
    return torch.stack([
        ((a - b)**2).sum() for a, b in zip(
            references.normalised(predictions),
            references.normalised(targets.detach()))
    ]).mean()


def closed_form(model: Any, views: list[Tensor], swap: FixedSwap,
                step: int, joint: bool) -> dict[str, Tensor]:
    """BYOL's error, up to its constant: 2 - 2 cos, in both directions."""
    tiny_hosts.follow(model.target_net.module, model, share_that_stays(step))
    with torch.no_grad():
        target1, target2 = (model.target_net.module(view)[0]
                            for view in views)

    def predict(rows: Tensor) -> Tensor:
        return tiny_hosts.layers_by_hand(
            model.head.predictor, tiny_hosts.layers_by_hand(model.neck, rows))

    h1, h2 = (predict(model.backbone(view)[-1].mean((2, 3)))
              for view in views)
    canvas, paste = references.pooled(
        model.backbone(swap(views[0])[0])[-1], swap.boxes)
    if joint:
        canvas, paste = predict(torch.cat((canvas, paste))).chunk(2)
    else:
        canvas, paste = predict(canvas), predict(paste)
    # Either error is 4 at right angles; MMSelfSup leaves that away.
    return dict(
        loss_instance=squared_distance(h1, target2) +
        squared_distance(h2, target1) - 4,
        loss_region=squared_distance(canvas, target2) +
        squared_distance(paste, target2[swap.donors]) - 4)


@pytest.mark.parametrize('region_bn', ['joint', 'separate'])
@pytest.mark.parametrize('case', CASES)
def test_closed_form(case: str, region_bn: str) -> None:
    """The first step, and a later one in which the encoders differ."""
    boxes, donors = CASES[case]
    model = tiny_hosts.build(tiny_hosts.byol(region_bn=region_bn))
    swap = model.region_swap = FixedSwap(boxes, donors)
    for step in range(2):
        slow_model = copy.deepcopy(model)
        views = tiny_moco.draw_views(len(donors))
        fast = model.loss(views, None)
        slow = closed_form(slow_model, views, swap, step,
                           region_bn == 'joint')
        tiny_hosts.assert_same_loss(model, fast, slow_model, slow)
        torch.testing.assert_close(
            list(model.target_net.parameters()),
            list(slow_model.target_net.parameters()))
        tiny_moco.perturb(model)


def test_without_regions_it_is_the_host() -> None:
    """Three SGD steps of both from the same weights, targets and all."""
    cfg = tiny_hosts.byol(region_loss_weight=0)
    ours = tiny_hosts.build(cfg)
    host = tiny_hosts.host_with_weights_of(ours, cfg)
    steppers = [torch.optim.SGD(tiny_hosts.trained(model).values(), lr=0.1)
                for model in (ours, host)]
    for _ in range(3):
        views = tiny_moco.draw_views(4)
        one, other = ours.loss(views, None), host.loss(views, None)
        torch.testing.assert_close(one['loss_instance'], other['loss'])
        assert one['loss_region'] == 0
        for stepper, losses in zip(steppers, (one, other)):
            stepper.zero_grad()
            sum(losses.values()).backward()
            stepper.step()
    torch.testing.assert_close(
        list(ours.parameters()), list(host.parameters()))


def test_region_loss_weight() -> None:
    views = tiny_moco.draw_views(4)
    losses = []
    for weight in (1., 0.3):
        model = tiny_hosts.build(tiny_hosts.byol(region_loss_weight=weight))
        model.region_swap = FixedSwap([ONE_BOX] * 4, FLIP)
        losses.append(model.loss(views, None))
    torch.testing.assert_close(losses[1]['loss_region'],
                               0.3 * losses[0]['loss_region'])
    torch.testing.assert_close(losses[1]['loss_instance'],
                               losses[0]['loss_instance'])


def test_the_target_is_a_frozen_copy() -> None:
    model = tiny_hosts.build(tiny_hosts.byol())
    sum(model.loss(tiny_moco.draw_views(4), None).values()).backward()
    mine = {each.data_ptr() for each in tiny_hosts.trained(model).values()}
    for each in model.target_net.parameters():
        assert each.grad is None and each.data_ptr() not in mine
    assert all(each.grad is not None
               for each in tiny_hosts.trained(model).values())


def test_state_dict_is_that_of_byol() -> None:
    tiny_hosts.assert_state_dict_of_host(tiny_hosts.byol())


@pytest.mark.parametrize('settings, message', [
    (dict(base_momentum=0.004), 'base_momentum=0.004 is on the wrong side.*'
     'mean 0.996'),
    (dict(base_momentum=1.0), 'base_momentum=1.0'),
    (dict(region_bn=None), "region_bn must be .* got None"),
    (dict(region_loss_weight=-0.5), 'region_loss_weight must be 0 or more'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_hosts.build(tiny_hosts.byol(**settings))
