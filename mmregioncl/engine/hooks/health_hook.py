# Copyright (c) mmregioncl contributors. All rights reserved.
"""How a run is doing: the figures beside the loss, and an end to bad ones."""
from __future__ import annotations

from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS
from torch import Tensor

from ..health import CollapseWatch, NonfiniteSteps, QueueImages


@HOOKS.register_module()
class HealthHook(Hook):
    """Log what tells a run that learns from one that does not, and guard it.

    Every ``interval`` iterations it logs

    * ``feature_std``: the spread of the projections over 1 / sqrt(d), 1 on
      the whole sphere and 0 where all images are one point
      (:class:`~mmregioncl.engine.health.CollapseWatch`);
    * ``paste_area``: the share of a composite that is its paste;
    * ``queue_epochs``: the age of the oldest key in the queue;
    * ``queue_duplicates``: the share of its keys that are one more key of an
      image (:class:`~mmregioncl.engine.health.QueueImages`).

    The head logs contrast accuracies ``acc_*`` and logit gaps ``gap_*`` in
    every step, and :class:`PreflightHook` says what is wrong before the first.

    A step whose gradients are not finite is undone
    (:class:`~mmregioncl.engine.health.StepGuard`). It is written to
    ``work_dir/nonfinite/``, for ``tools/analysis_tools/replay.py``, and so is
    one whose loss alone is not finite.

    Args:
        interval (int): Iterations between measurements; each makes the
            device wait a few times. Defaults to 50.
        threshold (float): Of ``feature_std``. Below it for ten measurements
            in a row, a warning is written, once per run. Defaults to 0.3.
        max_nonfinite (int): The run stops after so many steps in a row that
            were not finite: one is bad luck, ten are a run that has diverged.
            Defaults to 10.
        max_records (int): So many files are written at most; each holds the
            model. Defaults to 3.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self,
                 interval: int = 50,
                 threshold: float = 0.3,
                 max_nonfinite: int = 10,
                 max_records: int = 3) -> None:
        for name, value, least in (('interval', interval,
                                    1), ('max_nonfinite', max_nonfinite, 1),
                                   ('max_records', max_records, 0)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f'HealthHook.{name} must be a whole number, '
                                 f'at least {least}, got {value!r}')
        if not isinstance(threshold, (int, float)) or not 0 < threshold < 1:
            raise ValueError('HealthHook.threshold must be between 0 '
                             '(collapsed) and 1 (spread over the sphere), got '
                             f'{threshold!r}')
        self.interval = interval
        self.threshold = threshold
        self.max_nonfinite = max_nonfinite
        self.max_records = max_records

    def before_train(self, runner: Runner) -> None:
        """Listen to the neck, guard the optimizer.

        Args:
            runner (Runner): The runner.
        """
        model = runner.model
        self._model: Any = model.module if is_model_wrapper(model) else model
        self._collapse = CollapseWatch(self._model, self.threshold)
        self._nonfinite = NonfiniteSteps(runner, self._model,
                                         self.max_nonfinite, self.max_records)
        queue = getattr(self._model, 'queue', None)
        self._queue = queue if isinstance(queue, Tensor) else None
        if self._queue is not None:
            self._images = QueueImages(self._queue.shape[1])

    def before_train_iter(self,
                          runner: Runner,
                          batch_idx: int,
                          data_batch: Any = None) -> None:
        """Get ready for the step."""
        self._collapse.expect(self.every_n_train_iters(runner, self.interval))
        self._nonfinite.before(data_batch)

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Any = None) -> None:
        """Look at the step, and measure where it is time.

        Raises:
            RuntimeError: If too many steps in a row were not finite.
        """
        # MMEngine has read each of them by now: nothing to wait for
        losses = {
            name: value.item()
            for name, value in (outputs or {}).items() if 'loss' in name
        }
        stands = self._nonfinite.after(data_batch, losses)
        if stands and self._queue is not None:
            self._images.add(_names(data_batch))
        if self.every_n_train_iters(runner, self.interval):
            figures = self._measure(runner, len(data_batch['inputs'][0]))
            for name, value in figures.items():
                runner.message_hub.update_scalar(f'train/{name}', value)

    def _measure(self, runner: Runner, batch: int) -> dict[str, float]:
        """All figures of this step, made of so many images."""
        figures = {}
        spread = self._collapse.measure(runner.logger)
        if spread is not None:
            figures['feature_std'] = spread
        swap: Any = getattr(self._model, 'region_swap', None)
        if getattr(swap, 'last_regions', None) is not None:
            rows, columns = swap.last_grid
            sides = swap.last_regions.boxes[:, 2:].double()  # (N, 2)
            figures['paste_area'] = sides.prod(1).mean().item() / (
                rows * columns)
        if self._queue is not None:
            taken = (runner.iter + 1) * batch * get_world_size()
            images = len(runner.train_dataloader.dataset)
            figures['queue_epochs'] = min(self._queue.shape[1], taken) / images
            figures['queue_duplicates'] = self._images.duplicates(
                self._queue.device)
        return figures

    def after_train(self, runner: Runner) -> None:
        """Leave neck and optimizer alone again.

        Args:
            runner (Runner): The runner.
        """
        self._collapse.remove()
        self._nonfinite.remove()


def _names(data_batch: Any) -> list[str]:
    """Paths of the images of a batch, where the pipeline packs them."""
    return [
        each.img_path for each in data_batch.get('data_samples') or []
        if hasattr(each, 'img_path')
    ]
