# Copyright (c) mmregioncl contributors. All rights reserved.
"""Everything that lets MMSelfSup 1.0.0 run on today's stack.

One function per remedy. Each says what breaks, and under which condition it
has nothing to do. :func:`apply_compat` calls all of them; calling it twice
does no harm. Nothing here is imported by ``mmregioncl.core``.
"""
from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import sys
import warnings
from typing import Any, Callable

# The newest mmcv that mmselfsup 1.0.0 and mmcls 1.0.0rc6 accept is any
# release below 2.1.0; this is the version that they are shown.
_ACCEPTED_MMCV = '2.0.1'
# What we have run them on. From 2.2.0 on mmdet and mmseg refuse as well.
_NEWEST_MMCV = '2.2.0'


def apply_compat() -> None:
    """Apply every remedy, in the order in which the parts are imported."""
    fix_adjust_hue()
    import_behind_version_wall('mmcls')
    import_behind_version_wall('mmselfsup')
    make_way_for_extra_norm()
    drop_missing_registry_locations()
    allow_mmengine_checkpoints()


def import_behind_version_wall(name: str) -> None:
    """Import ``mmselfsup`` or ``mmcls`` although mmcv is 2.1.

    Both assert ``mmcv < 2.1.0`` when they are imported. Nothing that they use
    changed in 2.1, so they are shown an older version number for the length
    of their import.

    Not needed: with mmcv below 2.1.0, or once the package is imported.

    Args:
        name (str): ``'mmcls'`` or ``'mmselfsup'``.

    Raises:
        ImportError: If mmcv is 2.2 or newer, which nobody has run this on.
    """
    if name in sys.modules:
        return
    import mmcv
    from mmengine.utils import digit_version
    version = mmcv.__version__
    if digit_version(version) >= digit_version(_NEWEST_MMCV):
        raise ImportError(
            f'mmcv {version} is too new for {name}; install '
            f'"mmcv>=2.0.0,<{_NEWEST_MMCV}" (or mmcv-lite) instead')
    if digit_version(version) > digit_version(_ACCEPTED_MMCV):
        mmcv.__version__ = _ACCEPTED_MMCV
    try:
        importlib.import_module(name)
    finally:
        mmcv.__version__ = version


def make_way_for_extra_norm() -> None:
    """Import MMSelfSup's models after our C4 detector's shared head.

    Both packages register a ``ResLayerExtraNorm`` for MMDetection, the two
    are interchangeable, and MMSelfSup's import fails where the name is taken.
    Ours steps aside for the length of the import.

    Not needed: unless a C4 detector was built before.
    """
    ours = 'mmregioncl.transfer.res_layer_extra_norm'
    if ours not in sys.modules or 'mmselfsup.models' in sys.modules:
        return
    from mmdet.registry import MODELS
    kept = MODELS.module_dict.pop('ResLayerExtraNorm', None)
    try:
        importlib.import_module('mmselfsup.models')
    finally:
        if kept is not None:
            MODELS.module_dict.setdefault('ResLayerExtraNorm', kept)


def drop_missing_registry_locations() -> None:
    """Let ``Runner.from_cfg`` search MMSelfSup's registries.

    The RUNNERS, RUNNER_CONSTRUCTORS and LOOPS registries of mmselfsup 1.0.0
    name ``mmselfsup.engine.runner`` as the place of their classes. That module
    does not exist, and MMEngine >= 0.8 imports it at the first look-up.

    Not needed: where the module exists.
    """
    from mmselfsup import registry
    for each in (registry.RUNNERS, registry.RUNNER_CONSTRUCTORS,
                 registry.LOOPS):
        each._locations = [
            place for place in each._locations
            if importlib.util.find_spec(place) is not None
        ]


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read MMEngine's checkpoints.

    torch >= 2.6 loads with ``weights_only=True`` and refuses the
    ``HistoryBuffer`` and the numpy scalars that every MMEngine training
    checkpoint holds in its message hub. Exactly these are allowed. A
    HistoryBuffer names its statistics through ``builtins.getattr``; a general
    ``getattr`` would open the door to any function there is, so that name is
    mapped to one which resolves those methods and nothing else.

    Not needed: with torch below 2.6, where ``weights_only`` is off unless
    asked for, and whose list takes no (function, name) pairs.
    """
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer
    from mmengine.utils import digit_version
    if digit_version(torch.__version__) < digit_version('2.6.0'):
        return
    scalar_types = (np.float64, np.float32, np.int64, np.int32, np.bool_)
    reconstruct = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [
        HistoryBuffer,
        (_history_buffer_method, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(each)) for each in scalar_types},
    ]
    # numpy 1 and 2 keep these two under different names; a checkpoint may
    # come from either.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed += [(reconstruct, f'{module}._reconstruct'),
                    (scalar, f'{module}.scalar')]
    torch.serialization.add_safe_globals(allowed)


def _history_buffer_method(owner: Any, name: str) -> Callable:
    """``getattr`` for the statistics of HistoryBuffer, and nothing else."""
    from mmengine.logging import HistoryBuffer
    if owner is HistoryBuffer and name in ('min', 'max', 'mean', 'current'):
        return builtins.getattr(HistoryBuffer, name)
    raise ValueError(f'a checkpoint asks for the attribute {name!r} of '
                     f'{owner!r}; only the statistics of HistoryBuffer are '
                     'allowed')


class _HueFactor(float):
    """A hue factor whose product wraps around as numpy 1 did in uint8."""

    def __mul__(self, other: Any) -> int:  # type: ignore[override]
        return int(float(self) * other) % 256


def fix_adjust_hue() -> None:
    """Let ``mmcv.adjust_hue``, and so ColorJitter, turn hue to the left.

    mmcv <= 2.1 computes ``np.uint8(hue_factor * 255)``. numpy 2 raises
    OverflowError for negative numbers, which numpy 1 wrapped around. The
    stock MoCo, DenseCL and SimSiam pipelines crash on half of their images.

    Not needed: with numpy 1, or an mmcv whose ``adjust_hue`` takes -0.1.
    """
    import mmcv
    import numpy as np
    from mmcv.image import photometric
    original = photometric.adjust_hue
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            original(np.zeros((1, 1, 3), np.uint8), -0.1, backend='cv2')
        return
    except OverflowError:
        pass

    @functools.wraps(original)
    def adjust_hue(img: np.ndarray,
                   hue_factor: float,
                   backend: str | None = None) -> np.ndarray:
        return original(img, _HueFactor(hue_factor), backend)

    for module in (mmcv, mmcv.image, photometric):
        setattr(module, 'adjust_hue', adjust_hue)
    # Modules that took the function by name before we came.
    for name in ('mmselfsup.datasets.transforms.processing', ):
        if name in sys.modules:
            setattr(sys.modules[name], 'adjust_hue', adjust_hue)
