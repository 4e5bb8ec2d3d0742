# Copyright (c) mmregioncl contributors. All rights reserved.
"""Exact BatchNorm statistics before the final evaluation."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@HOOKS.register_module()
class PreciseBNHook(Hook):
    """Re-estimate BN statistics with the final weights.

    Running statistics lag behind weights that still move. As detectron2 does
    (``TEST.PRECISE_BN``, which the authors used), the last weights see
    ``num_iters`` more training batches without being trained, and the plain
    average of the batches' means and variances takes the place of the moving
    one. It runs once, after the last iteration and before the final
    checkpoint and evaluation. Only BN layers in training mode are touched.

    Args:
        num_iters (int): Training batches to average over.
            Defaults to 200, detectron2's value.

    Raises:
        ValueError: If ``num_iters`` is below 1.
    """

    # Before CheckpointHook (VERY_LOW), so that the exact statistics are saved.
    priority = 'NORMAL'

    def __init__(self, num_iters: int = 200) -> None:
        if num_iters < 1:
            raise ValueError(f'num_iters must be at least 1, got {num_iters}; '
                             'leave the hook out to keep the moving average')
        self.num_iters = num_iters

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        # The loop's own iterator goes on. A second one would share the batch
        # sampler with it, and mmdet's AspectRatioBatchSampler, left between
        # two batches, never fills the bucket that it was at again.
        if (isinstance(runner.train_loop, IterBasedTrainLoop)
                and self.is_last_train_iter(runner)):
            self._update(runner, runner.train_loop.dataloader_iterator)

    def after_train_epoch(self, runner: Runner) -> None:
        # Not in after_train_iter: with persistent workers a second pass over
        # the data loader would restart the one that the loop is in.
        if (not isinstance(runner.train_loop, IterBasedTrainLoop)
                and self.is_last_train_epoch(runner)):
            self._update(runner, _endless(runner.train_dataloader))

    def _update(self, runner: Runner, batches: Iterator[Any]) -> None:
        model = runner.model.module if is_model_wrapper(
            runner.model) else runner.model
        layers = bn_layers(model)
        if not layers:
            runner.logger.info('PreciseBNHook: no BN layer in training mode')
            return
        runner.logger.info(f'PreciseBNHook: {len(layers)} BN layers over '
                           f'{self.num_iters} batches')
        with torch.no_grad(), plain_average(layers), \
                runner.optim_wrapper.optim_context(model):
            for _ in range(self.num_iters):
                data = model.data_preprocessor(next(batches), True)
                if isinstance(data, dict):
                    model(**data, mode='loss')
                else:
                    model(*data, mode='loss')
        for layer in layers:
            # Plain BN saw the batches of its own process only.
            all_reduce(layer.running_mean, op='mean')
            all_reduce(layer.running_var, op='mean')


def bn_layers(model: nn.Module) -> list[_BatchNorm]:
    """BN layers that use the statistics of the batch and keep running ones."""
    return [
        module for module in model.modules() if isinstance(module, _BatchNorm)
        and module.training and module.track_running_stats
    ]


@contextmanager
def plain_average(layers: list[_BatchNorm]) -> Iterator[None]:
    """Let running statistics become the average of all batches seen inside.

    torch does so by itself where ``momentum`` is None. Afterwards momentum
    and the count of training batches are as before; a layer that saw nothing
    keeps its statistics.
    """
    before: list[tuple[float | None, list[Tensor]]] = []
    for layer in layers:
        buffers = [buffer.clone() for buffer in layer.buffers()]
        before.append((layer.momentum, buffers))
        layer.reset_running_stats()
        layer.momentum = None
    try:
        yield
    finally:
        for layer, (momentum, buffers) in zip(layers, before):
            layer.momentum = momentum
            unused = layer.num_batches_tracked == 0
            for buffer, old in zip(layer.buffers(), buffers):
                if unused or buffer is layer.num_batches_tracked:
                    buffer.copy_(old)


def _endless(dataloader: Iterable[Any]) -> Iterator[Any]:
    """Batches without end; starts over where the data set is short."""
    while True:
        batch = None
        for batch in dataloader:
            yield batch
        if batch is None:
            raise ValueError('PreciseBNHook: the training data loader gives '
                             'no batch; the data set is smaller than one')
