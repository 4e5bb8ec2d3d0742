# Copyright (c) mmregioncl contributors. All rights reserved.
"""MMSelfSup's MoCo v2 projector, for whole images and for regions."""
from mmselfsup.models.necks import MoCoV2Neck
from mmselfsup.registry import MODELS

from .region_projector import RegionProjector


@MODELS.register_module()
class RegionMoCoV2Neck(RegionProjector, MoCoV2Neck):
    """The projector fc-relu-fc of MoCo v2, also over canvas and paste.

    Arguments, ``forward`` and state dict are those of MMSelfSup's
    ``MoCoV2Neck``.
    """
