# Copyright (c) mmregioncl contributors. All rights reserved.
"""Notice when a network maps every image to the same point."""
from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS
from torch import Tensor, nn

from mmregioncl.core import unit

# Projections of random weights may be close to each other, and a step or two
# may throw a run off: only this many measurements in a row are a verdict.
_IN_A_ROW = 10


@HOOKS.register_module()
class CollapseHook(Hook):
    """Log the spread of the projections, and warn when there is none.

    A constant output solves the losses without negatives, and a small
    network may fall into it with negatives too, while the loss looks well.
    The measure is that of SimSiam (https://arxiv.org/abs/2011.10566, Sec. 4.1
    and Fig. 2, middle): scale the projections to unit length, take the
    standard deviation of each of the d dimensions over the batch, and average
    them. Spread over the sphere it is 1 / sqrt(d), collapsed it is 0. Logged
    as ``feature_std`` is that times sqrt(d): 1 is spread, 0 is collapsed.

    Measured are the projections of the first call of ``model.neck`` in a
    step, which in every algorithm here are those of whole, clean views, so
    that a run and its plain twin compare.

    Args:
        interval (int): Iterations between measurements; each makes the
            device wait once. Defaults to 50.
        threshold (float): Below it for ten measurements in a row, a warning
            is written, once per run. Defaults to 0.3.

    Raises:
        ValueError: If an argument is out of its range, or the model has no
            neck that gives projections (N, D).
    """

    def __init__(self, interval: int = 50, threshold: float = 0.3) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise ValueError('CollapseHook.interval must be a number of '
                             f'iterations, at least 1, got {interval!r}')
        if not 0 < threshold < 1:
            raise ValueError('CollapseHook.threshold must be between 0 '
                             '(collapsed) and 1 (spread over the sphere), got '
                             f'{threshold!r}')
        self.interval = interval
        self.threshold = threshold
        self._waiting = False
        self._projections: Tensor | None = None
        self._low = 0
        self._warned = False
        self._handle: Any = None

    def before_train(self, runner: Runner) -> None:
        """Listen to the neck.

        Args:
            runner (Runner): The runner.
        """
        model: Any = runner.model
        if is_model_wrapper(model):
            model = model.module
        if not isinstance(getattr(model, 'neck', None), nn.Module):
            raise ValueError('CollapseHook measures what model.neck gives, '
                             f'and {type(model).__name__} has no neck; take '
                             'the hook out of custom_hooks')
        self._handle = model.neck.register_forward_hook(self._keep)

    def before_train_iter(self,
                          runner: Runner,
                          batch_idx: int,
                          data_batch: Any = None) -> None:
        """Wait for the next projections, if it is time for them."""
        self._waiting = self.every_n_train_iters(runner, self.interval)

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Any = None) -> None:
        """Measure, log, and warn where it stays low."""
        self._waiting = False
        if self._projections is None:
            return
        spread = feature_std(self._projections).item()
        self._projections = None
        runner.message_hub.update_scalar('train/feature_std', spread)
        # written so that not a number counts as collapsed
        self._low = 0 if spread >= self.threshold else self._low + 1
        if self._low == _IN_A_ROW and not self._warned:
            self._warned = True
            runner.logger.warning(
                f'feature_std is {spread:.3f} and was below {self.threshold} '
                f'for {_IN_A_ROW} measurements: the network maps all images '
                'to nearly the same point (1: spread over the sphere, 0: '
                'collapsed). Try a warm-up of some epochs or a lower lr, a '
                'smaller model.region_loss_weight, BatchNorm in the '
                'projector, a larger batch; without negatives keep the '
                "predictor's lr from decaying (SimSiamHook) and "
                'base_momentum high')

    def after_train(self, runner: Runner) -> None:
        """Leave the neck alone again.

        Args:
            runner (Runner): The runner.
        """
        self._handle.remove()

    def _keep(self, neck: nn.Module, inputs: Any, outputs: Any) -> None:
        if not self._waiting:
            return
        first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
        if not isinstance(first, Tensor) or first.ndim != 2:
            raise ValueError(
                'CollapseHook measures projections (N, D), and '
                f'{type(neck).__name__} gives something else; take the hook '
                'out of custom_hooks')
        self._projections = first.detach()
        self._waiting = False


def feature_std(projections: Tensor) -> Tensor:
    """Spread of the directions: 1 over the whole sphere, 0 for one point.

    Shape:
        (N, D) -> ()
    """
    with torch.no_grad():
        return unit(projections).std(0).mean() * math.sqrt(
            projections.shape[1])
