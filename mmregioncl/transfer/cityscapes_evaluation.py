# Copyright (c) mmregioncl contributors. All rights reserved.
"""Cityscapes' evaluation of instances on numpy 2.4.

Import it by ``custom_imports=dict(imports=[
'mmregioncl.transfer.cityscapes_evaluation'])``.
"""
from __future__ import annotations

from typing import Any

import numpy as np


class _NumpyWithIn1d:
    """numpy as it was before 2.4."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def in1d(values: np.ndarray, among: Any) -> np.ndarray:
        return np.isin(np.ravel(values), among)


def restore_in1d() -> None:
    """Let cityscapesscripts 2.3 match predictions with the ground truth.

    It calls ``np.in1d``, which numpy 2.4 has dropped for ``np.isin``. It gets
    a numpy of its own that has it; nobody else's changes.

    Not needed: with numpy below 2.4, or without cityscapesscripts, where
    mmdet's CityScapesMetric says that it is missing.
    """
    try:
        from cityscapesscripts.evaluation import \
            evalInstanceLevelSemanticLabeling as evaluation
    except ImportError:
        return
    if not hasattr(evaluation.np, 'in1d'):
        evaluation.np = _NumpyWithIn1d()


restore_in1d()
