# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import torch
from torch import nn

from mmregioncl.engine import BFloat16OptimWrapper


def test_forward_in_bfloat16_and_weights_in_float32() -> None:
    model = nn.Linear(4, 3)
    before = model.weight.detach().clone()
    wrapper = BFloat16OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    image = torch.randn(5, 4)
    with wrapper.optim_context(model):
        output = model(image)
    assert output.dtype == torch.bfloat16
    wrapper.update_params(output.float().sum())
    assert model.weight.dtype == torch.float32
    expected = before - 0.1 * image.sum(0)
    torch.testing.assert_close(
        model.weight, expected.expand(3, 4), rtol=0.02, atol=0.01)
    assert model(image).dtype == torch.float32
