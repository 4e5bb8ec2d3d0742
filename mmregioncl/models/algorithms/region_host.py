# Copyright (c) mmregioncl contributors. All rights reserved.
"""What every RegionCL algorithm adds to its host."""
from __future__ import annotations

from typing import Any

from mmselfsup.registry import TRANSFORMS
from torch import Tensor, nn

from mmregioncl.core import SwappedRegions
from mmregioncl.datasets.transforms import RegionSwap

from ..backbone_stride import backbone_stride


class RegionHost(nn.Module):
    """Mix-in: composites of a view, their features, and their settings.

    A host that becomes a RegionCL algorithm inherits from this and calls
    :meth:`init_regions` at the end of its constructor.
    """
    backbone: nn.Module
    neck: Any
    head: Any
    region_swap: RegionSwap
    region_loss_weight: float

    def init_regions(self, region_swap: dict,
                     region_loss_weight: float) -> None:
        """Build the transform and hold it against the backbone.

        Args:
            region_swap (dict): Arguments of
                :class:`~mmregioncl.datasets.transforms.RegionSwap`.
            region_loss_weight (float): Factor of ``loss_region``.

        Raises:
            ValueError: If the stride is not that of the backbone, or the
                weight is negative.
        """
        if not region_loss_weight >= 0:
            raise ValueError('model.region_loss_weight must be 0 or more, got '
                             f'{region_loss_weight!r}; the paper uses 1')
        self.region_swap = TRANSFORMS.build({
            'type': 'RegionSwap',
            **region_swap
        })
        self.region_loss_weight = region_loss_weight
        stride = backbone_stride(self.backbone)
        if stride != self.region_swap.stride:
            raise ValueError(
                f'region_swap.stride={self.region_swap.stride}, but the last '
                f'feature map of the backbone has stride {stride}; set '
                f'model.region_swap.stride={stride}')

    def encode_composites(
            self, view: Tensor) -> tuple[tuple[Tensor, ...], SwappedRegions]:
        """Swap regions within a view and encode the composites.

        Args:
            view (Tensor): Shape (N, 3, H, W).

        Returns:
            tuple: The backbone's feature maps, the last of (N, C, h, w), and
            what was swapped.
        """
        composites, regions = self.region_swap(view)  # (N, 3, H, W)
        return self.backbone(composites), regions


def two_views(inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Unpack the two views of a batch.

    Args:
        inputs (list[Tensor]): What the data preprocessor gives.

    Returns:
        tuple[Tensor, Tensor]: 2 x (N, 3, H, W).

    Raises:
        ValueError: If there are not two.
    """
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
        found = (len(inputs) if isinstance(inputs, (list, tuple)) else
                 f'a {type(inputs).__name__}')
        raise ValueError(f'two views of each image are needed, got {found}; '
                         "set dict(type='MultiView', num_views=2, ...) in "
                         'train_pipeline')
    first, second = inputs
    return first, second
