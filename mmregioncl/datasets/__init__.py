# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .image_folder import ImageFolder  # noqa: E402

__all__ = ['ImageFolder']
