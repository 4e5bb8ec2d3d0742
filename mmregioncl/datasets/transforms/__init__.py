# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .region_swap import RegionSwap  # noqa: E402

__all__ = ['RegionSwap']
