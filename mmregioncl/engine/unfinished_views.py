# Copyright (c) mmregioncl contributors. All rights reserved.
"""Whether somebody finishes the views that a pipeline leaves unfinished."""
from __future__ import annotations

from typing import Any, Iterable

from torch import nn

from mmregioncl.datasets.transforms import PackViews
from mmregioncl.models.data_preprocessors import DeviceViewsPreprocessor


def check_finished(datasets: Iterable[Any], model: nn.Module) -> None:
    """Raise ValueError if views would reach the network unfinished.

    Args:
        datasets (Iterable): Those of the training, without wrappers.
        model (nn.Module): The algorithm.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if isinstance(preprocessor, DeviceViewsPreprocessor):
        return
    for each in datasets:
        transforms = getattr(getattr(each, 'pipeline', None), 'transforms', ())
        if any(isinstance(one, PackViews) for one in transforms):
            raise ValueError(
                'LoadViews leaves colour jitter, grey, blur and flip to the '
                'device, but model.data_preprocessor is '
                f'{type(preprocessor).__name__}: set '
                "model.data_preprocessor.type='DeviceViewsPreprocessor', or "
                "use MMSelfSup's LoadImageFromFile, MultiView and "
                'PackSelfSupInputs in the pipeline')
