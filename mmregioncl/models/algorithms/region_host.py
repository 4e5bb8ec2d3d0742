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
    joint_regions: bool

    def init_regions(self,
                     region_swap: dict,
                     region_loss_weight: float,
                     region_bn: str = 'joint') -> None:
        """Build the transform and hold it against the backbone.

        Args:
            region_swap (dict): Arguments of
                :class:`~mmregioncl.datasets.transforms.RegionSwap`.
            region_loss_weight (float): Factor of ``loss_region``.
            region_bn (str): ``'joint'`` or ``'separate'``: whether canvas and
                paste share the BatchNorm statistics of projector and
                predictor. Defaults to ``'joint'``.

        Raises:
            ValueError: If the stride is not that of the backbone, or another
                setting is out of its range.
        """
        if not region_loss_weight >= 0:
            raise ValueError('model.region_loss_weight must be 0 or more, got '
                             f'{region_loss_weight!r}; the paper uses 1')
        if region_bn not in ('joint', 'separate'):
            raise ValueError("model.region_bn must be 'joint' or 'separate', "
                             f'got {region_bn!r}')
        if not hasattr(self.neck, 'project_regions'):
            name = type(self.neck).__name__
            raise ValueError(f'model.neck.type={name!r} cannot project '
                             f"regions; set type='Region{name}'")
        self.joint_regions = region_bn == 'joint'
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

    def predict_regions(self, view: Tensor, target: Tensor) -> Tensor:
        """Region term of a host with a predictor: SimSiam, BYOL.

        Args:
            view (Tensor): The view to swap regions in, (N, 3, H, W).
            target (Tensor): Projections of the other, clean view, (N, D).

        Returns:
            Tensor: The loss, a scalar.
        """
        features, regions = self.encode_composites(view)  # (N, C, h, w)
        canvas, paste = self.neck.project_regions(
            features, regions, self.joint_regions)  # 2 x (N, D)
        return self.head.region_loss(canvas, paste, target, regions,
                                     self.joint_regions)


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
