# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate

from mmregioncl.datasets.transforms import PackViews
from mmregioncl.datasets.transforms.load_views import UnfinishedViews


def test_packed_as_the_stock_and_the_steps() -> None:
    images = [
        torch.full((4, 5, 3), value, dtype=torch.uint8) for value in (1, 2)
    ]
    steps = torch.rand(2, 13)
    packed = [
        PackViews(algorithm_keys=['gt_label'],
                  meta_keys=['img_path']).transform(
                      dict(
                          img=UnfinishedViews(list(images), steps + number),
                          gt_label=number,
                          img_path=f'{number}.png')) for number in range(3)
    ]
    batch = default_collate(packed)
    assert [view.shape for view in batch['inputs']] == [(3, 4, 5, 3)] * 2
    assert batch['inputs'][1].dtype == torch.uint8
    assert (batch['inputs'][1] == 2).all()
    assert (batch['view_steps'][2] == steps + 2).all()
    assert [s.img_path
            for s in batch['data_samples']] == ['0.png', '1.png', '2.png']
    assert [int(s.gt_label.value) for s in batch['data_samples']] == [0, 1, 2]


def test_takes_unfinished_views_only() -> None:
    with pytest.raises(ValueError, match='use PackSelfSupInputs after any'):
        PackViews().transform(dict(img=[np.zeros((4, 4, 3), np.uint8)]))
