# Copyright (c) mmregioncl contributors. All rights reserved.
"""k-NN over two gloo processes, which start once for all of it."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import torch

from mmregioncl.evaluation import KNNMetric
from mmregioncl.evaluation.features import Features, gather_features
from tests.tiny_run import build_runner, evaluation_config, write_images

# which of 7 images each rank has
SHARES = [
    [[0, 2, 4, 6], [1, 3, 5, 0]],  # padded to equal length, as samplers do
    [[0, 2, 4, 6], [1, 3, 5]],  # not padded
    [[5, 4, 3, 2, 1], [6, 0]],
]


def gathered(numbers: list[int]) -> list:
    """Vector and label tell the number in the data set."""
    index = torch.tensor(numbers)
    vectors = torch.stack([index, -index], 1).float()
    result = gather_features(Features(vectors, index * 10, index))
    return [each.tolist() for each in result]


def top1(numbers: list[int]) -> dict:
    """Image i looks like class i % 3; images 0 and 4 are of another."""
    metric = KNNMetric(k=1)
    metric.set_bank(torch.eye(3), torch.arange(3))
    metric.process(None, [
        dict(
            vector=torch.eye(3)[i % 3],
            label=torch.tensor(i % 3 if i % 4 else 9),
            index=torch.tensor(i)) for i in numbers
    ])
    return metric.evaluate(7)


def on_rank(rank: int, world_size: int, root: Path, work_dir: Path) -> Any:
    runner = build_runner(knn_config(root, work_dir, launcher='pytorch'))
    return ([gathered(share[rank]) for share in SHARES],
            [top1(share[rank]) for share in SHARES], runner.val())


def knn_config(root: Path, work_dir: Path, launcher: str) -> dict:
    """5 images of each class: no multiple of the ranks or of the batch."""
    return evaluation_config(root, work_dir) | dict(launcher=launcher)


def test_each_image_counts_once(run_distributed: Callable,
                                tmp_path: Path) -> None:
    root = write_images(tmp_path / 'data', 5)
    alone = build_runner(knn_config(root, tmp_path / 'alone', 'none')).val()
    results = run_distributed(on_rank, 2, root, tmp_path / 'two')
    vectors = [[float(i), -float(i)] for i in range(7)]
    everything = [vectors, [10 * i for i in range(7)], list(range(7))]
    for features, figures, loop in results:
        assert features == [everything] * 3
        assert figures == [{'knn/top1': 100 * 5 / 7}] * 3
        assert loop == alone
    assert alone['knn/top1'] > 0
