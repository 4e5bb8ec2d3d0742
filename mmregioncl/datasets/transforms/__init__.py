# Copyright (c) mmregioncl contributors. All rights reserved.
from .region_swap import RegionSwap

__all__ = ['RegionSwap']
