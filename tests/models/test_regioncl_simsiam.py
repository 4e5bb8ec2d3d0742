# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-S against method.md's formulas and against its host."""
from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import references
from tests.models import tiny_hosts, tiny_moco
from tests.models.tiny_hosts import CASES, FLIP, ONE_BOX
from tests.models.tiny_moco import FixedSwap


def regions_by_hand(model: Any, view: Tensor, target: Tensor, swap: FixedSwap,
                    joint: bool) -> Tensor:
    """mean_j (D(h(c_j), z_j) + D(h(p_j), z_donor)) / 2."""
    canvas, paste = references.pooled(model.backbone(swap(view)[0])[-1],
                                      swap.boxes)

    def predict(rows: Tensor) -> Tensor:
        return tiny_hosts.layers_by_hand(
            model.head.predictor, tiny_hosts.layers_by_hand(model.neck, rows))

    if joint:
        canvas, paste = predict(torch.cat((canvas, paste))).chunk(2)
    else:
        canvas, paste = predict(canvas), predict(paste)
    return -(tiny_hosts.cosines(canvas, target).mean() +
             tiny_hosts.cosines(paste, target[swap.donors]).mean()) / 2


def closed_form(model: Any, views: list[Tensor], swaps: list[FixedSwap],
                joint: bool = True) -> dict[str, Tensor]:
    z1, z2 = (tiny_hosts.layers_by_hand(model.neck,
                                        model.backbone(view)[-1].mean((2, 3)))
              for view in views)
    h1, h2 = (tiny_hosts.layers_by_hand(model.head.predictor, z)
              for z in (z1, z2))
    region = [regions_by_hand(model, view, target, swap, joint)
              for view, target, swap in zip(views, (z2, z1), swaps)]
    return dict(
        loss_instance=-(tiny_hosts.cosines(h1, z2).mean() +
                        tiny_hosts.cosines(h2, z1).mean()) / 2,
        loss_region=torch.stack(region).mean())


class EachItsOwn:
    """Stands in for RegionSwap when two views are swapped in turn."""

    def __init__(self, swaps: list[FixedSwap]) -> None:
        self.swaps, self.calls = swaps, 0

    def __call__(self, view: Tensor) -> Any:
        self.calls += 1
        return self.swaps[self.calls - 1](view)


@pytest.mark.parametrize('region_bn', ['joint', 'separate'])
@pytest.mark.parametrize('case', CASES)
def test_closed_form(case: str, region_bn: str) -> None:
    boxes, donors = CASES[case]
    model = tiny_hosts.build(tiny_hosts.simsiam(region_bn=region_bn))
    swap = model.region_swap = FixedSwap(boxes, donors)
    slow_model = copy.deepcopy(model)
    views = tiny_moco.draw_views(len(donors))
    slow = closed_form(slow_model, views, [swap], region_bn == 'joint')
    tiny_hosts.assert_same_loss(model, model.loss(views, None), slow_model,
                                slow)


@pytest.mark.parametrize('case', ['flip, own boxes', 'derangement'])
def test_symmetric(case: str) -> None:
    """Both views are swapped, each with boxes and donors of its own."""
    boxes, donors = CASES[case]
    swaps = [FixedSwap(boxes, donors),
             FixedSwap(boxes[::-1], tiny_hosts.draw_donors(len(donors), 1))]
    assert swaps[0].donors != swaps[1].donors
    model = tiny_hosts.build(tiny_hosts.simsiam(symmetric=True))
    slow_model = copy.deepcopy(model)
    model.region_swap = EachItsOwn(swaps)
    views = tiny_moco.draw_views(len(donors))
    fast = model.loss(views, None)
    assert model.region_swap.calls == 2
    tiny_hosts.assert_same_loss(model, fast, slow_model,
                                closed_form(slow_model, views, swaps))


def test_joint_and_separate_differ() -> None:
    """So that the tests above could fail."""
    views = tiny_moco.draw_views(4)
    losses = []
    for region_bn in ('joint', 'separate'):
        model = tiny_hosts.build(tiny_hosts.simsiam(region_bn=region_bn))
        model.region_swap = FixedSwap([ONE_BOX] * 4, FLIP)
        losses.append(model.loss(views, None)['loss_region'])
    assert (losses[0] - losses[1]).abs() > 1e-3


def test_targets_get_no_gradient() -> None:
    """Of the region term: it never reaches the second view."""
    model = tiny_hosts.build(tiny_hosts.simsiam())
    views = [view.requires_grad_() for view in tiny_moco.draw_views(4)]
    loss = model.loss(views, None)['loss_region']
    first, second = torch.autograd.grad(loss, views, materialize_grads=True)
    assert first.abs().sum() > 0 and second.abs().sum() == 0


def test_instance_term_is_that_of_the_host() -> None:
    cfg = tiny_hosts.simsiam(region_loss_weight=0.3)
    ours = tiny_hosts.build(cfg)
    host = tiny_hosts.host_with_weights_of(ours, cfg)
    views = tiny_moco.draw_views(4)
    one, other = ours.loss(views, None), host.loss(views, None)
    torch.testing.assert_close(one['loss_instance'], other['loss'])
    assert set(one) == {'loss_instance', 'loss_region'}


def test_without_regions_it_is_the_host() -> None:
    """Three SGD steps of both from the same weights."""
    cfg = tiny_hosts.simsiam(region_loss_weight=0)
    ours = tiny_hosts.build(cfg)
    host = tiny_hosts.host_with_weights_of(ours, cfg)
    steppers = [torch.optim.SGD(tiny_hosts.trained(model).values(), lr=0.1)
                for model in (ours, host)]
    for _ in range(3):
        views = tiny_moco.draw_views(4)
        losses = [sum(model.loss(views, None).values())
                  for model in (ours, host)]
        torch.testing.assert_close(*losses)
        for stepper, loss in zip(steppers, losses):
            stepper.zero_grad()
            loss.backward()
            stepper.step()
    for one, other in zip(tiny_hosts.trained(ours).values(),
                          tiny_hosts.trained(host).values()):
        torch.testing.assert_close(one, other)


def test_region_loss_weight() -> None:
    views = tiny_moco.draw_views(4)
    losses = []
    for weight in (1., 0.3):
        model = tiny_hosts.build(
            tiny_hosts.simsiam(region_loss_weight=weight))
        model.region_swap = FixedSwap([ONE_BOX] * 4, FLIP)
        losses.append(model.loss(views, None))
    torch.testing.assert_close(losses[1]['loss_region'],
                               0.3 * losses[0]['loss_region'])
    torch.testing.assert_close(losses[1]['loss_instance'],
                               losses[0]['loss_instance'])


def test_state_dict_is_that_of_simsiam() -> None:
    tiny_hosts.assert_state_dict_of_host(tiny_hosts.simsiam())


@pytest.mark.parametrize('settings, message', [
    (dict(region_bn='both'), "region_bn must be 'joint' or 'separate', got "
     "'both'"),
    (dict(region_loss_weight=-0.5), 'region_loss_weight must be 0 or more'),
    (dict(region_swap=dict(stride=32, cells=(1, 2))),
     'set model.region_swap.stride=8'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_hosts.build(tiny_hosts.simsiam(**settings))


def test_one_view() -> None:
    with pytest.raises(ValueError, match='two views .* got 1'):
        tiny_hosts.build(tiny_hosts.simsiam()).loss(
            tiny_moco.draw_views(4)[:1], None)
