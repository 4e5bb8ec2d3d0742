# Copyright (c) mmregioncl contributors. All rights reserved.
"""What every RegionCL algorithm adds to its host."""
from __future__ import annotations

from typing import Any

import torch
from mmselfsup.registry import MODELS
from torch import Tensor, nn

from mmregioncl.core import SwappedRegions
from mmregioncl.datasets.transforms import RegionSwap
from ..backbone_stride import backbone_stride
from ..check_settings import check_types, check_wiring, explain_failed_build
from .region_budget import RegionBudget
from .region_parts import region_parts


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
    region_budget: RegionBudget
    joint_regions: bool
    needs_clean_views = True  # as targets, or for further terms

    def __new__(cls, *args: Any, **settings: Any) -> Any:
        check_types(settings)  # before any constructor compares them
        return super().__new__(cls)

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except Exception as error:
            raise explain_failed_build(settings, MODELS, error) from error

    def init_regions(self,
                     region_swap: dict,
                     region_loss_weight: float,
                     region_bn: str = 'joint',
                     region_budget: dict | None = None) -> None:
        """Build the transform and hold it against the backbone.

        Args:
            region_swap (dict): Arguments of
                :class:`~mmregioncl.datasets.transforms.RegionSwap`.
            region_loss_weight (float): Factor of ``loss_region``.
            region_bn (str): ``'joint'`` or ``'separate'``: whether canvas and
                paste share the BatchNorm statistics of projector and
                predictor. Defaults to ``'joint'``.
            region_budget (dict, optional): Arguments of
                :class:`RegionBudget`. Defaults to None, the paper's.

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
        self.region_loss_weight = region_loss_weight
        self.region_swap, self.region_budget = region_parts(
            region_swap, region_budget)
        if self.needs_clean_views and self.region_budget.clean_share != 1:
            raise ValueError(
                'model.region_budget.clean_share='
                f'{self.region_budget.clean_share!r} goes with RegionCLMoCo '
                f'alone; {type(self).__name__} needs every clean view')
        stride = backbone_stride(self.backbone)
        if stride != self.region_swap.stride:
            raise ValueError(
                f'region_swap.stride={self.region_swap.stride}, but the last '
                f'feature map of the backbone has stride {stride}; set '
                f'model.region_swap.stride={stride}')
        check_wiring(self)

    def encode_regions(self, view: Tensor,
                       whole: Tensor) -> tuple[Tensor, Tensor, SwappedRegions]:
        """Swap regions within a view, encode, pool and project them.

        Args:
            view (Tensor): Shape (N, 3, H, W).
            whole (Tensor): Projections of clean views, (N, D). An empty part
                of it is returned in steps without a region term.

        Returns:
            tuple: ``canvas`` and ``paste``, (n, D) each and not normalised,
            in the order of the composites, which are made of the last n
            images of the batch; and what was swapped among these.
        """
        budget = self.region_budget
        if not budget.due():
            none = torch.empty(0, dtype=torch.long, device=view.device)
            return whole[:0], whole[:0], SwappedRegions(
                none.view(0, 4), none, self.region_swap.stride)
        composites, regions = self.region_swap(
            budget.shrunk(budget.swapped(view)))  # (n, 3, H, W)
        features = self.backbone(composites)  # last: (n, C, h, w)
        canvas, paste = self.neck.project_regions(
            features, regions, self.joint_regions)  # 2 x (n, D)
        return canvas, paste, regions

    def predict_regions(self, view: Tensor, target: Tensor) -> Tensor:
        """Region term of a host with a predictor: SimSiam, BYOL.

        Args:
            view (Tensor): The view to swap regions in, (N, 3, H, W).
            target (Tensor): Projections of the other, clean view, (N, D).

        Returns:
            Tensor: The loss, a scalar; 0 in steps without a region term.
        """
        canvas, paste, regions = self.encode_regions(view, target)
        if not len(regions):
            return target.new_zeros(())
        return self.head.region_loss(canvas, paste,
                                     self.region_budget.swapped(target),
                                     regions, self.joint_regions)


def two_views(inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Unpack the two views of a batch.

    Args:
        inputs (list[Tensor]): What the data preprocessor gives.

    Returns:
        tuple[Tensor, Tensor]: 2 x (N, 3, H, W).

    Raises:
        ValueError: If there are not two, of two images at least.
    """
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
        found = (
            len(inputs) if isinstance(inputs, (list, tuple)) else
            f'a {type(inputs).__name__}')
        raise ValueError(f'two views of each image are needed, got {found}; '
                         "set dict(type='MultiView', num_views=2, ...) in "
                         'train_pipeline')
    first, second = inputs
    if len(first) < 2 or not first.numel():
        raise ValueError(
            f'views of shape {tuple(first.shape)} are a batch of one, or '
            'empty; set train_dataloader.batch_size to 2 or more and '
            'drop_last=True, and the size of RandomResizedCrop in '
            'train_pipeline')
    return first, second
