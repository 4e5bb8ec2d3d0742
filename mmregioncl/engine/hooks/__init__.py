# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .activation_checkpoint_hook import ActivationCheckpointHook  # noqa: E402
from .channels_last_hook import ChannelsLastHook  # noqa: E402
from .check_classes_hook import CheckClassesHook  # noqa: E402
from .composites_hook import CompositesHook  # noqa: E402
from .fixed_lr_hook import FixedLrHook  # noqa: E402
from .health_hook import HealthHook  # noqa: E402
from .preemption_hook import PreemptionHook  # noqa: E402
from .preflight_hook import PreflightHook  # noqa: E402
from .resumable_checkpoint_hook import ResumableCheckpointHook  # noqa: E402
from .validate_at_start_hook import ValidateAtStartHook  # noqa: E402

__all__ = [
    'ActivationCheckpointHook', 'ChannelsLastHook', 'CheckClassesHook',
    'CompositesHook', 'FixedLrHook', 'HealthHook', 'PreemptionHook',
    'PreflightHook', 'ResumableCheckpointHook', 'ValidateAtStartHook'
]
