# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmregioncl.evaluation.features import (Features, gather_features,
                                            image_features)


def features(indices: list[int]) -> Features:
    """Vector and label tell the number in the data set."""
    index = torch.tensor(indices)
    return Features(torch.stack([index, -index], 1).float(), index * 10, index)


def test_duplicates_go_and_order_comes_back() -> None:
    result = gather_features(features([4, 0, 2, 0, 4, 1]))
    assert result.indices.tolist() == [0, 1, 2, 4]
    assert result.labels.tolist() == [0, 10, 20, 40]
    assert result.vectors[:, 1].tolist() == [0, -1, -2, -4]


class Algorithm(nn.Module):
    """What every algorithm has, around a given output."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def data_preprocessor(self, batch: dict,
                          training: bool) -> tuple[list, list]:
        assert training is False  # or views would be made here
        return batch['inputs'], batch['data_samples']

    def extract_feat(self, inputs: list[Tensor]) -> Any:
        if isinstance(self.output, Exception):
            raise self.output
        return self.output


def batch(*keys: str) -> dict:
    from mmselfsup.structures import SelfSupDataSample
    numbers = dict(label=[7, 8, 9], index=[0, 1, 2])
    return dict(
        inputs=[torch.zeros(3, 3, 4, 4)],
        data_samples=[
            SelfSupDataSample(
                metainfo={key: numbers[key][each]
                          for key in keys}) for each in range(3)
        ])


MAP = torch.randn(3, 5, 2, 4)
TOKEN = torch.randn(3, 5)


@pytest.mark.parametrize('output, pooled', [
    ((torch.zeros(3, 9, 8, 8), MAP), MAP.mean((2, 3))),
    (MAP, MAP.mean((2, 3))),
    ((TOKEN, ), TOKEN),
    (([MAP, TOKEN], ), TOKEN),
])
def test_last_stage_pooled_to_unit_length(output: Any, pooled: Tensor) -> None:
    result = image_features(Algorithm(output), batch('label', 'index'))
    expected = pooled / pooled.norm(dim=1, keepdim=True)
    torch.testing.assert_close(result.vectors, expected)
    assert result.labels.tolist() == [7, 8, 9]
    assert result.indices.tolist() == [0, 1, 2]


@pytest.mark.parametrize('output', [
    torch.zeros(3, 49, 5),
    TypeError('missing 1 required positional argument'),
    NotImplementedError()
])
def test_algorithms_without_a_feature_map(output: Any) -> None:
    with pytest.raises(ValueError, match='cannot evaluate Algorithm.*val_cfg'):
        image_features(Algorithm(output), batch('label', 'index'))


@pytest.mark.parametrize('key', ['label', 'index'])
def test_samples_without(key: str) -> None:
    with pytest.raises(ValueError, match='no label and .*PackLabelledImage'):
        image_features(Algorithm(MAP), batch(key))


@pytest.mark.parametrize('value', [torch.nan, torch.inf])
def test_features_that_are_not_finite(value: float) -> None:
    """topk puts them first: each would be everyone's neighbour."""
    spoilt = MAP.clone()
    spoilt[1, 0, 0, 0] = value
    with pytest.raises(ValueError, match='of Algorithm are not finite'):
        image_features(Algorithm(spoilt), batch('label', 'index'))
