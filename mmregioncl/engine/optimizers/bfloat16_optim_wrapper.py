# Copyright (c) mmregioncl contributors. All rights reserved.
"""Mixed precision in bfloat16, on a GPU or a CPU."""
from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner.amp import autocast
from torch import nn


# In MMEngine's registry: MMDetection and MMSegmentation find it there, too.
@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Forward pass under autocast to bfloat16.

    MMEngine's ``AmpOptimWrapper`` refuses to run without a GPU and scales the
    loss. bfloat16 has the exponents of float32: no gradient underflows, and
    there is nothing to scale.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The context of one training step.

        Args:
            model (nn.Module): The model that is trained.
        """
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield
