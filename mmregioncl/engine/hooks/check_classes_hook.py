# Copyright (c) mmregioncl contributors. All rights reserved.
"""Stop a classifier whose head, data and metrics differ in their classes."""
from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class CheckClassesHook(Hook):
    """Compare the classes of training set, validation set, head and metrics.

    A head that is too small ends in an index error of the loss, one that is
    too large trains on; and where val lacks a class folder, labels mean
    something else there than in training, and top-1 falls without a word.
    Data sets that do not name their classes, such as a list file with labels,
    are not compared. A top-5 accuracy of fewer than 5 classes would end the
    run at its first evaluation.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare before the first iteration.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If they differ.
        """
        train = _classes(runner.train_dataloader.dataset)
        val = None
        if runner.val_loop is not None:
            val = _classes(runner.val_loop.dataloader.dataset)
        if train and val and train != val:
            here, there = set(train) - set(val), set(val) - set(train)
            raise ValueError(
                f'the training set has {len(train)} classes and the '
                f'validation set {len(val)}: {sorted(here)[:5]} only in '
                f'training, {sorted(there)[:5]} only in validation, so that '
                'the same label means different classes; give both the same '
                'folders, or the same dataset.classes=[...]')
        model: Any = runner.model
        model = model.module if is_model_wrapper(model) else model
        count = getattr(model.head, 'num_classes', None)
        for name, classes in (('train', train), ('val', val)):
            if classes and count is not None and count != len(classes):
                raise ValueError(
                    f'model.head.num_classes={count}, but the data set of '
                    f'{name}_dataloader has {len(classes)} classes; set '
                    f'model.head.num_classes={len(classes)}')
        if count is None or runner.val_loop is None:
            return
        from mmcls.evaluation import Accuracy  # after compat
        for metric in runner.val_loop.evaluator.metrics:
            largest = max(metric.topk) if isinstance(metric, Accuracy) else 0
            if largest > count:
                raise ValueError(
                    f'val_evaluator.topk asks for the top {largest} of '
                    f'{count} classes; set val_evaluator.topk=1 and '
                    'test_evaluator.topk=1')


def _classes(dataset: Any) -> tuple[str, ...]:
    metainfo = getattr(dataset, 'metainfo', None) or {}
    return tuple(metainfo.get('classes') or ())
