# Copyright (c) mmregioncl contributors. All rights reserved.
"""Show what the network is fed, while it trains."""
from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS
from torch import Tensor

from mmregioncl.core import SwappedRegions
from mmregioncl.visualization import draw_composites, figure_image, to_pixels


@HOOKS.register_module()
class CompositesHook(Hook):
    """Send a few composites, outlined, to the visualizer now and then.

    They are those that the network has just trained on: nothing is drawn
    anew, and a run with this hook trains exactly as one without. Any backend
    of MMEngine shows them: files, TensorBoard, Weights & Biases. To switch it
    on, on the command line or in a config::

        --cfg-options default_hooks.composites.type=CompositesHook

        default_hooks = dict(composites=dict(type='CompositesHook'))

    Args:
        interval (int): Iterations between pictures; the first is of the first
            iteration. Defaults to 1000.
        number (int): Images in a picture. Defaults to 8.

    Raises:
        ValueError: If an argument is out of its range, or the algorithm swaps
            no regions.
    """

    def __init__(self, interval: int = 1000, number: int = 8) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise ValueError('CompositesHook.interval must be a number of '
                             f'iterations, at least 1, got {interval!r}')
        if not isinstance(number, int) or number < 2:
            raise ValueError('CompositesHook.number must be 2 images or more, '
                             f'got {number!r}')
        self.interval = interval
        self.number = number
        self._model: Any = None
        self._seen: tuple[Tensor, Tensor, SwappedRegions] | None = None

    def before_train(self, runner: Runner) -> None:
        """Find the swap, and be ready for the first iteration.

        Args:
            runner (Runner): The runner.
        """
        model: Any = runner.model
        self._model = model.module if is_model_wrapper(model) else model
        if not hasattr(self._model, 'region_swap'):
            raise ValueError(
                f'{type(self._model).__name__} swaps no regions, and '
                'CompositesHook has nothing to show; take it out of '
                'default_hooks')
        if is_main_process():
            self._listen()

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Any = None) -> None:
        """Draw what was seen, if it is time for it."""
        if not is_main_process():
            return
        if self._seen is not None:
            views, composites, regions = self._seen
            self._seen = None
            runner.visualizer.add_image(
                'composites',
                self._draw(views, composites, regions),
                step=runner.iter + 1)
        if self.every_n_train_iters(runner, self.interval):
            self._listen()  # in the next iteration that swaps

    def after_train(self, runner: Runner) -> None:
        """Leave the swap as it was.

        Args:
            runner (Runner): The runner.
        """
        vars(self._model.region_swap).pop('transform', None)

    def _listen(self) -> None:
        """Keep the next call of the swap, then let it alone."""
        swap = self._model.region_swap
        transform = type(swap).transform

        def keep(images: Tensor) -> tuple[Tensor, SwappedRegions]:
            vars(swap).pop('transform')
            composites, regions = transform(swap, images)
            self._seen = images, composites, regions
            return composites, regions

        vars(swap)['transform'] = keep  # before the method of the class

    def _draw(self, views: Tensor, composites: Tensor,
              regions: SwappedRegions) -> Any:
        """RGB, (H, W, 3), uint8."""
        processor = self._model.data_preprocessor
        width = 1.5 * min(self.number, len(views))
        figure = Figure(figsize=(width, 3.8), layout='constrained')
        draw_composites(figure, [('view', to_pixels(views, processor))],
                        to_pixels(composites, processor), regions.to('cpu'),
                        self.number)
        return figure_image(figure)
