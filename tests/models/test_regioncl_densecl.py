# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-D against method.md's formulas and against its host."""
from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import references
from tests.models import tiny_hosts, tiny_moco
from tests.models.tiny_hosts import CASES, FLIP, ONE_BOX
from tests.models.tiny_moco import FixedSwap

CROSS_ENTROPY = dict(type='mmcls.CrossEntropyLoss')


def encode_by_hand(backbone: Any, neck: Any,
                   view: Tensor) -> dict[str, Tensor]:
    """Cell by cell: unit vectors (N, D), but dense and cells (N, S, .)."""
    features = backbone(view)[-1]  # (N, C, h, w)
    cells = features.flatten(2).transpose(1, 2)  # (N, S, C)
    dense = torch.stack([
        torch.stack([neck.mlp2(cell[None, :, None, None]).flatten()
                     for cell in image]) for image in cells
    ])
    return dict(
        whole=references.normalised(neck.mlp(features.mean((2, 3)))),
        dense=torch.stack([references.normalised(each) for each in dense]),
        pooled=references.normalised(dense.mean(1)),
        cells=torch.stack([references.normalised(each) for each in cells]))


def dense_by_hand(query: dict[str, Tensor], key: dict[str, Tensor],
                  queue: Tensor) -> Tensor:
    """The positive of a cell: the dense key of the most similar cell."""
    negatives, losses = list(queue.t()), []
    for i in range(len(query['cells'])):
        for cell, anchor in zip(query['cells'][i], query['dense'][i]):
            alike = [float((cell * other).sum()) for other in key['cells'][i]]
            match = alike.index(max(alike))
            losses.append(
                references.info_nce(anchor, key['dense'][i][match], negatives,
                                    0.2))
    return torch.stack(losses).mean()


def closed_form(model: Any, views: list[Tensor], swap: FixedSwap,
                first: bool) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """method.md, section 5; losses and keys."""
    query = encode_by_hand(model.backbone, model.neck, views[0])
    canvas, paste = (
        references.normalised(model.neck.mlp(rows)) for rows in
        references.pooled(model.backbone(swap(views[0])[0])[-1], swap.boxes))
    tiny_hosts.follow(model.encoder_k.module, model, 0 if first else 0.999)
    with torch.no_grad():
        key = encode_by_hand(*model.encoder_k.module, views[1])
    terms = references.region_info_nce(query['whole'], canvas, paste,
                                       key['whole'], swap.donors, model.queue,
                                       0.2)
    return dict(
        loss_instance=0.7 * terms['instance'].mean(),
        loss_dense=0.3 * dense_by_hand(query, key, model.queue2),
        loss_region=torch.cat((terms['canvas'], terms['paste'])).mean()), key


@pytest.mark.parametrize('case', CASES)
def test_closed_form(case: str) -> None:
    """The first step, and a later one in which the encoders differ. Both
    queues: keys of clean views, the dense ones averaged over cells."""
    boxes, donors = CASES[case]
    model = tiny_hosts.build(
        tiny_hosts.densecl(loss_lambda=0.3, queue_len=7))
    swap = model.region_swap = FixedSwap(boxes, donors)
    for step in range(2):
        slow_model = copy.deepcopy(model)
        views = tiny_moco.draw_views(len(donors))
        fast = model.loss(views, None)
        slow, key = closed_form(slow_model, views, swap, step == 0)
        tiny_hosts.assert_same_loss(model, fast, slow_model, slow)
        for name, keys in (('queue', key['whole']), ('queue2',
                                                     key['pooled'])):
            queue, pointer = references.enqueued(
                getattr(slow_model, name),
                getattr(slow_model, f'{name}_ptr').item(), keys)
            torch.testing.assert_close(getattr(model, name), queue)
            assert getattr(model, f'{name}_ptr').item() == pointer
        tiny_moco.perturb(model)


def test_regions_stay_on_the_global_branch() -> None:
    """Gradients, and what each queue does to each loss."""
    model = tiny_hosts.build(tiny_hosts.densecl())
    model.region_swap = FixedSwap([ONE_BOX] * 4, FLIP)
    views = tiny_moco.draw_views(4)
    before = copy.deepcopy(model)
    losses = model.loss(views, None)
    layers = (*model.neck.mlp.parameters(), *model.neck.mlp2.parameters())
    for term, on_global, on_dense in (('loss_region', True, False),
                                      ('loss_instance', True, False),
                                      ('loss_dense', False, True)):
        slopes = torch.autograd.grad(
            losses[term], layers, retain_graph=True, materialize_grads=True)
        assert [bool(slope.any()) for slope in slopes] == \
            [on_global] * 4 + [on_dense] * 4
    for name, changed in (('queue', {'loss_instance', 'loss_region'}),
                          ('queue2', {'loss_dense'})):
        other = copy.deepcopy(before)
        getattr(other, name).neg_()
        after = other.loss(views, None)
        assert changed == {term for term in after if term.startswith('loss')
                           and not torch.equal(after[term], losses[term])}


@pytest.mark.parametrize('loss_lambda, under, region', [
    (0.5, False, 1), (0.5, True, 0.5), (0.3, True, 0.7), (0, True, 1),
    (1, True, 0), (1, False, 1)])
def test_weights_of_the_terms(loss_lambda: float, under: bool,
                              region: float) -> None:
    def losses(**settings: Any) -> dict[str, Tensor]:
        model = tiny_hosts.build(tiny_hosts.densecl(**settings))
        model.region_swap = FixedSwap([ONE_BOX] * 4, FLIP)
        return model.loss(views, None)

    views = tiny_moco.draw_views(4)
    plain = losses()  # lambda 0.5, the region term with weight 1
    ours = losses(
        loss_lambda=loss_lambda,
        region_under_lambda=under,
        region_loss_weight=0.3,
        head=dict(
            type='RegionContrastiveHead',
            loss=CROSS_ENTROPY | dict(loss_weight=2.)))
    for term, factor in (('loss_instance', 2 * (1 - loss_lambda)),
                         ('loss_dense', 2 * loss_lambda),
                         ('loss_region', 0.3 * region)):
        torch.testing.assert_close(ours[term], 2 * factor * plain[term])


def test_the_warm_up_of_densecl() -> None:
    """MMSelfSup's hook: lambda is 0 at first. The dense branch still takes
    part in the backward pass, or DDP would wait for it."""
    # here, where mmregioncl.register has made MMSelfSup importable
    from mmselfsup.engine.hooks import DenseCLHook
    model = tiny_hosts.build(tiny_hosts.densecl(loss_lambda=0.4))
    model.region_swap = FixedSwap([ONE_BOX] * 4, FLIP)
    hook, runner = DenseCLHook(start_iters=2), SimpleNamespace(model=model)
    hook.before_train(runner)
    views = tiny_moco.draw_views(4)
    fresh, steps = copy.deepcopy(model), []
    for runner.iter in (0, 1, 2):
        hook.before_train_iter(runner, runner.iter)
        fresh.loss_lambda = model.loss_lambda
        steps.append(copy.deepcopy(fresh).loss(views, None))
    assert model.loss_lambda == 0.4
    for warm in steps[:2]:
        assert warm['loss_dense'] == 0 and warm['loss_dense'].requires_grad
        torch.testing.assert_close(0.6 * warm['loss_instance'],
                                   steps[2]['loss_instance'])
        assert torch.equal(warm['loss_region'], steps[2]['loss_region'])
    assert steps[2]['loss_dense'] > 0

    model.loss_lambda = 0.
    losses = model.loss(views, None)
    sum(losses[term] for term in losses if term.startswith('loss')).backward()
    assert all(each.grad is not None
               for each in tiny_hosts.trained(model).values())


def test_without_regions_it_is_the_host() -> None:
    """Four SGD steps of both from the same weights: losses and queues."""
    cfg = tiny_hosts.densecl(region_loss_weight=0, loss_lambda=0.3)
    ours = tiny_hosts.build(cfg)
    host = tiny_hosts.host_with_weights_of(ours, cfg)
    steppers = [torch.optim.SGD(tiny_hosts.trained(model).values(), lr=0.1)
                for model in (ours, host)]
    for _ in range(4):  # 4 x 8 keys: once around the queues of 24
        views = tiny_moco.draw_views(8)
        fast, slow = ours.loss(views, None), host.loss(views, None)
        torch.testing.assert_close(fast['loss_instance'], slow['loss_single'])
        torch.testing.assert_close(fast['loss_dense'], slow['loss_dense'])
        assert fast['loss_region'] == 0
        for stepper, losses in zip(steppers, (fast, slow)):
            stepper.zero_grad()
            sum(losses[term] for term in losses
                if term.startswith('loss')).backward()
            stepper.step()
        for name in ('queue', 'queue_ptr', 'queue2', 'queue2_ptr'):
            torch.testing.assert_close(
                getattr(ours, name), getattr(host, name))
    torch.testing.assert_close(
        list(ours.parameters()), list(host.parameters()))


def test_any_batch_goes_with_any_queue() -> None:
    model = tiny_hosts.build(tiny_hosts.densecl(queue_len=7))
    for num, pointer in ((4, 4), (4, 1), (9, 3)):
        losses = model.loss(tiny_moco.draw_views(num), None)
        assert all(loss.isfinite() for loss in losses.values())
        assert model.queue_ptr.item() == model.queue2_ptr.item() == pointer


def test_state_dict_is_that_of_densecl() -> None:
    tiny_hosts.assert_state_dict_of_host(tiny_hosts.densecl())


@pytest.mark.parametrize('settings, message', [
    (dict(loss_lambda=1.5), 'loss_lambda must be between 0 and 1, got 1.5'),
    (dict(loss_lambda=float('nan')), 'loss_lambda .* got nan'),
    (dict(momentum=0.001), 'momentum=0.001 is on the wrong side'),
    (dict(queue_len=0), 'queue_len must be a positive number'),
    (dict(feat_dim=16), 'feat_dim=16, but model.neck.out_channels=8'),
    (dict(key_shuffle='ddp'), "key_shuffle must be .* got 'ddp'"),
    (dict(region_loss_weight=-1), 'region_loss_weight must be 0 or more'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_hosts.build(tiny_hosts.densecl(**settings))


def test_a_grid_that_does_not_match() -> None:
    """Cells are matched by the backbone's, so that both must be as many."""
    cfg = tiny_hosts.densecl()
    cfg['neck']['num_grid'] = 2
    model = tiny_hosts.build(cfg)
    with pytest.raises(ValueError, match='num_grid gives 4 dense features.*'
                       'are 12; set num_grid=None'):
        model.loss(tiny_moco.draw_views(4), None)
