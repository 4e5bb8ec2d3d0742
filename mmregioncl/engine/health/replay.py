# Copyright (c) mmregioncl contributors. All rights reserved.
"""Run a recorded step again and say where the numbers stop being finite."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator

import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseAveragedModel, revert_sync_batchnorm
from torch import Tensor, nn


@dataclass
class Replay:
    """What was found.

    Args:
        first (str): Where the first value that is not finite appears; empty
            if all are finite.
        losses (dict[str, float]): Of this run of the step.
        later (list[str]): The other places, in the order in which they come.
    """
    first: str = ''
    losses: dict[str, float] = field(default_factory=dict)
    later: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        """Note a place."""
        if self.first:
            self.later.append(place)
        else:
            self.first = place


def replay_step(model: Any,
                step: dict[str, Any],
                device: str = 'cpu',
                dtype: torch.dtype | None = None) -> Replay:
    """Run a step on one device, looking at everything on its way.

    In the order of the step: weights and queue, the views, the output of
    each module, the losses, the gradients.

    Args:
        model (nn.Module): As the config builds it.
        step (dict): Of :func:`~mmregioncl.engine.step_record.read_step`.
        device (str): Where to run. Defaults to 'cpu'.
        dtype (torch.dtype, optional): Of autocast. Defaults to None, off.

    Returns:
        Replay: What was found.

    Raises:
        ValueError: If the step is not of this model.
    """
    found = Replay()
    model = revert_sync_batchnorm(model)
    try:
        model.load_state_dict(step['state_dict'])
    except RuntimeError as error:
        raise ValueError('the step was recorded with another model, give the '
                         f'config of its run: {error}') from error
    model.to(device).train()
    for name, tensor in model.state_dict().items():
        _look(found, f'the state: {name}', tensor)
    _hold_momentum_encoders(model)
    _take_the_place_of(model, step)
    torch.set_rng_state(step['random']['cpu'])
    if device.startswith('cuda') and 'cuda' in step['random']:
        torch.cuda.set_rng_state(step['random']['cuda'])

    views, samples = model.data_preprocessor(
        dict(inputs=step['batch'].pop('inputs'), data_samples=None)
        | step['batch'], True)
    for number, view in enumerate(views):
        _look(found, f'view {number}', view)
    handles = list(_listen(found, model))
    with torch.autocast(device.split(':')[0], dtype, enabled=bool(dtype)):
        losses = model.loss(views, samples)
    total, scalars = model.parse_losses(losses)
    for name, value in scalars.items():
        found.losses[name] = float(value.detach())
        _look(found, f'the output {name} of {type(model).__name__}.loss',
              value)
    total.backward()
    for handle in handles:
        handle.remove()
    return found


def _take_the_place_of(model: Any, step: dict[str, Any]) -> None:
    """The process and the step that it was decide what is drawn."""
    MessageHub.get_current_instance().update_info('iter',
                                                  step['iteration'] - 1)
    if hasattr(model, 'region_swap'):
        model.region_swap.rank = step['rank']
    if 'shuffle_seed' in step:
        # of shuffles within the process, which can be repeated here
        model._shuffle_seed = step['shuffle_seed'] + step['rank']


def _hold_momentum_encoders(model: nn.Module) -> None:
    """They were recorded as the step used them, after their own update."""
    for module in model.modules():
        if isinstance(module, BaseAveragedModel):
            module.steps -= 1  # numbers the permutation of shuffle-BN
            module._taken = None  # type: ignore[assignment]
            module.update_parameters = (  # type: ignore[method-assign]
                lambda model: None)


def _listen(found: Replay, model: nn.Module) -> Iterator[Any]:
    """Hooks on the output of every module and every gradient."""
    for name, module in model.named_modules():
        kind = f'{type(module).__name__} {name}' if name else 'the model'
        yield module.register_forward_hook(
            lambda module, inputs, output, kind=kind: _look(
                found, f'the output of {kind}', output))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield parameter.register_hook(lambda gradient, name=name: _look(
                found, f'the gradient of {name}', gradient))


def _look(found: Replay, place: str, values: Any) -> None:
    if isinstance(values, (list, tuple)):
        for each in values:
            _look(found, place, each)
    elif isinstance(values, Tensor) and values.is_floating_point():
        bad = int(torch.count_nonzero(~values.detach().isfinite()))
        if bad:
            found.add(f'{place}: {bad} of {values.numel()} values are not '
                      'finite')
