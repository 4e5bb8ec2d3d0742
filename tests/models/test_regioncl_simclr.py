# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL on SimCLR against its formulas and against its host."""
from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

import mmregioncl.register  # noqa: F401
from mmregioncl.models.algorithms import regioncl_simclr
from tests import references
from tests.models import tiny_hosts, tiny_moco
from tests.models.tiny_hosts import CASES, FLIP, ONE_BOX
from tests.models.tiny_moco import FixedSwap

CROSS_ENTROPY = dict(type='mmcls.CrossEntropyLoss')


def head(**settings: Any) -> dict:
    return dict(type='ContrastiveHead', loss=CROSS_ENTROPY) | settings


def closed_form(model: Any, views: list[Tensor], swap: FixedSwap,
                joint: bool) -> dict[str, Tensor]:
    num = len(swap.donors)
    # both views are one BatchNorm batch, in backbone and projector
    features = model.backbone(torch.cat(views))[-1].mean((2, 3))
    first, second = references.normalised(
        tiny_hosts.layers_by_hand(model.neck, features)).chunk(2)

    canvas, paste = references.pooled(
        model.backbone(swap(views[0])[0])[-1], swap.boxes)
    if joint:
        canvas, paste = tiny_hosts.layers_by_hand(
            model.neck, torch.cat((canvas, paste))).chunk(2)
    else:
        canvas, paste = (tiny_hosts.layers_by_hand(model.neck, rows)
                         for rows in (canvas, paste))
    canvas, paste = map(references.normalised, (canvas, paste))

    instance, region = [], []
    for j, donor in enumerate(swap.donors):
        for anchor, positive in ((first[j], second[j]), (second[j], first[j])):
            others = [view[i] for i in range(num) for view in (first, second)
                      if i != j]
            instance.append(
                references.info_nce(anchor, positive, others, 0.1))
        for anchor, owner, intra in ((canvas[j], j, paste[j]),
                                     (paste[j], donor, canvas[j])):
            others = [view[i] for i in range(num) for view in (first, second)
                      if i != owner]
            region.append(
                references.info_nce(anchor, second[owner],
                                    others + [intra.detach()], 0.1))
    return dict(
        loss_instance=torch.stack(instance).mean(),
        loss_region=torch.stack(region).mean())


@pytest.mark.parametrize('region_bn', ['joint', 'separate'])
@pytest.mark.parametrize('case', CASES)
def test_closed_form(case: str, region_bn: str) -> None:
    boxes, donors = CASES[case]
    model = tiny_hosts.build(tiny_hosts.simclr(region_bn=region_bn))
    swap = model.region_swap = FixedSwap(boxes, donors)
    slow_model = copy.deepcopy(model)
    views = tiny_moco.draw_views(len(donors))
    slow = closed_form(slow_model, views, swap, region_bn == 'joint')
    tiny_hosts.assert_same_loss(model, model.loss(views, None), slow_model,
                                slow)


def test_what_a_region_is_compared_with(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own first view is neither positive nor negative; the other region
    is a negative that does not move."""
    calls: list[Any] = []
    in_batch_info_nce = regioncl_simclr.in_batch_info_nce

    def watch(*args: Any, **kwargs: Any) -> Tensor:
        calls.append((*args, kwargs))
        return in_batch_info_nce(*args, **kwargs)

    monkeypatch.setattr(regioncl_simclr, 'in_batch_info_nce', watch)
    boxes, donors = CASES['derangement']
    model = tiny_hosts.build(tiny_hosts.simclr())
    model.region_swap = FixedSwap(boxes, donors)
    model.loss(tiny_moco.draw_views(5), None)
    anchors, candidates, positive, ignored, temperature, options = calls[1]
    assert len(calls) == 2 and temperature == 0.1
    assert anchors.shape == (10, 8) and candidates.shape == (10, 8)
    owners = [0, 1, 2, 3, 4, *donors]
    assert positive.tolist() == [2 * owner + 1 for owner in owners]
    for row, owner in zip(ignored, owners):
        assert row.nonzero().flatten().tolist() == [2 * owner]
    assert torch.equal(options['intra'], anchors.roll(5, 0))
    losses = in_batch_info_nce(*calls[1][:-1], **options)
    # of canvas 0 alone: candidates but its own first view, and no region
    to_anchors, to_candidates = torch.autograd.grad(
        losses[0], (anchors, candidates))
    assert to_anchors.any(1).tolist() == [True] + [False] * 9
    assert to_candidates.any(1).tolist() == [False] + [True] * 9


@pytest.mark.parametrize('settings', [
    dict(), dict(temperature=0.5),
    dict(loss=CROSS_ENTROPY | dict(loss_weight=2.))
])
def test_instance_term_is_that_of_the_host(settings: dict) -> None:
    cfg = tiny_hosts.simclr(head=head(**settings))
    ours = tiny_hosts.build(cfg)
    host = tiny_hosts.host_with_weights_of(ours, cfg)
    views = tiny_moco.draw_views(4)
    one, other = ours.loss(views, None), host.loss(views, None)
    torch.testing.assert_close(one['loss_instance'], other['loss'])
    slopes = (torch.autograd.grad(loss, list(tiny_hosts.trained(
        model).values())) for model, loss in ((ours, one['loss_instance']),
                                              (host, other['loss'])))
    torch.testing.assert_close(*slopes)


def test_weights_of_the_terms() -> None:
    views = tiny_moco.draw_views(4)
    losses = []
    for settings in (dict(), dict(
            region_loss_weight=0.3,
            head=head(loss=CROSS_ENTROPY | dict(loss_weight=2.)))):
        model = tiny_hosts.build(tiny_hosts.simclr(**settings))
        model.region_swap = FixedSwap([ONE_BOX] * 4, FLIP)
        losses.append(model.loss(views, None))
    one, other = losses
    torch.testing.assert_close(other['loss_instance'],
                               2 * one['loss_instance'])
    torch.testing.assert_close(other['loss_region'],
                               0.6 * one['loss_region'])


def test_state_dict_is_that_of_simclr() -> None:
    tiny_hosts.assert_state_dict_of_host(tiny_hosts.simclr())


@pytest.mark.parametrize('settings, message', [
    (dict(region_bn='none'), "region_bn must be .* got 'none'"),
    (dict(region_loss_weight=-0.5), 'region_loss_weight must be 0 or more'),
    (dict(head=head(temperature=0)), 'temperature must be positive, got 0'),
    (dict(head=head(loss=dict(type='mmcls.LabelSmoothLoss'))),
     'plain cross entropy'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_hosts.build(tiny_hosts.simclr(**settings))


def test_the_region_head_serves_too() -> None:
    """Whose loss need not be named."""
    model = tiny_hosts.build(
        tiny_hosts.simclr(head=dict(type='RegionContrastiveHead')))
    assert model.loss(tiny_moco.draw_views(2), None)['loss_region'] > 0


def test_regions_of_a_part_meet_the_targets_of_that_part(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The last half of a batch of 8 becomes composites."""
    calls: list[Any] = []
    in_batch_info_nce = regioncl_simclr.in_batch_info_nce
    monkeypatch.setattr(
        regioncl_simclr, 'in_batch_info_nce', lambda *args, **kwargs:
        (calls.append(args), in_batch_info_nce(*args, **kwargs))[1])
    model = tiny_hosts.build(tiny_hosts.simclr(region_budget=dict(share=0.5)))
    donors = [1, 2, 3, 0]
    model.region_swap = FixedSwap([ONE_BOX] * 4, donors)
    model.loss(tiny_moco.draw_views(8), None)
    positive, ignored = calls[1][2:4]
    owners = [4, 5, 6, 7, *(4 + donor for donor in donors)]
    assert positive.tolist() == [2 * owner + 1 for owner in owners]
    for row, owner in zip(ignored, owners):
        assert row.nonzero().flatten().tolist() == [2 * owner]
