# Copyright (c) mmregioncl contributors. All rights reserved.
"""What ``--amp`` does to a config."""
from __future__ import annotations

from typing import Any

import torch


def apply_amp(cfg: Any, precision: str) -> str:
    """Train in mixed precision.

    Args:
        cfg (mmengine.Config): The config; changed in place.
        precision (str): ``'bf16'``, ``'fp16'``, or ``'auto'``: bf16 where
            the device computes in it (CPUs, GPUs since Ampere), else fp16;
            fp16 for MMDetection, as mmcv 2.1's NMS and RoIAlign know no bf16.

    Returns:
        str: The precision that was set.

    Raises:
        ValueError: If the device or the config cannot do it.
    """
    gpu = torch.cuda.is_available()
    detector = cfg.get('default_scope') == 'mmdet'
    if detector and (precision == 'bf16' or not gpu):
        raise ValueError(
            f'--amp {precision}: the operators of a detector, NMS and '
            'RoIAlign of mmcv, know no bf16, and fp16 needs a GPU; use --amp '
            'fp16 there, and leave --amp out on a CPU')
    if precision == 'auto':
        bf16 = not detector and (not gpu or _computes_in_bf16())
        precision = 'bf16' if bf16 else 'fp16'
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'BFloat16OptimWrapper'):
        raise ValueError(f'--amp does not go with optim_wrapper.type={kind!r}')
    if precision == 'fp16' and not gpu:
        raise ValueError(
            '--amp fp16 needs a GPU: MMEngine scales the loss on GPUs only, '
            'and CPUs are slow in fp16; use --amp bf16')
    for name in ('loss_scale', 'dtype'):  # of the other wrapper
        cfg.optim_wrapper.pop(name, None)
    if precision == 'bf16':
        import mmregioncl.engine.optimizers  # noqa: F401 registers it
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
    else:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.loss_scale = 'dynamic'
        cfg.optim_wrapper.dtype = 'float16'
    return precision


def _computes_in_bf16() -> bool:
    return torch.cuda.get_device_capability()[0] >= 8  # 8.0 is Ampere
