# Copyright (c) mmregioncl contributors. All rights reserved.
from .region_contrastive_head import RegionContrastiveHead

__all__ = ['RegionContrastiveHead']
