# Copyright (c) mmregioncl contributors. All rights reserved.
"""k-NN evaluation while pretraining."""
from __future__ import annotations

from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, ValLoop
from mmselfsup.registry import LOOPS
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mmregioncl.random_streams import kept_random_state
from .features import (check_sample, extract_features, gather_features,
                       image_features)
from .knn_metric import KNNMetric


@LOOPS.register_module()
class KNNLoop(ValLoop):
    """Validation by k nearest neighbours, for every MMSelfSup algorithm.

    The features are the pooled output of ``extract_feat``, as an image goes
    through the backbone in eval mode. A labelled bank votes on the queries of
    ``val_dataloader``::

        val_cfg = dict(type='KNNLoop', bank_dataloader=dict(...))
        val_dataloader = dict(...)
        val_evaluator = dict(type='KNNMetric')
        train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=10)

    It leaves every random stream as it found it: a run with it trains exactly
    as one without.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader | dict): The queries.
        evaluator (Evaluator | dict | list): One or more ``KNNMetric``.
        bank_dataloader (DataLoader | dict): The labelled images that vote,
            through the same pipeline as the queries.

    Raises:
        ValueError: If labels or numbers are missing, or the two data sets
            have different classes.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict,
                 evaluator: Evaluator | dict | list,
                 bank_dataloader: DataLoader | dict) -> None:
        super().__init__(runner, dataloader, evaluator)
        self.bank_dataloader = runner.build_dataloader(
            bank_dataloader, seed=runner.seed)
        for name, each in (('bank_dataloader', self.bank_dataloader),
                           ('val_dataloader', self.dataloader)):
            _check_data(name, each.dataset)
        bank, queries = (
            getattr(each.dataset, 'metainfo', {}).get('classes')
            for each in (self.bank_dataloader, self.dataloader))
        if bank and queries and tuple(bank) != tuple(queries):
            raise ValueError(
                f'the k-NN bank has {len(bank)} classes and the queries have '
                f'{len(queries)}, or others ({list(bank)[:5]}... against '
                f'{list(queries)[:5]}...), so that their labels differ; give '
                'both data sets the same classes=[...]')

    @property
    def model(self) -> nn.Module:
        """nn.Module: The algorithm without its distributed wrapper."""
        model = self.runner.model
        return model.module if is_model_wrapper(model) else model

    def run(self) -> dict:
        """Evaluate as a validation epoch, with MMEngine's usual hooks.

        Returns:
            dict: ``knn/top1`` in percent.
        """
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        metrics = self.evaluate(with_hooks=True)
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics

    def evaluate(self, with_hooks: bool = False) -> dict:
        """Evaluate, by default without telling any hook.

        Args:
            with_hooks (bool): Whether to call those of each iteration.
                Defaults to False.

        Returns:
            dict: ``knn/top1`` in percent.
        """
        training = self.runner.model.training
        self.runner.model.eval()
        with kept_random_state():
            bank = gather_features(
                extract_features(self.model, self.bank_dataloader))
            self._set_bank(bank.vectors, bank.labels)
            for idx, batch in enumerate(self.dataloader):
                if with_hooks:
                    self.runner.call_hook(
                        'before_val_iter', batch_idx=idx, data_batch=batch)
                queries = image_features(self.model, batch)
                samples = [
                    dict(vector=vector, label=label, index=index)
                    for vector, label, index in zip(*queries)
                ]
                self.evaluator.process(samples, batch)
                if with_hooks:
                    self.runner.call_hook(
                        'after_val_iter',
                        batch_idx=idx,
                        data_batch=batch,
                        outputs=samples)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        self._set_bank(None, None)  # 10 GB for ImageNet and ResNet-50
        self.runner.model.train(training)
        return metrics

    def _set_bank(self, *bank: Any) -> None:
        for metric in self.evaluator.metrics:
            if isinstance(metric, KNNMetric):
                metric.set_bank(*bank)


def _check_data(name: str, dataset: Dataset) -> None:
    """Find out now, not after the first epoch of training."""
    with kept_random_state():
        item = dataset[0]
    views, sample = item['inputs'], item['data_samples']
    check_sample(sample, name)
    if sample.label < 0:
        raise ValueError(f'the images of {name} have no label; set '
                         'with_label=True in its data set')
    if len(views) != 1:
        raise ValueError(f'the pipeline of {name} gives {len(views)} views of '
                         'an image; k-NN takes one that is not augmented')
