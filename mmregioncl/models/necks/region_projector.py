# Copyright (c) mmregioncl contributors. All rights reserved.
"""What every region-aware neck adds to its host's neck."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from mmregioncl.core import SwappedRegions, pool_regions


class RegionProjector(nn.Module):
    """Mix-in: pool canvas and paste, and project both.

    It works for any neck that takes a list with one feature map and returns
    a list whose first element is the projection of its average.
    """

    def project_pooled(self, pooled: Tensor) -> Tensor:
        """Project features that are pooled already.

        Shape:
            (M, C) -> (M, D)
        """
        return self([pooled[:, :, None, None]])[0]

    def project_regions(self,
                        features: tuple[Tensor, ...],
                        regions: SwappedRegions,
                        joint: bool = True) -> tuple[Tensor, Tensor]:
        """Pool canvas and paste of each composite and project both.

        Args:
            features (tuple[Tensor]): The backbone's output for composites;
                its last feature map (N, C, h, w) is used.
            regions (SwappedRegions): What was swapped.
            joint (bool): One call on 2N rows, so that canvas and paste share
                the statistics of a BatchNorm, as in the authors' code; else
                one call each. Defaults to True.

        Returns:
            tuple[Tensor, Tensor]: ``canvas`` and ``paste``, in the order of
            the composites, 2 x (N, D), not normalised.
        """
        canvas, paste = pool_regions(features[-1], regions)  # 2 x (N, C)
        if joint:
            both = self.project_pooled(torch.cat((canvas, paste)))  # (2N, D)
            canvas, paste = both.chunk(2)
            return canvas, paste
        return self.project_pooled(canvas), self.project_pooled(paste)
