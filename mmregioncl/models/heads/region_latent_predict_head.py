# Copyright (c) mmregioncl contributors. All rights reserved.
"""The head of the hosts without negatives: predictor and cosine."""
from __future__ import annotations

import torch
from mmselfsup.models.heads import LatentPredictHead
from mmselfsup.models.losses import CosineSimilarityLoss
from mmselfsup.registry import MODELS
from torch import Tensor

from mmregioncl.core import SwappedRegions, region_cosine


@MODELS.register_module()
class RegionLatentPredictHead(LatentPredictHead):
    """Predictor of SimSiam and BYOL, for whole images and for regions.

    Arguments and state dict are those of MMSelfSup's ``LatentPredictHead``,
    and so are the numbers; similarities are in fp32 under autocast too.

    Raises:
        ValueError: If ``loss`` is not ``CosineSimilarityLoss``.
    """

    def __init__(self, loss: dict, predictor: dict) -> None:
        super().__init__(loss=loss, predictor=predictor)
        if not isinstance(self.loss, CosineSimilarityLoss):
            raise ValueError(
                'RegionLatentPredictHead computes cosine similarity and '
                f'cannot use head.loss={loss!r}; set '
                "dict(type='CosineSimilarityLoss')")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Predict one view's target from the other view.

        Args:
            input (Tensor): Projections, (N, D).
            target (Tensor): Projections of the other view, (N, D); no
                gradient flows into them.

        Returns:
            Tensor: The loss, a scalar.
        """
        prediction = self.predictor([input])[0]
        exact = torch.promote_types(prediction.dtype, torch.float32)
        return self.loss(prediction.to(exact), target.detach().to(exact))

    def region_loss(self,
                    canvas: Tensor,
                    paste: Tensor,
                    target: Tensor,
                    regions: SwappedRegions,
                    joint: bool = True) -> Tensor:
        """Predict the clean target of each region's own image.

        Args:
            canvas (Tensor): Projections in composite order, (N, D).
            paste (Tensor): Projections in composite order, (N, D).
            target (Tensor): Projections of clean views, (N, D); no gradient
                flows into them.
            regions (SwappedRegions): What was swapped.
            joint (bool): One call of the predictor on 2N rows, so that canvas
                and paste share BatchNorm statistics. Defaults to True.

        Returns:
            Tensor: Mean over canvas and paste, a scalar.
        """
        if joint:
            both = self.predictor([torch.cat((canvas, paste))])[0]  # (2N, D)
            canvas, paste = both.chunk(2)
        else:
            canvas, paste = (
                self.predictor([each])[0] for each in (canvas, paste))
        cosine = region_cosine(canvas, paste, target, regions.donors)
        return self.loss.shift_factor + self.loss.scale_factor * cosine
