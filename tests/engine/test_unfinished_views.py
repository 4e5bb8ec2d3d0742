# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

from mmregioncl.engine.unfinished_views import check_finished
from mmregioncl.models.data_preprocessors import DeviceViewsPreprocessor
from tests.stock_views import crop, ours, stock


def test_somebody_must_finish_the_views() -> None:
    unfinished = SimpleNamespace(pipeline=ours([crop()]))
    finished = SimpleNamespace(pipeline=stock([crop()]))
    model = nn.Module()
    model.data_preprocessor = nn.Identity()
    check_finished([finished, SimpleNamespace()], model)
    with pytest.raises(ValueError, match='data_preprocessor is Identity: set'):
        check_finished([finished, unfinished], model)
    model.data_preprocessor = DeviceViewsPreprocessor()
    check_finished([finished, unfinished], model)
