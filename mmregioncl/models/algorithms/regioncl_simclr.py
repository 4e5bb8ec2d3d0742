# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL on SimCLR: negatives from the batch."""
from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import get_rank
from mmselfsup.models.algorithms import SimCLR
from mmselfsup.registry import MODELS
from torch import Tensor

from mmregioncl.core import (gather_with_grad, in_batch_info_nce, mean_or_zero,
                             unit)
from ..heads.region_contrastive_head import check_contrastive_settings
from .region_host import RegionHost, two_views


@MODELS.register_module()
class RegionCLSimCLR(RegionHost, SimCLR):
    """RegionCL on MMSelfSup's SimCLR. Not in the paper.

    The positive of a canvas or paste is the clean second view of its own
    image. Its negatives are the clean views of all other images, on all
    ranks, and one more column: the other region of the same composite,
    detached. The clean first view of its own image is neither. The state dict
    is that of SimCLR.

    In several processes the gradient is that of one process with the joint
    batch. MMSelfSup's SimCLR divides that by the number of processes.

    Args:
        backbone (dict): As for SimCLR.
        neck (dict): ``RegionNonLinearNeck`` with SimCLR's arguments.
        head (dict): ``ContrastiveHead`` with cross entropy; temperature and
            ``loss_weight`` count for both terms.
        region_swap (dict): Arguments of ``RegionSwap``.
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

    def __init__(self,
                 backbone: dict,
                 neck: dict,
                 head: dict,
                 region_swap: dict,
                 region_loss_weight: float = 1.0,
                 region_bn: str = 'joint',
                 region_budget: dict | None = None,
                 **kwargs: Any) -> None:
        check_contrastive_settings(
            head.get('loss', dict(type='mmcls.CrossEntropyLoss')),
            head.get('temperature', 0.1))
        super().__init__(backbone=backbone, neck=neck, head=head, **kwargs)
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
        views = torch.stack(two_views(inputs), 1).flatten(0, 1)
        # Rows 2j and 2j + 1 are the views of image j; one BatchNorm batch.
        z = unit(self.neck(self.backbone(views))[0])  # (2N, D)
        candidates = gather_with_grad(z)  # (2N * world, D)
        rows = len(z) * get_rank() + torch.arange(len(z), device=z.device)
        loss_instance = in_batch_info_nce(z, candidates, rows ^ 1,
                                          self.same_row(rows, candidates),
                                          self.head.temperature)

        canvas, paste, regions = self.encode_regions(inputs[0], z)
        canvas, paste = unit(canvas), unit(paste)
        # The clean first view of each image with a composite, (n, ).
        first = self.region_budget.swapped(rows[::2])[:len(canvas)]
        owner = torch.cat((first, first[regions.donors]))  # (2n, )
        loss_region = in_batch_info_nce(
            torch.cat((canvas, paste)),
            candidates,
            owner + 1,
            self.same_row(owner, candidates),
            self.head.temperature,
            intra=torch.cat((paste, canvas)))
        weight = self.head.loss.loss_weight
        return dict(
            loss_instance=weight * loss_instance.mean(),
            loss_region=weight * self.region_loss_weight *
            mean_or_zero(loss_region))

    @staticmethod
    def same_row(rows: Tensor, candidates: Tensor) -> Tensor:
        """True where a candidate is the given row.

        Shape:
            (M, ), (B, D) -> (M, B)
        """
        columns = torch.arange(len(candidates), device=rows.device)
        return rows[:, None] == columns
