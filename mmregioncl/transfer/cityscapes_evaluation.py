# Copyright (c) mmregioncl contributors. All rights reserved.
"""Cityscapes' evaluation of instances on numpy 2.4. Needs cityscapesscripts.

Import it by ``custom_imports=dict(imports=[
'mmregioncl.transfer.cityscapes_evaluation'])``.
"""
from __future__ import annotations

from typing import Any

import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as CSEval
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

    Not needed: with numpy below 2.4.
    """
    if not hasattr(CSEval.np, 'in1d'):
        CSEval.np = _NumpyWithIn1d()


restore_in1d()
