# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmselfsup.engine.optimizers import LARS
from torch import Tensor, nn

from mmregioncl.engine.health import StepGuard
from tests.models import tiny_hosts, tiny_moco

OPTIMIZERS = {
    'SGD': lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.1),
    'AdamW': lambda p: torch.optim.AdamW(p, 0.1),
    'LARS': lambda p: LARS(p, 0.1, 0.9, weight_decay=0.1),
}


def state(model: nn.Module, optimizer: Any) -> tuple[dict, dict]:
    return (copy.deepcopy(model.state_dict()),
            copy.deepcopy(optimizer.state_dict()))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(
            same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return all(map(same, one, other))
    return one == other


def train_step(model: Any, optimizer: Any, guard: StepGuard,
               views: list[Tensor]) -> list[str]:
    guard.remember(len(views[0]))
    optimizer.zero_grad()
    sum(value for name, value in model.loss(views, None).items()
        if 'loss' in name).backward()
    optimizer.step()
    bad = guard.bad_gradients()
    if bad:
        guard.undo()
    return bad


@pytest.mark.parametrize('kind', OPTIMIZERS)
@pytest.mark.parametrize('build', [tiny_moco.config, tiny_hosts.densecl])
def test_a_bad_step_leaves_no_trace(kind: str, build: Any) -> None:
    """Weights, momentum, statistics, queues: bit for bit; then it goes on."""
    model = tiny_moco.build(build())
    optimizer = OPTIMIZERS[kind](list(model.parameters()))
    guard = StepGuard(model, optimizer)
    for _ in range(4):  # 20 keys of 24: the bad step wraps around
        assert not train_step(model, optimizer, guard, tiny_moco.draw_views(5))
    before = state(model, optimizer)
    bad = tiny_moco.draw_views(5)
    for view in bad:
        view[2, 1, 3, 3] = torch.nan
    assert 'backbone.conv1.weight' in train_step(model, optimizer, guard, bad)
    after = state(model, optimizer)
    for name in after[0]:  # the momentum encoder took its step
        if not name.startswith('encoder_k.'):
            assert torch.equal(after[0][name], before[0][name]), name
        elif name.endswith('conv1.weight'):
            assert not torch.equal(after[0][name], before[0][name]), name
        assert after[0][name].isfinite().all(), name
    for name, value in model.encoder_k.named_buffers():
        if 'running' in name:
            assert torch.equal(value, before[0][f'encoder_k.{name}']), name
    assert same(after[1], before[1])
    assert not train_step(model, optimizer, guard, tiny_moco.draw_views(5))
    assert not same(state(model, optimizer), after)
    assert model.queue.isfinite().all()


def test_a_gradient_alone() -> None:
    """The loss is finite, its slope is not."""
    layer = nn.Linear(1, 1, bias=False)
    layer.extra = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD(layer.parameters(), 1.)
    guard = StepGuard(layer, optimizer)
    with torch.no_grad():
        layer.weight.zero_()
    guard.remember(1)
    (layer(torch.ones(1, 1)).abs().sqrt() + layer.extra).sum().backward()
    optimizer.step()
    assert guard.bad_gradients() == ['weight']
    guard.undo()
    assert not optimizer.state
    assert layer.weight.item() == 0 and layer.extra.item() == 1


def test_good_steps_are_untouched() -> None:
    """With the guard and without: the same weights."""
    results = []
    for guarded in (True, False):
        model = tiny_moco.build(tiny_moco.config())
        optimizer = OPTIMIZERS['SGD'](
            [each for each in model.parameters() if each.requires_grad])
        guard = StepGuard(model, optimizer)
        if not guarded:
            guard.remove()
        torch.manual_seed(1)
        for _ in range(3):
            train_step(model, optimizer, guard, tiny_moco.draw_views(5))
        results.append(state(model, optimizer))
    assert same(*results)


def test_removed_it_looks_no_more() -> None:
    weight = nn.Parameter(torch.ones(1))
    holder = nn.ParameterList([weight])
    optimizer = torch.optim.SGD(holder.parameters(), 1.)
    guard = StepGuard(holder, optimizer)
    guard.remove()
    weight.grad = torch.tensor([torch.nan])
    optimizer.step()
    assert not guard.bad_gradients() and weight.isnan().all()
