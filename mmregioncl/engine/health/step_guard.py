# Copyright (c) mmregioncl contributors. All rights reserved.
"""A training step whose gradients are not finite leaves no trace."""
from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer


class StepGuard:
    """Undo an update whose gradients are not finite, and what went before it.

    :meth:`remember` copies what a step overwrites: the trained weights, the
    optimizer's state, the running statistics of BatchNorm, the queue's next
    columns and its pointer. The gradients' norms are taken where every
    optimizer wrapper ends, before the optimizer's step. All of it takes a few
    multi-tensor calls and nothing waits for the device; :meth:`bad_gradients`
    does, after the step, where MMEngine reads the losses anyway. :meth:`undo`
    puts everything back. The momentum encoder keeps its step, which went
    towards weights that are finite.

    The copies take as much memory as weights and momenta: 0.2 GB for
    RegionCL-M with ResNet-50 and SGD, a hundredth of its activations at 128
    images.

    Gradients are the same on all processes, and so is the decision. With
    ``AmpOptimWrapper`` the loss scaler skips its own bad steps, which is how
    it finds its scale: then :attr:`stepped` is False, as it is between
    accumulated gradients, and whoever sees the losses decides.

    Args:
        model (nn.Module): What is trained, not wrapped.
        optimizer (Optimizer): Of its parameters.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._names = {
            parameter: name
            for name, parameter in model.named_parameters()
        }
        self._weights: list[Any] = [
            each for group in optimizer.param_groups
            for each in group['params'] if each.requires_grad
        ]  # MMEngine's optimizer holds the momentum encoder as well
        self._statistics: list[Any] = [
            each for norm in model.modules()
            if isinstance(norm, _BatchNorm) and norm.track_running_stats
            for each in (norm.running_mean, norm.running_var,
                         norm.num_batches_tracked)
        ]
        buffers = dict(model.named_buffers())
        self._queues = [(buffers[name], buffers[f'{name}_ptr'])
                        for name in ('queue', 'queue2') if name in buffers]
        self._columns: list[tuple[Tensor, Tensor, Tensor]] = []
        self._state: dict[Tensor, dict[str, Any]] = {}
        self._changing: list[Any] = []
        self._groups: list[tuple[list[Any], list[Tensor]]] = []
        self._stepped: list[str] = []
        self._norms: Tensor | None = None
        self._handle = optimizer.register_step_pre_hook(self._take_norms)

    @torch.no_grad()
    def remember(self, keys: int) -> None:
        """Keep what the next step will overwrite.

        Args:
            keys (int): How many go into the queue, of all processes.
        """
        self._norms = None
        self._state = {
            weight: dict(state)
            for weight, state in self._optimizer.state.items()
        }
        changing = self._weights + self._statistics + [
            value for state in self._state.values()
            for value in state.values() if isinstance(value, Tensor)
        ]
        if list(map(id, changing)) != list(map(id, self._changing)):
            self._changing = changing  # the first step creates momenta
            self._groups = _groups(changing)
        for live, kept in self._groups:
            torch._foreach_copy_(kept, live)
        self._columns = []
        for queue, pointer in self._queues:
            length = queue.shape[1]
            columns = torch.arange(min(keys, length), device=queue.device)
            columns = (columns + pointer) % length
            self._columns.append((columns, queue[:, columns], pointer.clone()))

    @property
    def stepped(self) -> bool:
        """Whether the optimizer has made an update since."""
        return self._norms is not None

    def bad_gradients(self) -> list[str]:
        """Look at the update since; waits for the device.

        Returns:
            list[str]: Parameters whose gradients were not finite.
        """
        if self._norms is None:  # no update, as between accumulated ones
            return []
        return [
            name for name, norm in zip(self._stepped, self._norms.tolist())
            if not math.isfinite(norm)
        ]

    @torch.no_grad()
    def undo(self) -> None:
        """Put it back, and drop gradients that wait for more of them."""
        self._optimizer.zero_grad()
        for live, kept in self._groups:
            torch._foreach_copy_(live, kept)
        self._optimizer.state.clear()
        self._optimizer.state.update(self._state)
        for (queue, pointer), (columns, old,
                               start) in zip(self._queues, self._columns):
            queue.index_copy_(1, columns, old)
            pointer.copy_(start)

    def remove(self) -> None:
        """Leave the optimizer alone."""
        self._handle.remove()

    def _take_norms(self, optimizer: Optimizer, args: Any,
                    kwargs: Any) -> None:
        given = [each for each in self._weights if each.grad is not None]
        if given:
            self._stepped = [self._names.get(each, '?') for each in given]
            self._norms = torch.stack(
                torch._foreach_norm([each.grad for each in given]))


def _groups(tensors: list[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Tensors and room for their copies, a pair per multi-tensor call."""
    kinds: dict[Any, list[Tensor]] = {}
    for each in tensors:
        kinds.setdefault((each.device, each.dtype), []).append(each)
    return [(group, [torch.empty_like(each) for each in group])
            for group in kinds.values()]
