# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL on BYOL: a momentum target, no negatives."""
from __future__ import annotations

from typing import Any

import torch
from mmselfsup.models.algorithms import BYOL
from mmselfsup.registry import MODELS
from torch import Tensor, nn

from ..fused_ema import FusedCosineEMA
from .region_host import RegionHost, two_views


@MODELS.register_module()
class RegionCLBYOL(RegionHost, BYOL):
    """RegionCL on MMSelfSup's BYOL. Not in the paper.

    As :class:`RegionCLSimSiam`, with targets from the momentum encoder. The
    state dict is that of BYOL.

    Args:
        backbone (dict): As for BYOL.
        neck (dict): ``RegionNonLinearNeck`` with BYOL's arguments.
        head (dict): ``RegionLatentPredictHead`` with BYOL's arguments.
        region_swap (dict): Arguments of ``RegionSwap``.
        base_momentum (float): Share of the target that stays in the first
            step; it rises to 1. Defaults to 0.996.
        region_loss_weight (float): Factor of ``loss_region``. Defaults to
            1.0.
        region_bn (str): ``'joint'`` or ``'separate'``, see
            :class:`RegionCLSimSiam`. Defaults to ``'joint'``.
        region_budget (dict, optional): Arguments of :class:`RegionBudget`.
            Defaults to None, the paper's.
        **kwargs: ``pretrained``, ``data_preprocessor``, ``init_cfg``.

    Raises:
        ValueError: If a setting is out of its range.
    """

    target_net: Any

    def __init__(self,
                 backbone: dict,
                 neck: dict,
                 head: dict,
                 region_swap: dict,
                 base_momentum: float = 0.996,
                 region_loss_weight: float = 1.0,
                 region_bn: str = 'joint',
                 region_budget: dict | None = None,
                 **kwargs: Any) -> None:
        if not 0.5 <= base_momentum < 1:
            hint = (f'. Did you mean {1 - base_momentum:g}?'
                    if 0 < base_momentum < 1 else '')
            raise ValueError(
                f'model.base_momentum={base_momentum!r} is on the wrong side: '
                'it is the share of the target that stays, 0.996 in '
                f'BYOL{hint}')
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            base_momentum=base_momentum,
            **kwargs)
        self.target_net = FusedCosineEMA(
            nn.Sequential(self.backbone, self.neck), base_momentum)
        self.init_regions(region_swap, region_loss_weight, region_bn,
                          region_budget)

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
        with torch.no_grad():
            self.target_net.update_parameters(
                nn.Sequential(self.backbone, self.neck))
            target1 = self.target_net(view1)[0]  # (N, D)
            target2 = self.target_net(view2)[0]  # (N, D)

        # BYOL's error is |a - b|^2 = 2 - 2 cos, summed over both directions;
        # the host drops the constant. The region term, a mean over canvas and
        # paste, takes the same factor to stay 1:1 with the instance term.
        scale = 4
        loss_instance = (self.head(z1, target2) + self.head(z2, target1)) / 2
        loss_region = self.predict_regions(view1, target2)
        return dict(
            loss_instance=scale * loss_instance,
            loss_region=scale * self.region_loss_weight * loss_region)
