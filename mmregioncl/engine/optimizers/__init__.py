# Copyright (c) mmregioncl contributors. All rights reserved.
from .bfloat16_optim_wrapper import BFloat16OptimWrapper

__all__ = ['BFloat16OptimWrapper']
