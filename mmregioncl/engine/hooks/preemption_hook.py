# Copyright (c) mmregioncl contributors. All rights reserved.
"""Save and leave when the scheduler of the machine says so."""
from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Callable, NoReturn

import torch
from mmengine.dist import all_reduce, barrier, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS

from .resumable_checkpoint_hook import ResumableCheckpointHook, between_updates

# sysexits.h: "temporary failure; the user is invited to retry"
EXIT_CODE = 75
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM or SIGUSR1, save after the iteration and exit with 75.

    The first is what slurm, Kubernetes and the like send before they take a
    machine away, the second what ``sbatch --signal=USR1@120`` sends earlier.
    All ranks leave after the same iteration, whichever was told.

    The processes of the data loaders leave these signals to their parent:
    slurm sends them to every process of a job, and a loader without its
    workers would end the run before it is saved.

    Args:
        interval (int): With several processes, iterations between two
            questions to the others; each makes the device wait once. A single
            process reacts after each. Defaults to 10.

    Raises:
        ValueError: If ``interval`` is not a number of iterations.
    """

    # the iteration is complete then: weights, schedule, logs
    priority = 'LOWEST'

    def __init__(self, interval: int = 10) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise ValueError('PreemptionHook.interval must be a number of '
                             f'iterations, at least 1, got {interval!r}')
        self.interval = interval
        self._received: int | None = None
        self._former: dict[int, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Listen, and let the workers of the data loaders not listen.

        Args:
            runner (Runner): The runner.
        """
        if threading.current_thread() is not threading.main_thread():
            runner.logger.warning(
                'Training runs in a thread, which cannot listen to signals: '
                'SIGTERM ends it without a checkpoint')
            return
        if not _savers(runner):
            runner.logger.warning(
                'SIGTERM ends this run without a checkpoint; set '
                "default_hooks.checkpoint.type='ResumableCheckpointHook'")
            return
        for number in SIGNALS:
            self._former[number] = signal.signal(number, self._note)
        loaders: list[Any] = [runner.train_dataloader]
        for name in ('dataloader', 'bank_dataloader'):
            loaders.append(getattr(runner.val_loop, name, None))
        for loader in loaders:
            if getattr(loader, 'num_workers', 0):
                loader.worker_init_fn = _Shielded(loader.worker_init_fn)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Any = None) -> None:
        """Leave if any rank was told to.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch in the epoch.
            data_batch (Any): Not used. Defaults to None.
            outputs (Any): Not used. Defaults to None.

        Raises:
            SystemExit: With the code 75, when the checkpoint is written.
        """
        if not between_updates(runner) or not self._agreed(runner):
            return
        name = signal.Signals(self._received or SIGNALS[0]).name
        saver, = _savers(runner)
        saver.save_now(runner)
        barrier()  # whoever leaves earlier takes the writing rank along
        last = saver.last_ckpt or 'that before this run'
        runner.logger.warning(
            f'{name} received: leaving after iteration {runner.iter + 1} with '
            f'exit code {EXIT_CODE}. The last checkpoint is {last}; the same '
            'command with --resume goes on from there')
        # dist_train.sh: torchrun makes a 1 of every code
        if 'MMREGIONCL_EXIT_FILE' in os.environ:
            Path(os.environ['MMREGIONCL_EXIT_FILE']).write_text(str(EXIT_CODE))
        raise SystemExit(EXIT_CODE)

    def _agreed(self, runner: Runner) -> bool:
        if not self._former:
            return False
        if get_world_size() == 1:
            return self._received is not None
        counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        # called between updates only: ask in the nearest to `interval`
        if (runner.iter + 1) // counts % max(1, self.interval // counts):
            return False
        told = torch.tensor([self._received or 0])
        all_reduce(told, op='max')
        self._received = int(told) or None
        return self._received is not None

    def after_train(self, runner: Runner) -> None:
        """The run is over: a signal does what it did before.

        Args:
            runner (Runner): The runner.
        """
        for number, former in self._former.items():
            # None: set by something other than Python
            signal.signal(number, signal.SIG_DFL if former is None else former)
        self._former = {}


def _savers(runner: Runner) -> list[ResumableCheckpointHook]:
    return [
        hook for hook in runner.hooks
        if isinstance(hook, ResumableCheckpointHook)
    ]


def leave() -> NoReturn:
    """End a process whose run was saved.

    Python's own way out takes seconds, to free everything one by one, of the
    30 that torchrun and slurm give.
    """
    for worker in multiprocessing.active_children():
        worker.terminate()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_CODE)


class _Shielded:
    """A ``worker_init_fn`` after which only the parent ends the worker."""

    def __init__(self, init: Callable[[int], None] | None) -> None:
        self.init = init

    def __call__(self, worker_id: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=_wait_for_parent, daemon=True).start()
        if self.init is not None:
            self.init(worker_id)


def _wait_for_parent() -> None:
    while True:
        info = signal.sigwaitinfo(SIGNALS)
        # quietly, as torch's own handler does
        if info.si_signo == signal.SIGTERM and info.si_pid == os.getppid():
            os._exit(0)
