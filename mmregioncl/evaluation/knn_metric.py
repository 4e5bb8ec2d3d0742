# Copyright (c) mmregioncl contributors. All rights reserved.
"""Top-1 of the k-nearest-neighbour classifier."""
from __future__ import annotations

from typing import Any, Sequence

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmselfsup.registry import METRICS
from torch import Tensor

from .knn import knn_classify


@METRICS.register_module()
class KNNMetric(BaseMetric):
    """Share of images, in percent, that their neighbours label rightly.

    For :class:`KNNLoop`, which hands it the bank and the query features.

    Args:
        k (int): Neighbours that vote. Defaults to 20.
        temperature (float): The smaller, the more the nearest count.
            Defaults to 0.07, as in Wu et al. (arXiv 1805.01978).
        prefix (str, optional): Name before the slash; give another to a
            second metric. Defaults to None, that is 'knn'.

    Raises:
        ValueError: If k or the temperature is out of range.
    """

    default_prefix = 'knn'

    def __init__(self,
                 k: int = 20,
                 temperature: float = 0.07,
                 prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        if k < 1 or temperature <= 0:
            raise ValueError('KNNMetric needs k >= 1 and temperature > 0, got '
                             f'k={k}, temperature={temperature}')
        self.k = k
        self.temperature = temperature
        self.bank: tuple[Tensor, Tensor] | None = None

    def set_bank(self, vectors: Tensor | None, labels: Tensor | None) -> None:
        """Take the labelled features, or let go of them.

        Args:
            vectors (Tensor | None): Rows of unit length, (B, D).
            labels (Tensor | None): Their labels, (B, ).
        """
        self.bank = None
        if vectors is not None and labels is not None:
            self.bank = vectors, labels

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Classify a batch of queries.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): ``vector``, ``label`` and
                ``index`` (in the data set) of each query.
        """
        if self.bank is None:
            raise ValueError('KNNMetric has no bank; it works with '
                             "val_cfg=dict(type='KNNLoop', "
                             'bank_dataloader=...)')
        vectors = torch.stack([sample['vector'] for sample in data_samples])
        predicted = knn_classify(*self.bank, vectors, self.k, self.temperature)
        for sample, label in zip(data_samples, predicted.tolist()):
            self.results.append(
                (int(sample['index']), label, int(sample['label'])))

    def evaluate(self, size: int) -> dict[str, float]:
        """Top-1 over all ranks, each image counted once.

        MMEngine's own collection takes the first ``size`` results and trusts
        the sampler for their order; the image's number is safer.

        Args:
            size (int): Number of images in the data set.

        Returns:
            dict[str, float]: ``knn/top1`` in percent, on each rank.
        """
        merged = {
            result[0]: result
            for part in all_gather_object(self.results)
            for result in part
        }
        self.results.clear()
        if len(merged) < size:
            print_log(
                f'{size - len(merged)} of {size} query images could not be '
                'read and are not counted',
                logger='current')
        metrics = self.compute_metrics(list(merged.values()))
        return {f'{self.prefix}/{name}': v for name, v in metrics.items()}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Top-1 of (index, predicted, label) triples.

        Args:
            results (list): One per image.

        Returns:
            dict[str, float]: ``top1`` in percent.
        """
        right = sum(predicted == label for _, predicted, label in results)
        return dict(top1=100. * right / max(len(results), 1))
