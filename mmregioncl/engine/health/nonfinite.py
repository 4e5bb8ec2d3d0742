# Copyright (c) mmregioncl contributors. All rights reserved.
"""Steps that are not finite: undone, recorded, counted."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from .step_guard import StepGuard
from .step_record import random_state, write_step


class NonfiniteSteps:
    """What becomes of steps with a loss or a gradient that is not finite.

    Args:
        runner (Runner): The run.
        model (nn.Module): What is trained, not wrapped.
        patience (int): The run stops after so many in a row.
        max_records (int): At most so many of them are written to files.
    """

    def __init__(self, runner: Runner, model: nn.Module, patience: int,
                 max_records: int) -> None:
        self._runner = runner
        self._model = model
        self._patience = patience
        self._max_records = max_records
        self._in_a_row = 0
        self._records: list[Path] = []
        self._random: dict[str, Tensor] = {}
        self._guard: StepGuard | None = None
        if isinstance(runner.optim_wrapper, OptimWrapper):
            self._guard = StepGuard(model, runner.optim_wrapper.optimizer)

    def before(self, batch: dict[str, Any]) -> None:
        """Keep what is needed to undo the step, or to run it again.

        Args:
            batch (dict): What the data loader gives; ``inputs`` holds a
                tensor (N, 3, H, W) per view.
        """
        self._random = random_state()
        if self._guard is not None:
            self._guard.remember(len(batch['inputs'][0]) * get_world_size())

    def after(self, batch: dict[str, Any], losses: dict[str, float]) -> bool:
        """Look at the step.

        Args:
            batch (dict): As before.
            losses (dict[str, float]): All of them.

        Returns:
            bool: Whether the step stands, the same on all processes.

        Raises:
            RuntimeError: If too many in a row were not finite.
        """
        bad = [
            name for name, value in losses.items() if not math.isfinite(value)
        ]
        gradients = self._guard.bad_gradients() if self._guard else []
        undone = bool(gradients) or self._left_out(bool(bad))
        if not bad and not undone:
            self._in_a_row = 0
            return True
        self._in_a_row += 1
        if self._guard is not None and undone:
            self._guard.undo()
        if self._worth_a_record(bad):
            self._write(batch, losses, gradients, undone)
        what = ', '.join(bad)
        if not bad:
            what = (f'gradients of {len(gradients)} parameters, first '
                    f'{gradients[0]},' if gradients else
                    'a loss of another process is')
        done = 'the gradients were finite, and the update was made'
        if gradients:
            done = 'the update was undone'
        elif undone:
            done = ('no update was made, and BatchNorm, queue and accumulated '
                    'gradients were put back')
        self._runner.logger.warning(
            f'Iteration {self._runner.iter + 1}: {what} not finite; {done}')
        if self._in_a_row >= self._patience:
            self._give_up()
        return not undone

    def _left_out(self, bad: bool) -> bool:
        """Whether a step without an update was bad, in any process.

        There is none between accumulated gradients, and where a loss scaler
        saw gradients that are not finite. The forward pass has left its marks
        all the same.
        """
        if self._guard is None or self._guard.stepped:
            return False
        flag = torch.tensor([float(bad)])
        all_reduce(flag, op='max')  # the queue holds keys of all processes
        return bool(flag.item())

    def remove(self) -> None:
        """Leave the optimizer alone."""
        if self._guard is not None:
            self._guard.remove()

    def _worth_a_record(self, bad: list[str]) -> bool:
        """The first of a series; of the first rank and whoever is to blame."""
        return (self._in_a_row == 1 and len(self._records) < self._max_records
                and (bool(bad) or get_rank() == 0))

    def _write(self, batch: dict[str, Any], losses: dict[str, float],
               gradients: list[str], undone: bool) -> None:
        iteration = self._runner.iter + 1
        folder = Path(self._runner.work_dir) / 'nonfinite'
        path = folder / f'iter_{iteration}_rank{get_rank()}.pth'
        write_step(
            path,
            self._model,
            batch,
            self._random,
            iteration=iteration,
            losses=losses,
            bad_gradients=gradients,
            undone=undone)
        self._records.append(path)
        if get_rank() == 0:  # what replay.py builds the model from
            self._runner.cfg.dump(folder / 'config.py')
        self._runner.logger.warning(
            f'Iteration {iteration} is in {path}: run it again with `python '
            f'tools/analysis_tools/replay.py {path}`')

    def _give_up(self) -> None:
        seen = (f'See {self._records[0]}' if self._records else
                'Raise HealthHook.max_records to have one recorded')
        raise RuntimeError(
            f'{self._in_a_row} steps in a row were not finite, the last one '
            f'at iteration {self._runner.iter + 1} '
            f'(HealthHook.max_nonfinite={self._patience}). Gradients that '
            f'were not finite changed no weight. {seen}; then resume from the '
            'last checkpoint with a lower lr, a longer warm-up, '
            'optim_wrapper.clip_grad, or bf16 instead of fp16')
