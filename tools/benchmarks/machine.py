# Copyright (c) mmregioncl contributors. All rights reserved.
"""What a figure was taken on."""
from __future__ import annotations

import platform
from pathlib import Path

import torch


def describe(device: str = 'cpu') -> str:
    """Name of the device, threads, and torch.

    Args:
        device (str): ``'cpu'``, or a GPU. Defaults to ``'cpu'``.
    """
    if torch.device(device).type == 'cuda':
        name = torch.cuda.get_device_name(device)
    else:
        name = (f'{_cpu_name()} ({torch.backends.cpu.get_cpu_capability()}), '
                f'{torch.get_num_threads()} threads')
    return f'{name}, torch {torch.__version__}'


def _cpu_name() -> str:
    cpu = Path('/proc/cpuinfo')
    for line in cpu.read_text().splitlines() if cpu.exists() else ():
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()
