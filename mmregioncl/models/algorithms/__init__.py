# Copyright (c) mmregioncl contributors. All rights reserved.
from .regioncl_moco import RegionCLMoCo

__all__ = ['RegionCLMoCo']
