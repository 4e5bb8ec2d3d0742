# Copyright (c) mmregioncl contributors. All rights reserved.
"""k-NN before the first iteration, and where a kill has cut it."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmselfsup.registry import HOOKS

from mmregioncl.evaluation import KNNLoop


@HOOKS.register_module()
class ValidateAtStartHook(Hook):
    """Evaluate the weights that training starts from.

    Random weights are far above chance (30 % on CIFAR-10), so a k-NN top-1
    says something only beside theirs. The figure goes to the log and, as step
    0, to the curves; no "best" checkpoint is made of it.

    A run is saved before it is evaluated. One that is resumed at the end of an
    epoch whose evaluation was due does that first: it may have been killed in
    it. Nothing is done where a run is resumed elsewhere, nor where validation
    is off.
    """

    # after PreflightHook, so that a run that cannot start fails at once, and
    # after CheckpointHook, which then knows where a "best" one belongs
    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Evaluate once, before the first iteration.

        Args:
            runner (Runner): The runner.
        """
        if runner.val_loop is None:
            return
        if runner.iter > 0:
            if _is_due(runner):
                runner.logger.info(
                    f'Epoch {runner.epoch} may not have been evaluated yet')
                runner.val_loop.run()
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


def _is_due(runner: Runner) -> bool:
    """Whether an epoch has ended here that MMEngine's loop evaluates."""
    loop = runner.train_loop
    if not isinstance(loop, EpochBasedTrainLoop):
        return False
    last = loop.epoch == loop.max_epochs
    return (loop.iter == loop.epoch * len(loop.dataloader)
            and loop.epoch >= loop.val_begin
            and (last or loop.epoch % loop.val_interval == 0))
