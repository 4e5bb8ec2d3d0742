# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import numpy as np
import pytest

CSEval = pytest.importorskip(
    'cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling',
    reason='the module under test is for it')


def test_in1d_is_back_for_cityscapes_alone() -> None:
    from mmregioncl.transfer.cityscapes_evaluation import restore_in1d
    had = hasattr(np, 'in1d')
    restore_in1d()  # again: does no harm
    assert hasattr(np, 'in1d') == had
    values = np.array([[4, 7], [26, 0]])
    found = CSEval.np.in1d(values, [0, 4]).reshape(values.shape)
    assert found.tolist() == [[True, False], [False, True]]
    assert CSEval.np.unique(values).tolist() == [0, 4, 7, 26]
