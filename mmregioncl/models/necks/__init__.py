# Copyright (c) mmregioncl contributors. All rights reserved.
from .region_mocov2_neck import RegionMoCoV2Neck

__all__ = ['RegionMoCoV2Neck']
