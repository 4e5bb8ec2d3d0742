# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .channels_last_hook import ChannelsLastHook  # noqa: E402
from .collapse_hook import CollapseHook  # noqa: E402
from .preflight_hook import PreflightHook  # noqa: E402
from .validate_at_start_hook import ValidateAtStartHook  # noqa: E402

__all__ = [
    'ChannelsLastHook', 'CollapseHook', 'PreflightHook', 'ValidateAtStartHook'
]
