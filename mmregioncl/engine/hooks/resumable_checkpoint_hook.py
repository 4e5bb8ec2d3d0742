# Copyright (c) mmregioncl contributors. All rights reserved.
"""Checkpoints that are whole or not there."""
from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS

from ..checkpoint_files import (PART, incomplete, newest_complete,
                                replace_durably)
from ..loops import ResumableTrainLoop


@HOOKS.register_module()
class ResumableCheckpointHook(CheckpointHook):
    """``CheckpointHook`` for runs that may be killed at any moment.

    * A checkpoint is written as ``<name>.part`` and renamed when it is on the
      disk; only then are old ones deleted.
    * It also saves inside an epoch, each ``minutes``, as
      ``epoch_2_iter_450.pth`` (after two epochs and 450 iterations in all).
      Of these the newest stays until a newer checkpoint is there.
    * Resuming without a name takes the newest checkpoint that is complete;
      one that was cut short is left out with a warning.
    * When it cannot be written (a full disk), an error is logged, the one
      before stays, and training goes on. If that was the last checkpoint of
      the run, the run ends with the error.

    Resumed runs are exact with :class:`ResumableTrainLoop`. Files are made on
    a local or mounted disk only.

    Args:
        minutes (float, optional): Save inside an epoch when so much time has
            passed since the last checkpoint; None: at its end only.
            Defaults to 10.
        kwargs: Arguments of ``CheckpointHook``.

    Raises:
        ValueError: If ``minutes`` is negative.
    """

    def __init__(self, minutes: float | None = 10., **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if minutes is not None and not minutes >= 0:
            raise ValueError('ResumableCheckpointHook.minutes must be 0 or '
                             'more, or None to save at the end of epochs '
                             f'only, got {minutes!r}')
        self.minutes = minutes
        self.last_ckpt: str | None = None
        self._saved_at = time.monotonic()
        self._error: OSError | None = None
        self._inside = True

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint that the run is resumed from.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If the one that was asked for is not complete.
        """
        if not runner._resume:
            return
        if runner._load_from is not None:
            path = Path(runner._load_from)
            reason = incomplete(path) if path.is_file() else ''
            if reason:
                raise ValueError(
                    f'{path} is cut short or damaged ({reason}); resume from '
                    'the checkpoint before it, or leave its name out to have '
                    'the newest complete one found')
            return
        found: list[Path | None] = [None]
        if is_main_process():
            found[0] = newest_complete(
                self._folder(runner), self.filename_tmpl,
                Path(runner.work_dir) / 'last_checkpoint',
                runner.logger.warning)
        broadcast_object_list(found)
        if found[0] is None:
            runner.logger.info(f'No checkpoint in {self._folder(runner)}: '
                               'the run starts from the beginning')
            runner._resume = False
        else:
            runner._load_from = str(found[0])

    def before_train(self, runner: Runner) -> None:
        """Prepare, and remove what a killed run left half-written or behind.

        Args:
            runner (Runner): The runner.
        """
        super().before_train(runner)
        self._saved_at = time.monotonic()
        if is_main_process():
            for path in Path(
                    self.out_dir).glob(self.filename_tmpl.format('*') + PART):
                path.unlink()
        self._delete_old(
            runner.message_hub.runtime_info.get('checkpoints', []))
        self._inside = not self.by_epoch or isinstance(runner.train_loop,
                                                       ResumableTrainLoop)
        if not self._inside:
            runner.logger.warning(
                f'{type(runner.train_loop).__name__} begins an epoch anew '
                'when it is resumed inside it, so that checkpoints are made '
                "at the end of epochs only; set train_cfg.type="
                "'ResumableTrainLoop'")
        length, steps = len(runner.train_dataloader), _steps(runner)
        if self.by_epoch and length % steps:
            runner.logger.warning(
                f'An epoch of {length} iterations ends between two updates of '
                f'accumulative_counts={steps}: a checkpoint made there lacks '
                'the gradients so far, and a run resumed from it is not exact')

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Any = None) -> None:
        """Save if it is time. No other rank takes part in it.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch in the epoch.
            data_batch (Any): Not used. Defaults to None.
            outputs (Any): Not used. Defaults to None.
        """
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if (self.minutes is not None and between_updates(runner)
                and time.monotonic() - self._saved_at >= 60 * self.minutes
                and is_main_process()):
            self.save_now(runner)

    def save_now(self, runner: Runner) -> None:
        """Save the state after the current iteration.

        Not with a loop that cannot go on from there.

        Args:
            runner (Runner): The runner, in ``after_train_iter``.
        """
        if not self._inside:
            return
        epoch, done = runner.epoch, runner.iter + 1
        step = f'{epoch}_iter_{done}' if self.by_epoch else done
        self._save_checkpoint_with_step(
            runner, step, meta=dict(epoch=epoch, iter=done))

    def after_train(self, runner: Runner) -> None:
        """Publish, as MMEngine does.

        Args:
            runner (Runner): The runner.

        Raises:
            OSError: If the last checkpoint could not be written.
        """
        if self._error is not None:
            raise OSError('the last checkpoint of the run could not be '
                          f'written: {self._error}') from self._error
        super().after_train(runner)

    def _folder(self, runner: Runner) -> Path:
        """As MMEngine joins it in ``before_train``."""
        if self.out_dir is None or self.out_dir == runner.work_dir:
            return Path(runner.work_dir)
        return Path(self.out_dir) / Path(runner.work_dir).name

    def _save_checkpoint_with_step(self, runner: Runner, step: Any,
                                   meta: dict) -> None:
        """Write, rename, then delete old ones; MMEngine deletes first."""
        path = Path(self.out_dir) / self.filename_tmpl.format(step)
        hub = runner.message_hub
        # those of this run alone; a kill may come before they are deleted
        names = [
            name for name in hub.runtime_info.get('checkpoints', [])
            if name != path.name and (path.parent / name).exists()
        ] + [path.name]
        hub.update_info('checkpoints', names)
        hub.update_info('last_ckpt', str(path))
        self._saved_at = time.monotonic()
        try:
            runner.save_checkpoint(
                self.out_dir,
                path.name + PART,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                **self.args)
            if is_main_process():
                replace_durably(path)
                pointer = Path(runner.work_dir) / 'last_checkpoint'
                pointer.with_name(pointer.name + PART).write_text(str(path))
                replace_durably(pointer)
        except OSError as error:
            path.with_name(path.name + PART).unlink(missing_ok=True)
            hub.update_info('last_ckpt', self.last_ckpt)
            self._error = error
            self._report(runner, path, error)
            return
        self.last_ckpt, self._error = str(path), None
        self._delete_old(names)

    def _delete_old(self, names: list[str]) -> None:
        if is_main_process():
            for name in set(names) - set(self._kept(names)):
                (Path(self.out_dir) / name).unlink(missing_ok=True)

    def _kept(self, names: list[str]) -> list[str]:
        """Names without those to delete, oldest first."""
        whole = [name for name in names if '_iter_' not in name]
        if self.max_keep_ckpts > 0:
            whole = whole[-self.max_keep_ckpts:]
        # two at least: the newest may be cut short on its way to the disk
        return [name for name in names if name in whole or name in names[-2:]]

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        try:
            super()._save_best_checkpoint(runner, metrics)
        except OSError as error:
            self._report(runner, 'the best checkpoint', error)

    def _report(self, runner: Runner, what: Any, error: OSError) -> None:
        runner.logger.error(
            f'{what} COULD NOT BE WRITTEN: {error}. The last good checkpoint '
            f'is {self.last_ckpt or "that before this run"}. Training goes '
            'on; make room, or the work since then is lost when it ends')


def between_updates(runner: Runner) -> bool:
    """Whether no gradients are left over after the current iteration.

    Args:
        runner (Runner): The runner, in ``after_train_iter``.

    Returns:
        bool: False while gradients accumulate, which no checkpoint holds.
    """
    return (runner.iter + 1) % _steps(runner) == 0


def _steps(runner: Runner) -> int:
    return getattr(runner.optim_wrapper, '_accumulative_counts', 1)
