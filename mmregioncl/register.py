# Copyright (c) mmregioncl contributors. All rights reserved.
"""Import this to use RegionCL from an MMEngine config.

    custom_imports = dict(imports=['mmregioncl.register'])

It makes MMSelfSup run on today's stack and registers every class.
"""
# flake8: noqa: E402
from mmregioncl.compat import apply_compat

apply_compat()

import mmregioncl.cpu_distributed
import mmregioncl.datasets.image_folder
import mmregioncl.datasets.resumable_sampler
import mmregioncl.datasets.transforms
import mmregioncl.engine
import mmregioncl.evaluation
import mmregioncl.models
