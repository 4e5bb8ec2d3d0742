# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-S: SimSiam with region pairs."""
from __future__ import annotations

from typing import Any

from mmselfsup.models.algorithms import SimSiam
from mmselfsup.registry import MODELS
from torch import Tensor

from .region_host import RegionHost, two_views


@MODELS.register_module()
class RegionCLSimSiam(RegionHost, SimSiam):
    """RegionCL-S (https://arxiv.org/abs/2111.12309) on MMSelfSup's SimSiam.

    With projections z, predictor h and D(a, b) = -cos(a, sg b)::

        L_inst   = (D(h(z1), z2) + D(h(z2), z1)) / 2
        L_region = mean_j (D(h(canvas_j), z2_j) + D(h(paste_j), z2_donor)) / 2

    Targets are clean views. SimSiam has no negatives, so that of the paper's
    two rules only the positive one is left. The authors released neither code
    nor settings of RegionCL-S; this is the direct transfer of RegionCL-M.

    The state dict is that of SimSiam.

    Args:
        backbone (dict): As for SimSiam.
        neck (dict): ``RegionNonLinearNeck`` with SimSiam's arguments.
        head (dict): ``RegionLatentPredictHead`` with SimSiam's arguments.
        region_swap (dict): Arguments of ``RegionSwap``.
        region_loss_weight (float): Factor of ``loss_region``. Defaults to
            1.0.
        symmetric (bool): Also swap the second view, with boxes of its own,
            and predict the first; ``loss_region`` is then the mean of both.
            Four passes with gradient instead of three. Defaults to False, as
            in RegionCL-M, where only the query view is swapped.
        region_bn (str): ``'joint'``: canvas and paste share BatchNorm
            statistics in projector and predictor (one call on 2N rows).
            ``'separate'``: a call each. Defaults to ``'joint'``.
        region_budget (dict, optional): Arguments of :class:`RegionBudget`.
            Defaults to None, the paper's.
        **kwargs: ``pretrained``, ``data_preprocessor``, ``init_cfg``.

    Raises:
        ValueError: If a setting is out of its range.
    """

    def __init__(self,
                 backbone: dict,
                 neck: dict,
                 head: dict,
                 region_swap: dict,
                 region_loss_weight: float = 1.0,
                 symmetric: bool = False,
                 region_bn: str = 'joint',
                 region_budget: dict | None = None,
                 **kwargs: Any) -> None:
        super().__init__(backbone=backbone, neck=neck, head=head, **kwargs)
        self.init_regions(region_swap, region_loss_weight, region_bn,
                          region_budget)
        self.symmetric = symmetric

    def loss(self, inputs: list[Tensor], data_samples: Any,
             **kwargs: Any) -> dict[str, Tensor]:
        """One training step up to the backward pass.

        Args:
            inputs (list[Tensor]): Two views, (N, 3, H, W) each.
            data_samples (list): Not used.

        Returns:
            dict[str, Tensor]: ``loss_instance`` and ``loss_region``.
        """
        view1, view2 = two_views(inputs)  # 2 x (N, 3, H, W)
        z1 = self.neck(self.backbone(view1))[0]  # (N, D)
        z2 = self.neck(self.backbone(view2))[0]  # (N, D)

        loss_instance = (self.head(z1, z2) + self.head(z2, z1)) / 2
        loss_region = self.predict_regions(view1, z2)
        if self.symmetric:
            loss_region = (loss_region + self.predict_regions(view2, z1)) / 2
        return dict(
            loss_instance=loss_instance,
            loss_region=self.region_loss_weight * loss_region)
