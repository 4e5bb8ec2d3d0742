# Copyright (c) mmregioncl contributors. All rights reserved.
"""What HealthHook is made of."""
from .collapse import CollapseWatch, feature_std
from .nonfinite import NonfiniteSteps
from .queue_images import QueueImages
from .replay import Replay, replay_step
from .step_guard import StepGuard
from .step_record import random_state, read_step, write_step

__all__ = [
    'CollapseWatch', 'NonfiniteSteps', 'QueueImages', 'Replay', 'StepGuard',
    'feature_std', 'random_state', 'read_step', 'replay_step', 'write_step'
]
