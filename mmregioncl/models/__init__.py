# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .algorithms import *  # noqa: E402,F401,F403
from .data_preprocessors import *  # noqa: E402,F401,F403
from .heads import *  # noqa: E402,F401,F403
from .necks import *  # noqa: E402,F401,F403
