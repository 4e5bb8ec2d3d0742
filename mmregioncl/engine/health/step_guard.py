# Copyright (c) mmregioncl contributors. All rights reserved.
"""A training step whose gradients are not finite leaves no trace."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer


class StepGuard:
    """Skip such an update, and put back what the forward pass has changed.

    The gradients are checked where every optimizer wrapper ends, before the
    optimizer's step. Are they not finite, they are taken away: torch's
    optimizers leave a parameter without gradient alone, and its momentum too.
    :meth:`undo` puts back the running statistics of BatchNorm, the queue and
    its pointer. The momentum encoder keeps its step, which went towards
    weights that are finite.

    Gradients are the same on all processes, and so is the decision. The norms
    take one multi-tensor call; the device is waited for once before the
    optimizer's step instead of once after it, where MMEngine reads the
    losses. With ``AmpOptimWrapper`` the loss scaler has skipped its own bad
    steps before they come here, which is how it finds its scale.

    Args:
        model (nn.Module): What is trained, not wrapped.
        optimizer (Optimizer): Of its parameters.

    Attributes:
        skipped (bool): Whether the last update was skipped.
        bad_gradients (list[str]): Parameters whose gradients were to blame.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self.skipped = False
        self.bad_gradients: list[str] = []
        self._names = {
            parameter: name
            for name, parameter in model.named_parameters()
        }
        norms = [
            each for each in model.modules()
            if isinstance(each, _BatchNorm) and each.track_running_stats
        ]
        statistics: list[Any] = [
            each for norm in norms
            for each in (norm.running_mean, norm.running_var,
                         norm.num_batches_tracked)
        ]
        # one dtype per multi-tensor call
        self._buffers = [[each for each in statistics if each.dtype == dtype]
                         for dtype in {each.dtype
                                       for each in statistics}]
        self._kept = [[each.clone() for each in group]
                      for group in self._buffers]
        buffers = dict(model.named_buffers())
        self._queues = [(buffers[name], buffers[f'{name}_ptr'])
                        for name in ('queue', 'queue2') if name in buffers]
        self._columns: list[tuple[Tensor, Tensor, Tensor]] = []
        self._handle = optimizer.register_step_pre_hook(self._check)

    def remember(self, keys: int) -> None:
        """Keep what the next step will overwrite.

        Args:
            keys (int): How many go into the queue, of all processes.
        """
        self.skipped = False
        for kept, group in zip(self._kept, self._buffers):
            torch._foreach_copy_(kept, group)
        self._columns = []
        for queue, pointer in self._queues:
            length = queue.shape[1]
            columns = torch.arange(min(keys, length), device=queue.device)
            columns = (columns + pointer) % length
            self._columns.append((columns, queue[:, columns], pointer.clone()))

    def undo(self) -> None:
        """Put it back."""
        for kept, group in zip(self._kept, self._buffers):
            torch._foreach_copy_(group, kept)
        for (queue, pointer), (columns, old,
                               start) in zip(self._queues, self._columns):
            queue.index_copy_(1, columns, old)
            pointer.copy_(start)

    def remove(self) -> None:
        """Leave the optimizer alone."""
        self._handle.remove()

    def _check(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        given = [
            parameter for group in optimizer.param_groups
            for parameter in group['params'] if parameter.grad is not None
        ]
        if not given:
            return
        gradients: list[Any] = [each.grad for each in given]
        finite = torch.stack(torch._foreach_norm(gradients)).isfinite()
        if finite.all():
            return
        self.skipped = True
        self.bad_gradients = [
            self._names.get(each, '?')
            for each, fine in zip(given, finite.tolist()) if not fine
        ]
        for each in given:
            each.grad = None
