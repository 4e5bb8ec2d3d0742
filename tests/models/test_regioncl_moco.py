# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-M against the formulas of the paper and against its host."""
from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from mmregioncl.core import draw_permutation
from tests import references
from tests.models import tiny_moco
from tests.models.tiny_moco import FixedSwap, RecordedSwap

# name: boxes in cells of 3 x 4, donors
FLIP = [3, 2, 1, 0]
DERANGED = [2, 0, 4, 1, 3]  # no involution
ONE_BOX: references.Box = (1, 0, 2, 3)
OWN_BOXES: list[references.Box] = [(0, 0, 1, 1), (1, 1, 3, 2), (0, 0, 4, 2),
                                   (3, 2, 1, 1), (2, 0, 1, 3)]
CASES = {
    'flip': ([ONE_BOX] * 4, FLIP),
    'flip, own boxes': (OWN_BOXES[:4], FLIP),
    'derangement': ([ONE_BOX] * 5, DERANGED),
    'derangement, own boxes': (OWN_BOXES, DERANGED),
}


def keys_by_hand(model: Any, view: Tensor, first: bool) -> Tensor:
    """k = norm g_xi(f_xi(x_k)), after the step of the momentum encoder."""
    query, key = (list(module.parameters()) for module in
                  (torch.nn.Sequential(model.backbone, model.neck),
                   model.encoder_k.module))
    with torch.no_grad():
        for source, average in zip(query, key):
            average.copy_(source if first else references.moved_average(
                average, source, 0.999))
        return references.normalised(model.encoder_k.module(view)[0])


def closed_form(model: Any, views: list[Tensor], composites: Tensor,
                boxes: list[references.Box], donors: list[int],
                first: bool) -> tuple[dict[str, Tensor], Tensor]:
    """method.md, section 4, with the model's own networks."""
    def project(rows: Tensor) -> Tensor:
        return torch.cat(
            [model.neck.mlp(row[None]) for row in rows])  # one by one

    query = references.normalised(
        project(model.backbone(views[0])[-1].mean((2, 3))))
    canvas, paste = (references.normalised(project(rows)) for rows in
                     references.pooled(model.backbone(composites)[-1], boxes))
    key = keys_by_hand(model, views[1], first)
    terms = references.region_info_nce(query, canvas, paste, key, donors,
                                       model.queue, 0.2)
    return dict(
        loss_instance=terms['instance'].mean(),
        loss_region=torch.cat((terms['canvas'], terms['paste'])).mean()), key


def assert_equal_step(model: Any, slow_model: Any, views: list[Tensor],
                      composites: Tensor | None, boxes: Any, donors: Any,
                      first: bool) -> None:
    """One step of the model against one by hand on a copy of it."""
    fast = model.loss(views, None)
    if composites is None:
        recorded = model.region_swap
        composites = recorded.composites
        boxes = [tuple(box) for box in recorded.regions.boxes.tolist()]
        donors = recorded.regions.donors.tolist()
    slow, key = closed_form(slow_model, views, composites, boxes, donors,
                            first)
    for name, loss in slow.items():
        assert abs(fast[name].item() - loss.item()) < 1e-9
    total_fast = fast['loss_instance'] + fast['loss_region']
    total_slow = slow['loss_instance'] + slow['loss_region']
    ours = tiny_moco.query_parameters(model)
    theirs = tiny_moco.query_parameters(slow_model)
    assert len(ours) == len(theirs) == 20 + 2 * 20 + 4  # conv, norm, mlp
    for name, fast_slope, slow_slope in zip(
            ours, torch.autograd.grad(total_fast, list(ours.values())),
            torch.autograd.grad(total_slow, list(theirs.values()))):
        error = (fast_slope - slow_slope).norm() / slow_slope.norm()
        assert error < 1e-8, name
    queue, pointer = references.enqueued(
        slow_model.queue, slow_model.queue_ptr.item(), key)
    torch.testing.assert_close(model.queue, queue)
    assert model.queue_ptr.item() == pointer


@pytest.mark.parametrize('case', CASES)
def test_closed_form(case: str) -> None:
    """The first step, and a later one in which the encoders differ."""
    boxes, donors = CASES[case]
    swap = FixedSwap(boxes, donors)
    model = tiny_moco.build(tiny_moco.config())
    model.region_swap = swap
    for step in range(2):
        views = tiny_moco.draw_views(len(donors))
        before = copy.deepcopy(model)
        assert_equal_step(model, before, views,
                          swap(views[0])[0], boxes, donors, step == 0)
        tiny_moco.perturb(model)


@pytest.mark.parametrize('sampler', ['grid', 'legacy'])
def test_closed_form_of_what_region_swap_draws(sampler: str) -> None:
    """From the transform itself, off the grid too; odd batches."""
    model = tiny_moco.build(
        tiny_moco.config(
            region_swap=dict(
                stride=tiny_moco.STRIDE,
                cells=(1, 2),
                sampler=sampler,
                scope='image',
                pairing='random')))
    model.region_swap = RecordedSwap(model.region_swap)
    assert_equal_step(model, copy.deepcopy(model), tiny_moco.draw_views(3),
                      None, None, None, True)


def test_weights_of_the_terms() -> None:
    views = tiny_moco.draw_views(4)
    plain = tiny_moco.build(tiny_moco.config())
    weighted = tiny_moco.build(
        tiny_moco.config(
            region_loss_weight=0.3,
            head=dict(
                type='RegionContrastiveHead',
                loss=dict(type='mmcls.CrossEntropyLoss', loss_weight=2.))))
    for model in (plain, weighted):
        model.region_swap = FixedSwap([ONE_BOX] * 4, FLIP)
    one, other = (model.loss(views, None) for model in (plain, weighted))
    torch.testing.assert_close(other['loss_instance'],
                               2 * one['loss_instance'])
    torch.testing.assert_close(other['loss_region'],
                               0.6 * one['loss_region'])


def test_state_dict_is_that_of_moco() -> None:
    """Strictly, there and back, values and all."""
    ours = tiny_moco.build(tiny_moco.config(bn_splits=2), seed=1)
    host = tiny_moco.build(tiny_moco.host_config(), seed=2)
    for giver, taker in ((ours, host), (host, ours)):
        tiny_moco.perturb(giver)
        assert list(giver.state_dict()) == list(taker.state_dict())
        taker.load_state_dict(giver.state_dict(), strict=True)
        for one, other in zip(giver.state_dict().values(),
                              taker.state_dict().values()):
            assert torch.equal(one, other)
    names = set(ours.state_dict())
    assert {'backbone.conv1.weight', 'neck.mlp.0.weight', 'queue',
            'queue_ptr', 'encoder_k.steps', 'encoder_k.module.0.conv1.weight',
            'encoder_k.module.1.mlp.2.bias'} <= names


def test_without_regions_it_is_the_host() -> None:
    """Six SGD steps of both from the same weights: losses, queue, keys."""
    ours = tiny_moco.build(tiny_moco.config(region_loss_weight=0))
    host = tiny_moco.build(tiny_moco.host_config())
    host.load_state_dict(ours.state_dict(), strict=True)
    steppers = [
        torch.optim.SGD(tiny_moco.query_parameters(model).values(), lr=0.1,
                        momentum=0.9) for model in (ours, host)
    ]
    for _ in range(6):  # 6 x 8 keys: twice around the queue of 24
        views = tiny_moco.draw_views(8)
        fast = ours.loss(views, None)
        slow = host.loss(views, None)['loss']
        torch.testing.assert_close(fast['loss_instance'], slow)
        assert fast['loss_region'] == 0
        for stepper, loss in zip(
                steppers, (fast['loss_instance'] + fast['loss_region'], slow)):
            stepper.zero_grad()
            loss.backward()
            stepper.step()
        for name in ('queue', 'queue_ptr'):
            torch.testing.assert_close(
                getattr(ours, name), getattr(host, name))
        torch.testing.assert_close(
            dict(ours.encoder_k.named_parameters()),
            dict(host.encoder_k.named_parameters()))
    assert ours.encoder_k.steps == host.encoder_k.steps == 6


def test_split_batchnorm_hides_the_keys() -> None:
    """One device, two groups: each key among others than its query."""
    model = tiny_moco.build(tiny_moco.config(bn_splits=2))
    slow = tiny_moco.build(tiny_moco.config())
    slow.load_state_dict(model.state_dict())
    views = tiny_moco.draw_views(6)
    model.loss(views, None)
    order = draw_permutation(6, model.shuffle_seed(), 0)
    expected = torch.empty_like(model.queue[:, :6].t())
    for half in order.chunk(2):
        expected[half] = keys_by_hand(slow, views[1][half], True)
    torch.testing.assert_close(model.queue[:, :6].t(), expected)
    assert not torch.equal(order.chunk(2)[0].sort().values, torch.arange(3))

    with pytest.raises(ValueError, match='batch of 5 .* bn_splits=2'):
        model.loss(tiny_moco.draw_views(5), None)


def test_any_batch_goes_with_any_queue() -> None:
    model = tiny_moco.build(tiny_moco.config(queue_len=7))
    place = model.queue.data_ptr()
    for num, pointer in ((4, 4), (4, 1), (3, 4), (9, 6), (2, 1)):
        before = model.queue.clone()
        losses = model.loss(tiny_moco.draw_views(num), None)
        assert all(loss.isfinite() for loss in losses.values())
        assert model.queue_ptr.item() == pointer
        changed = (model.queue != before).any(0).sum()
        assert changed == min(num, 7)
    assert model.queue.data_ptr() == place
    torch.testing.assert_close(
        model.queue.norm(dim=0), torch.ones(7, dtype=torch.float64))


def test_the_key_encoder_is_a_frozen_copy() -> None:
    """Shared with the query encoder, it would freeze the projector."""
    model = tiny_moco.build(tiny_moco.config())
    query = tiny_moco.query_parameters(model)
    assert all(each.requires_grad for each in query.values())
    mine = {each.data_ptr() for each in query.values()}
    for each in model.encoder_k.parameters():
        assert not each.requires_grad and each.data_ptr() not in mine
    losses = model.loss(tiny_moco.draw_views(4), None)
    (losses['loss_instance'] + losses['loss_region']).backward()
    assert all(each.grad is not None for each in query.values())
    assert all(each.grad is None for each in model.encoder_k.parameters())


def test_what_loss_returns() -> None:
    model = tiny_moco.build(tiny_moco.config(), double=False)
    losses = model.loss([each.float() for each in tiny_moco.draw_views(4)],
                        None)
    assert set(losses) == {'loss_instance', 'loss_region', 'acc_instance',
                           'acc_canvas', 'acc_paste', 'gap_instance',
                           'gap_canvas', 'gap_paste'}
    for name, value in losses.items():
        assert value.shape == () and value.dtype == torch.float32
        assert value.requires_grad == name.startswith('loss')
    total, logged = model.parse_losses(losses)  # MMEngine adds up loss*
    torch.testing.assert_close(
        total, losses['loss_instance'] + losses['loss_region'])
    assert 'acc_canvas' in logged
