# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import copy

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import ExponentialMovingAverage
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import mmregioncl.register  # noqa: F401
from mmregioncl.models.fused_ema import FusedCosineEMA, FusedEMA
from tests import references


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))


def train(model: nn.Module) -> None:
    """Move parameters and BatchNorm statistics."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    model(torch.randn(4, 3, 5, 5))


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    first, second = one.state_dict(), other.state_dict()
    assert list(first) == list(second)
    for name in first:
        torch.testing.assert_close(first[name], second[name], msg=name)


def test_numbers_and_keys_of_the_parent() -> None:
    model = network()
    ours, parents = FusedEMA(model, 0.1), ExponentialMovingAverage(model, 0.1)
    places = [each.data_ptr() for each in ours.module.parameters()]
    for step in range(4):
        train(model)
        for average in (ours, parents):
            average.update_parameters(model)
        assert_same_state(ours, parents)
        assert ours.steps_taken == ours.steps.item() == step + 1
    assert [each.data_ptr() for each in ours.module.parameters()] == places
    assert not any(each.requires_grad for each in ours.parameters())


def test_numbers_and_keys_of_the_target_of_byol() -> None:
    """Half a run of 8 steps, on the cosine from 0.6 to 1; resumed in it."""
    from mmselfsup.models.utils import CosineEMA
    MessageHub.get_current_instance().update_info('max_iters', 8)
    model = network()
    ours, theirs = FusedCosineEMA(model, 0.6), CosineEMA(model, 0.6)
    for step in range(4):
        train(model)
        for average in (ours, theirs):
            average.update_parameters(model)
        assert_same_state(ours, theirs)
        if step == 2:
            ours = FusedCosineEMA(network(), 0.6)
            ours.load_state_dict(theirs.state_dict())
    assert ours.share_that_stays(4) == pytest.approx(0.8)
    assert ours.share_that_stays(8) == 1


def test_the_formula() -> None:
    """A copy in the first step; then 0.999 stays, in MoCo's words."""
    model = network().double()
    average = FusedEMA(model, 1 - 0.999)
    expected = None
    for _ in range(3):
        train(model.float())
        model.double()
        expected = [
            each.detach().clone() if expected is None else
            references.moved_average(expected[i], each.detach(), 0.999)
            for i, each in enumerate(model.parameters())
        ]
        average.update_parameters(model)
        for ours, slow in zip(average.module.parameters(), expected):
            torch.testing.assert_close(ours, slow)
        for ours, theirs in zip(average.module.buffers(), model.buffers()):
            assert torch.equal(ours, theirs)  # copied, as by the parent


def test_steps_go_on_after_a_load() -> None:
    model = network()
    old, new = FusedEMA(model, 0.1), FusedEMA(model, 0.1)
    for _ in range(2):
        train(model)
        old.update_parameters(model)
    assert new.steps_taken == 0
    new.load_state_dict(old.state_dict())
    assert new.steps_taken == 2
    train(model)
    for average in (old, new):
        average.update_parameters(model)
    assert_same_state(old, new)  # an average, not the copy of a first step
    assert not torch.equal(new.module[0].weight, model[0].weight)


def test_a_load_through_the_parent_module() -> None:
    """As a checkpoint loads: the model's load_state_dict, not the average's.
    Also back to the start."""
    holder = nn.ModuleDict({'encoder_k': FusedEMA(network(), 0.1)})
    start = copy.deepcopy(holder.state_dict())
    holder['encoder_k'].update_parameters(network())
    assert holder['encoder_k'].steps_taken == 1
    holder.load_state_dict(start)
    assert holder['encoder_k'].steps_taken == 0


def test_a_copy_counts_on_its_own() -> None:
    model = network()
    average = FusedEMA(model, 0.1)
    average.update_parameters(model)
    clone = copy.deepcopy(average)
    clone.update_parameters(model)
    assert (average.steps_taken, clone.steps_taken) == (1, 2)


@pytest.mark.parametrize('kind', [FusedEMA, FusedCosineEMA])
def test_no_look_and_few_calls(kind: type[FusedEMA]) -> None:
    """The parent asks for its step count, and has a call per parameter."""
    MessageHub.get_current_instance().update_info('max_iters', 8)
    model = network()
    average = kind(model, 0.1)
    average.update_parameters(model)
    names = []

    class Watch(TorchDispatchMode):

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            names.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    with Watch():
        average.update_parameters(model)
    assert '_local_scalar_dense' not in names
    assert names.count('_foreach_lerp_') == 1
    assert names.count('_foreach_copy_') == 2  # statistics and their count
    assert 'lerp_' not in names and 'copy_' not in names


@pytest.mark.parametrize('kind, momentum', [(FusedEMA, 0.1),
                                            (FusedCosineEMA, 0.9)])
def test_accumulated_gradients_move_it_once(kind: type,
                                            momentum: float) -> None:
    """Four iterations towards the same weights are one update."""
    MessageHub.get_current_instance().update_info('max_iters', 10**9)
    model = network()
    once = kind(model, momentum)
    parts = copy.deepcopy(once)
    parts.iterations_per_update = 4
    for average in (once, parts):
        average.update_parameters(model)
    train(model)
    once.update_parameters(model)
    for _ in range(4):
        parts.update_parameters(model)
    for one, other in zip(once.module.parameters(),
                          parts.module.parameters()):
        torch.testing.assert_close(one, other)
