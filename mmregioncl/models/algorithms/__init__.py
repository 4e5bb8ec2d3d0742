# Copyright (c) mmregioncl contributors. All rights reserved.
from .regioncl_byol import RegionCLBYOL
from .regioncl_densecl import RegionCLDenseCL
from .regioncl_moco import RegionCLMoCo
from .regioncl_simclr import RegionCLSimCLR
from .regioncl_simsiam import RegionCLSimSiam

__all__ = [
    'RegionCLBYOL', 'RegionCLDenseCL', 'RegionCLMoCo', 'RegionCLSimCLR',
    'RegionCLSimSiam'
]
