# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

# The resident memory, in MB, after a block of 256 MB came and went; twice
CHILD = """
import torch
from mmregioncl.cpu_memory import keep_freed_memory

def resident():
    block = torch.ones(64 << 20)
    del block
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4096 >> 20

torch.ones(1)
before = resident()
kept = keep_freed_memory()
print(kept, before, resident())
"""


@pytest.mark.skipif(
    torch.cuda.is_available() or platform.libc_ver()[0] != 'glibc',
    reason='there is nothing to do on a GPU or without glibc')
def test_a_freed_block_stays() -> None:
    """In a process of its own: it cannot be taken back."""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', CHILD],
                          cwd=Path(__file__).parents[1],
                          capture_output=True,
                          text=True,
                          check=True)
    kept, before, after = done.stdout.split()
    assert kept == 'True'
    assert 250 < int(after) - int(before) < 300
