# Copyright (c) mmregioncl contributors. All rights reserved.
"""Parameters whose learning rate no schedule moves."""
from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS


@HOOKS.register_module()
class FixedLrHook(Hook):
    """Keep the lr of every parameter group with ``fix_lr`` where it began.

    That of SimSiam's predictor does not decay
    (https://arxiv.org/abs/2011.10566, Table 1c)::

        optim_wrapper = dict(
            paramwise_cfg=dict(custom_keys={'predictor': dict(fix_lr=True)}))

    MMSelfSup's ``SimSiamHook`` sets a number of its own, which
    ``--auto-scale-lr`` does not reach, and by default once in an epoch:
    schedules that step by iterations multiply what they find, and a warm-up
    from a hundredth takes it to a hundred times the lr within that epoch.
    """

    def before_train_iter(self,
                          runner: Runner,
                          batch_idx: int,
                          data_batch: Any = None) -> None:
        """Put it back before each step.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (dict): Not used.
        """
        for group in runner.optim_wrapper.optimizer.param_groups:
            if group.get('fix_lr'):
                group['lr'] = group.get('initial_lr', group['lr'])
