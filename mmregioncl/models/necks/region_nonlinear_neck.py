# Copyright (c) mmregioncl contributors. All rights reserved.
"""MMSelfSup's projector with BatchNorm, for images and for regions."""
from mmselfsup.models.necks import NonLinearNeck
from mmselfsup.registry import MODELS

from .region_projector import RegionProjector


@MODELS.register_module()
class RegionNonLinearNeck(RegionProjector, NonLinearNeck):
    """The projector of SimSiam, BYOL and SimCLR, also over canvas and paste.

    Arguments, ``forward`` and state dict are those of MMSelfSup's
    ``NonLinearNeck``.
    """
