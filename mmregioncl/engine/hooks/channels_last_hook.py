# Copyright (c) mmregioncl contributors. All rights reserved.
"""Feature maps with the channels innermost, which convolutions prefer."""
from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Store convolution weights as channels_last; the numbers stay the same.

    A convolution whose weight is channels_last gives channels_last feature
    maps, so that the inputs need no care. Faster on a CPU, and on a GPU in
    half precision.
    """

    def before_train(self, runner: Runner) -> None:
        """Convert the weights, of the momentum encoder too.

        Args:
            runner (Runner): The runner.
        """
        # The keyword is for 4-D tensors; it leaves all others alone.
        runner.model.to(memory_format=torch.channels_last)  # type: ignore
