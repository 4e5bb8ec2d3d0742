# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmregioncl.datasets.transforms import PackLabelledImage


def results(**more: Any) -> dict:
    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    return dict(img=image, img_path='a.png') | more


def test_plain_numbers() -> None:
    packed = PackLabelledImage()(results(gt_label=np.int64(3), sample_idx=5))
    image, = packed['inputs']
    assert torch.equal(image,
                       torch.from_numpy(results()['img']).permute(2, 0, 1))
    sample = packed['data_samples']
    assert (sample.label, sample.index, sample.img_path) == (3, 5, 'a.png')
    assert not any(
        isinstance(value, Tensor) for _, value in sample.all_items())


@pytest.mark.parametrize('missing', ['gt_label', 'sample_idx'])
def test_missing(missing: str) -> None:
    given = results(gt_label=3, sample_idx=5)
    del given[missing]
    with pytest.raises(ValueError, match=f'no .{missing}.*ImageFolder'):
        PackLabelledImage()(given)
