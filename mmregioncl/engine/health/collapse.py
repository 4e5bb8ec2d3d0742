# Copyright (c) mmregioncl contributors. All rights reserved.
"""Notice when a network maps every image to the same point."""
from __future__ import annotations

import math
from logging import Logger
from typing import Any

import torch
from torch import Tensor, nn

from mmregioncl.core import unit

# Projections of random weights may be close to each other, and a step or two
# may throw a run off: only this many measurements in a row are a verdict.
_IN_A_ROW = 10


class CollapseWatch:
    """The spread of the projections, and a warning when there is none.

    A constant output solves the losses without negatives, and a small
    network may fall into it with negatives too, while the loss looks well.
    The measure is that of SimSiam (https://arxiv.org/abs/2011.10566, Sec. 4.1
    and Fig. 2, middle): scale the projections to unit length, take the
    standard deviation of each of the d dimensions over the batch, and average
    them. Spread over the sphere it is 1 / sqrt(d), collapsed it is 0.

    Measured are the projections of the first call of ``model.neck`` in a
    step, which in every algorithm here are those of whole, clean views, so
    that a run and its plain twin compare. Without any (``region_budget`` with
    ``clean_share=0``) they are those of canvas and paste.

    Args:
        model (nn.Module): What is trained, not wrapped.
        threshold (float): Below it for ten measurements in a row, a warning
            is written, once.
    """

    def __init__(self, model: nn.Module, threshold: float) -> None:
        self._threshold = threshold
        self._waiting = False
        self._projections: Tensor | None = None
        self._low = 0
        self._warned = False
        neck = getattr(model, 'neck', None)
        self._handle = (
            neck.register_forward_hook(self._keep) if isinstance(
                neck, nn.Module) else None)

    def expect(self, waiting: bool) -> None:
        """Before a step: whether to keep its projections.

        Args:
            waiting (bool): Whether this step is measured.
        """
        self._waiting = waiting
        self._projections = None

    def measure(self, logger: Logger) -> float | None:
        """After the step: how far they spread, and a warning if too little.

        Args:
            logger (Logger): Gets the warning.

        Returns:
            float | None: :func:`feature_std`, or None if the neck gave no
            projections (N, D).
        """
        if self._projections is None:
            return None
        spread = feature_std(self._projections).item()
        self._projections = None
        # written so that not a number counts as collapsed
        self._low = 0 if spread >= self._threshold else self._low + 1
        if self._low == _IN_A_ROW and not self._warned:
            self._warned = True
            logger.warning(
                f'feature_std is {spread:.3f} and was below {self._threshold} '
                f'for {_IN_A_ROW} measurements: the network maps all images '
                'to nearly the same point (1: spread over the sphere, 0: '
                'collapsed). Try a warm-up of some epochs or a lower lr, a '
                'smaller model.region_loss_weight, BatchNorm in the '
                'projector, a larger batch; without negatives keep the '
                "predictor's lr from decaying (FixedLrHook) and "
                'base_momentum high')
        return spread

    def remove(self) -> None:
        """Leave the neck alone."""
        if self._handle is not None:
            self._handle.remove()

    def _keep(self, neck: nn.Module, inputs: Any, outputs: Any) -> None:
        if not self._waiting:
            return
        self._waiting = False
        first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
        if isinstance(first, Tensor) and first.ndim == 2:
            self._projections = first.detach()


def feature_std(projections: Tensor) -> Tensor:
    """Spread of the directions: 1 over the whole sphere, 0 for one point.

    Shape:
        (N, D) -> ()
    """
    with torch.no_grad():
        return unit(projections).std(0).mean() * math.sqrt(
            projections.shape[1])
