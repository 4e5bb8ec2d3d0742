# Copyright (c) mmregioncl contributors. All rights reserved.
from .hooks import (ChannelsLastHook, CompositesHook, HealthHook,
                    PreemptionHook, PreflightHook, ResumableCheckpointHook,
                    ValidateAtStartHook)
from .loops import ResumableTrainLoop
from .optimizers import BFloat16OptimWrapper

__all__ = [
    'BFloat16OptimWrapper', 'ChannelsLastHook', 'CompositesHook',
    'HealthHook', 'PreemptionHook', 'PreflightHook',
    'ResumableCheckpointHook', 'ResumableTrainLoop', 'ValidateAtStartHook'
]
