# Copyright (c) mmregioncl contributors. All rights reserved.
"""Same losses, gradients and BatchNorm statistics, in less memory."""
from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import turn_on_activation_checkpointing
from torch import Tensor, nn

from mmregioncl.engine.hooks import ActivationCheckpointHook
from tests.models import tiny_moco


def checkpointed(model: Any) -> Any:
    runner: Any = SimpleNamespace(model=model)
    ActivationCheckpointHook().before_train(runner)
    return model


def step(model: Any, autocast: bool = False) -> dict[str, Tensor]:
    """Losses, gradients and what is left in the buffers; same boxes."""
    torch.manual_seed(3)
    views = [view.to(model.queue.dtype) for view in tiny_moco.draw_views(4)]
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        losses = model.loss(views, None)
    sum(losses[name]
        for name in ('loss_instance', 'loss_region')).backward()
    return {
        **{name: loss.detach() for name, loss in losses.items()},
        **{f'slope of {name}': each.grad
           for name, each in tiny_moco.query_parameters(model).items()},
        **dict(model.named_buffers()),
    }


@pytest.mark.parametrize('settings, autocast', [
    ({}, False),
    (dict(bn_splits=2, key_shuffle='local'), False),
    ({}, True),
])
def test_nothing_changes(settings: dict, autocast: bool) -> None:
    plain = tiny_moco.build(
        tiny_moco.config(**settings), double=not autocast)
    model = checkpointed(copy.deepcopy(plain))
    assert list(model.state_dict()) == list(plain.state_dict())
    for _ in range(2):
        expected, found = step(plain, autocast), step(model, autocast)
        assert list(expected) == list(found)
        for name, value in expected.items():
            assert torch.equal(found[name], value), name


def test_without_care_the_statistics_move_twice() -> None:
    """So that the test above could fail: MMEngine's own setting."""
    plain = tiny_moco.build(tiny_moco.config())
    model = copy.deepcopy(plain)
    turn_on_activation_checkpointing(
        model, [f'backbone.layer{stage}.{block}' for stage in range(1, 5)
                for block in range(2)])
    expected, found = step(plain), step(model)
    assert torch.equal(expected['loss_region'], found['loss_region'])
    name = 'backbone.layer2.0.bn1.running_mean'
    assert not torch.equal(expected[name], found[name])
    name = name.replace('running_mean', 'num_batches_tracked')
    assert (expected[name].item(), found[name].item()) == (2, 4)


def kept_bytes(model: Any) -> int:
    """What a step keeps for the backward pass."""
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda each: each):
        losses = model.loss(tiny_moco.draw_views(4), None)
    weights = sum(each.untyped_storage().nbytes()
                  for each in model.parameters()
                  if each.data_ptr() in sizes)
    assert losses['loss_region'].requires_grad
    return sum(sizes.values()) - weights


def test_less_is_kept() -> None:
    plain = tiny_moco.build(tiny_moco.config())
    model = checkpointed(copy.deepcopy(plain))
    assert kept_bytes(model) < 0.5 * kept_bytes(plain)


def test_a_wrapped_model() -> None:
    """The hook finds the backbone inside of DistributedDataParallel."""
    wrapped = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapped)
    wrapped.module = tiny_moco.build(tiny_moco.config())
    checkpointed(wrapped)
    block = wrapped.module.backbone.layer1[0]
    assert 'forward' in vars(block)
    key_block = wrapped.module.encoder_k.module[0].layer1[0]
    assert 'forward' not in vars(key_block)


def test_a_backbone_without_stages() -> None:
    runner: Any = SimpleNamespace(
        model=nn.ModuleDict(dict(backbone=nn.Linear(2, 3))))
    runner.model.backbone = runner.model['backbone']
    with pytest.raises(ValueError, match='backbone, but Linear has none'):
        ActivationCheckpointHook().before_train(runner)
