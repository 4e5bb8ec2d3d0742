# Copyright (c) mmregioncl contributors. All rights reserved.
"""MMSelfSup's MoCo v2 projector, for whole images and for regions."""
from __future__ import annotations

import torch
from mmselfsup.models.necks import MoCoV2Neck
from mmselfsup.registry import MODELS
from torch import Tensor

from mmregioncl.core import SwappedRegions, pool_regions


@MODELS.register_module()
class RegionMoCoV2Neck(MoCoV2Neck):
    """The projector fc-relu-fc of MoCo v2, also over canvas and paste.

    Arguments, ``forward`` and state dict are those of MMSelfSup's
    ``MoCoV2Neck``.
    """

    def project_regions(self, features: tuple[Tensor, ...],
                        regions: SwappedRegions) -> tuple[Tensor, Tensor]:
        """Pool canvas and paste of each composite and project both.

        One call of the projector on 2N rows, as in the authors' code.

        Args:
            features (tuple[Tensor]): The backbone's output for composites;
                its last feature map (N, C, h, w) is used.
            regions (SwappedRegions): What was swapped.

        Returns:
            tuple[Tensor, Tensor]: ``canvas`` and ``paste``, in the order of
            the composites, 2 x (N, D), not normalised.
        """
        pooled = torch.cat(pool_regions(features[-1], regions))  # (2N, C)
        canvas, paste = self.mlp(pooled).chunk(2)
        return canvas, paste  # 2 x (N, D)
