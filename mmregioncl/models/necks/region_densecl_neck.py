# Copyright (c) mmregioncl contributors. All rights reserved.
"""MMSelfSup's DenseCL neck, with regions on its global branch."""
from mmselfsup.models.necks import DenseCLNeck
from mmselfsup.registry import MODELS
from torch import Tensor, nn

from .region_projector import RegionProjector


@MODELS.register_module()
class RegionDenseCLNeck(RegionProjector, DenseCLNeck):
    """Global and dense projector of DenseCL; regions use the global one.

    Arguments, ``forward`` and state dict are those of MMSelfSup's
    ``DenseCLNeck``.
    """

    mlp: nn.Module  # the global branch

    def project_pooled(self, pooled: Tensor) -> Tensor:
        """Project with the global branch alone; the dense one is not run.

        Shape:
            (M, C) -> (M, D)
        """
        return self.mlp(pooled)
