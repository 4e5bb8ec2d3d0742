# Copyright (c) mmregioncl contributors. All rights reserved.
from .region_densecl_neck import RegionDenseCLNeck
from .region_mocov2_neck import RegionMoCoV2Neck
from .region_nonlinear_neck import RegionNonLinearNeck
from .region_projector import RegionProjector

__all__ = [
    'RegionDenseCLNeck', 'RegionMoCoV2Neck', 'RegionNonLinearNeck',
    'RegionProjector'
]
