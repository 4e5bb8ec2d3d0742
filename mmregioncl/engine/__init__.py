# Copyright (c) mmregioncl contributors. All rights reserved.
from .hooks import (ActivationCheckpointHook, ChannelsLastHook,
                    CheckClassesHook, CompositesHook, FixedLrHook, HealthHook,
                    PreemptionHook, PreflightHook, ResumableCheckpointHook,
                    ValidateAtStartHook)
from .loops import ResumableTrainLoop
from .optimizers import BFloat16OptimWrapper

__all__ = [
    'ActivationCheckpointHook', 'BFloat16OptimWrapper', 'ChannelsLastHook',
    'CheckClassesHook', 'CompositesHook', 'FixedLrHook', 'HealthHook',
    'PreemptionHook', 'PreflightHook', 'ResumableCheckpointHook',
    'ResumableTrainLoop', 'ValidateAtStartHook'
]
