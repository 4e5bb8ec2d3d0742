# Copyright (c) mmregioncl contributors. All rights reserved.
"""k-NN before the first iteration."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS

from mmregioncl.evaluation import KNNLoop


@HOOKS.register_module()
class ValidateAtStartHook(Hook):
    """Evaluate the weights that training starts from.

    Random weights are far above chance (30 % on CIFAR-10), so a k-NN top-1
    says something only beside theirs. Not done when a run is resumed, nor
    where validation is off. The figure goes to the log and, as step 0, to the
    curves; no "best" checkpoint is made of it.
    """

    # after PreflightHook, so that a run that cannot start fails at once
    priority = 'LOW'

    def before_train(self, runner: Runner) -> None:
        """Evaluate once, before the first iteration.

        Args:
            runner (Runner): The runner.
        """
        if runner.val_loop is None or runner.iter > 0:
            return
        if not isinstance(runner.val_loop, KNNLoop):
            runner.logger.warning(
                'ValidateAtStartHook evaluates with a KNNLoop only, and '
                f'val_cfg gives {type(runner.val_loop).__name__}: nothing is '
                'evaluated before the first iteration')
            return
        metrics = runner.val_loop.evaluate()
        figures = '  '.join(f'{key}: {v:.4f}' for key, v in metrics.items())
        runner.logger.info(f'Before the first iteration: {figures}')
        runner.visualizer.add_scalars(
            metrics, step=0, file_path=f'{runner.timestamp}.json')
