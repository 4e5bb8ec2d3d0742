# Copyright (c) mmregioncl contributors. All rights reserved.
"""A copy of the checkout, and what pip would build of it."""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

_CALL_BACKEND = ('import sys; from setuptools import build_meta as b; '
                 'print(getattr(b, sys.argv[1])(sys.argv[2]))')


def copy_checkout(repo: Path, copy: Path) -> Path:
    """Copy what git tracks: builds leave files in the source tree."""
    for name in git(repo, 'ls-files', '-z').split('\0'):
        if name and (repo / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repo / name, copy / name)
    return copy


def git(repo: Path, *args: str) -> str:
    """What git prints."""
    # safe.directory: in a container another user may own the checkout
    return subprocess.run(['git', '-c', f'safe.directory={repo}', *args],
                          cwd=repo,
                          check=True,
                          capture_output=True,
                          text=True).stdout


def build(source: Path, kind: str, out: Path) -> Path:
    """Call the build backend as pip does; ``kind`` is its function."""
    out.mkdir(exist_ok=True)
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', _CALL_BACKEND, kind,
         str(out)],
        cwd=source,
        capture_output=True,
        text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return out / result.stdout.strip().splitlines()[-1]
