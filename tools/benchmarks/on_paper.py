# Copyright (c) mmregioncl contributors. All rights reserved.
"""Count a training step of any size without taking it.

On PyTorch's ``meta`` device tensors have shapes and no values: ResNet-50 at
128 images takes seconds and no memory.
"""
from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any
from unittest import mock

import torch
from contestants import Contestant, Settings
from mmengine.model import BaseAveragedModel
from step_costs import Operations, PeakMemory, held_by, sizes
from torch import Tensor


def on_paper(side: str,
             settings: Settings,
             method: str = 'mocov2') -> dict[str, Any]:
    """What one step of a contestant takes.

    Args:
        side (str): See :class:`Contestant`.
        settings (Settings): bf16 stands for a network in bf16 as a whole,
            with losses, keys and queue in fp32: the traffic of autocast
            without its casts of the weights.
        method (str): See :class:`Contestant`. Defaults to ``'mocov2'``.

    Returns:
        dict[str, Any]: ``operations``: name, FLOPs and bytes of each;
        ``held`` and ``peak`` memory in bytes; ``weights``: number of trained
        parameters. In bf16 weights and optimiser are counted as fp32.
    """
    exact = dataclasses.replace(settings, device='meta', precision='fp32')
    contestant = Contestant(method, side, exact)
    held = sum(sizes(_there(contestant), 'meta'))
    if settings.precision == 'bf16':
        _to_bf16(contestant)
    _keep_counters(contestant.model, side)
    operations = Operations('meta')
    # autocast is not known for this device, and only switched off in a step
    with mock.patch('torch.autocast', lambda *_, **__: nullcontext()):
        contestant.step()  # from now on there is a state of the optimiser
        memory = PeakMemory(_there(contestant))
        with memory, operations:
            contestant.step()
    weights = sum(each.numel() for each in contestant.model.parameters()
                  if each.requires_grad)
    held += 4 * weights  # momentum of SGD
    return dict(
        operations=operations.each,
        held=held,
        peak=memory.peak - memory.held + held,
        flops=sum(flops for _, flops, _ in operations.each),
        weights=weights)


def _there(contestant: Contestant) -> list[Tensor]:
    return held_by(contestant.model, contestant.optimizer, contestant.batch)


def _keep_counters(model: torch.nn.Module, side: str) -> None:
    """The host reads its counters in each step: leave them on the CPU."""
    for module in model.modules():
        if isinstance(module, BaseAveragedModel):
            module.avg_parameters = dict(module.module.named_parameters())
        for name in module._buffers:
            if name == 'steps' or side == 'host' and name.endswith('_ptr'):
                module._buffers[name] = torch.zeros(
                    1 if name != 'steps' else (), dtype=torch.long)


def _to_bf16(contestant: Contestant) -> None:
    for child in contestant.model.children():  # the queue stays in fp32
        child.to(torch.bfloat16)
    contestant.batch = [view.to(torch.bfloat16) for view in contestant.batch]
