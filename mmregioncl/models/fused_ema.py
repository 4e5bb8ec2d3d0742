# Copyright (c) mmregioncl contributors. All rights reserved.
"""Momentum encoders, updated by one multi-tensor call."""
from __future__ import annotations

from math import cos, pi
from typing import Any

import torch
from mmengine.logging import MessageHub
from mmengine.model import ExponentialMovingAverage
from torch import nn

from mmregioncl.core import ema_update


class FusedEMA(ExponentialMovingAverage):
    """``ExponentialMovingAverage`` without a kernel per parameter.

    Same numbers and state dict. The parent asks the device for its step count
    in every step; this one counts along on the host.

    Args:
        model (nn.Module): The query encoder.
        momentum (float): Share of the query encoder that comes in, 0.001 in
            MoCo v2. Of the parent's other arguments (interval, averaged
            buffers) no host makes use, and they are not there.
    """
    _taken: int | None = None
    # Iterations per update of the query encoder, where gradients accumulate:
    # that many moves towards the same weights make up one.
    iterations_per_update = 1

    def __init__(self, model: nn.Module, momentum: float) -> None:
        super().__init__(model, momentum)

    @property
    def steps_taken(self) -> int:
        """Updates so far, counted without asking the device."""
        if self._taken is None:  # first step, or a checkpoint was loaded
            self._taken = int(self.steps)
        return self._taken

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._taken = None

    def share_that_stays(self, step: int) -> float:
        """Share of the average that stays in a step.

        Args:
            step (int): Updates so far.
        """
        return 1 - self.momentum

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the model; copy it in the first step.

        Args:
            model (nn.Module): The query encoder.
        """
        averages = list(self.module.parameters())
        sources: list[torch.Tensor] = list(model.parameters())
        if self.steps_taken == 0:
            torch._foreach_copy_(averages, sources)
        else:
            share = self.share_that_stays(self.steps_taken)
            ema_update(averages, sources,
                       share**(1 / self.iterations_per_update))
        pairs = list(zip(self.module.buffers(), model.buffers()))
        for floating in (True, False):  # one dtype per multi-tensor call
            chosen = [
                pair for pair in pairs
                if pair[0].is_floating_point() == floating
            ]
            if chosen:
                torch._foreach_copy_([average for average, _ in chosen],
                                     [source for _, source in chosen])
        self.steps += 1
        self._taken = self.steps_taken + 1


class FusedCosineEMA(FusedEMA):
    """MMSelfSup's ``CosineEMA``, the target of BYOL, in the same way.

    That one asks the device for the step count once per parameter.

    Args:
        model (nn.Module): The online encoder.
        momentum (float): Share of the target that stays in the first step,
            0.996 in BYOL. It rises to 1 at the end of the run.
    """

    def __init__(self, model: nn.Module, momentum: float) -> None:
        super().__init__(model, 1 - momentum)

    def share_that_stays(self, step: int) -> float:
        """See :class:`FusedEMA`; the length of the run is the runner's."""
        length = MessageHub.get_current_instance().get_info('max_iters')
        return 1 - self.momentum * (cos(pi * step / length) + 1) / 2
