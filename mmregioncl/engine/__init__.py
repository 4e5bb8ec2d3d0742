# Copyright (c) mmregioncl contributors. All rights reserved.
from .hooks import (ChannelsLastHook, CollapseHook, PreflightHook,
                    ValidateAtStartHook)
from .optimizers import BFloat16OptimWrapper

__all__ = [
    'BFloat16OptimWrapper', 'ChannelsLastHook', 'CollapseHook',
    'PreflightHook', 'ValidateAtStartHook'
]
