# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .load_views import LoadViews  # noqa: E402
from .pack_labelled_image import PackLabelledImage  # noqa: E402
from .pack_views import PackViews  # noqa: E402
from .region_swap import RegionSwap  # noqa: E402

__all__ = ['LoadViews', 'PackLabelledImage', 'PackViews', 'RegionSwap']
