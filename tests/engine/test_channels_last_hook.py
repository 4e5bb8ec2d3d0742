# Copyright (c) mmregioncl contributors. All rights reserved.
"""Same numbers, channels innermost."""
from types import SimpleNamespace
from typing import Any

import torch

from mmregioncl.engine import ChannelsLastHook


def test_converts_the_weights_and_keeps_the_numbers() -> None:
    model = torch.nn.Conv2d(3, 4, 3)
    image = torch.randn(2, 3, 8, 8)
    before = model(image)
    runner: Any = SimpleNamespace(model=model)
    ChannelsLastHook().before_train(runner)
    after = model(image)
    assert model.weight.is_contiguous(memory_format=torch.channels_last)
    assert after.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(after, before)
