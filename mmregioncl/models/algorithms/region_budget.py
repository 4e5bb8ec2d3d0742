# Copyright (c) mmregioncl contributors. All rights reserved.
"""How much of a training step goes into composites."""
from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from mmengine.logging import MessageHub
from torch import Tensor


@dataclass(frozen=True)
class RegionBudget:
    """Cheaper forms of the region term. The paper's is the default.

    The composites cost one pass with gradient: 3 of the 7 passes of RegionCL-M
    (a forward pass counts 1, with a backward pass 3). Each setting takes some
    of that back; what they cost in k-NN is in docs/results/evidence.md. They
    can be combined.

    Args:
        share (float): Share of the batch that becomes composites, the last
            rows of it. Defaults to 1.0.
        interval (int): Steps between two with a region term. Defaults to 1,
            every step.
        size (int, optional): Side in pixels that views are shrunk to before
            they are swapped; ``region_swap.cells`` counts on that grid.
            Defaults to None, as they are.
        clean_share (float): Share of the batch whose whole query view is
            encoded, the first rows of it. With ``share=0.5`` and
            ``clean_share=0.5`` a step costs as much as the host's. RegionCL-M
            only: elsewhere clean views are targets. Defaults to 1.0.

    Raises:
        ValueError: If a setting is out of its range.
    """
    share: float = 1.0
    interval: int = 1
    size: int | None = None
    clean_share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError('model.region_budget.share must be above 0 and '
                             f'at most 1, got {self.share!r}; for no region '
                             'term at all use the plain host')
        if not isinstance(self.interval, int) or self.interval < 1:
            raise ValueError('model.region_budget.interval must be a number '
                             f'of steps, at least 1, got {self.interval!r}')
        if self.size is not None and (not isinstance(self.size, int)
                                      or self.size < 1):
            raise ValueError('model.region_budget.size must be a number of '
                             f'pixels or None, got {self.size!r}')
        if not 0 <= self.clean_share <= 1:
            raise ValueError('model.region_budget.clean_share must be between '
                             f'0 and 1, got {self.clean_share!r}')
        if self.clean_share == 0 and self.interval > 1:
            raise ValueError(
                'model.region_budget.clean_share=0 and interval='
                f'{self.interval} leave steps without any loss; set '
                'interval=1')

    def due(self) -> bool:
        """Whether this step has a region term."""
        step = MessageHub.get_current_instance().get_info('iter', 0)
        return step % self.interval == 0

    def swapped(self, rows: Tensor) -> Tensor:
        """The rows that become composites: the last ones, at least two.

        Shape:
            (N, ...) -> (n, ...)
        """
        return rows[-max(2, round(self.share * len(rows))):]

    def clean(self, rows: Tensor) -> Tensor:
        """The rows whose whole query view is encoded: the first ones.

        At least two, but for a share of 0.

        Shape:
            (N, ...) -> (n, ...)
        """
        if self.clean_share == 0:
            return rows[:0]
        return rows[:max(2, round(self.clean_share * len(rows)))]

    def shrunk(self, view: Tensor) -> Tensor:
        """The view at the size of the composites.

        Shape:
            (N, 3, H, W) -> (N, 3, size, size)
        """
        if self.size is None:
            return view
        if self.size > min(view.shape[2:]):
            raise ValueError(
                f'model.region_budget.size={self.size} is above the '
                f'{min(view.shape[2:])} pixels of a view, and composites '
                'would cost more than they do without it; set a smaller one '
                'or None')
        return F.interpolate(
            view,
            size=(self.size, self.size),
            mode='bilinear',
            antialias=True,
            align_corners=False)
