# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .resumable_train_loop import ResumableTrainLoop  # noqa: E402

__all__ = ['ResumableTrainLoop']
