# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .bfloat16_optim_wrapper import BFloat16OptimWrapper  # noqa: E402

__all__ = ['BFloat16OptimWrapper']
