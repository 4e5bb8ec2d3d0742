# Copyright (c) mmregioncl contributors. All rights reserved.
"""Puts configs/, tools/ and model-index.yml where mim looks for them.

That place is ``mmregioncl/.mim`` of the installed package. A wheel gets
copies; an editable install gets links in the source tree, so that an edited
config is what mim runs. Everything else stands in setup.cfg.
"""
from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
ITEMS = (
    'configs',
    'tools',
    'model-index.yml',
    'docs/results/paper.json',  # tools/benchmarks/run_all.py compares with it
)


def fill_mim(package: Path, link: bool) -> None:
    """Make ``package/.mim`` anew from what the source tree holds."""
    mim = package / '.mim'
    shutil.rmtree(mim, ignore_errors=True)
    mim.mkdir(parents=True)
    for name in ITEMS:
        source = ROOT / name
        if not source.exists():
            continue
        (mim / name).parent.mkdir(parents=True, exist_ok=True)
        if link:
            (mim / name).symlink_to(source, source.is_dir())
        elif source.is_dir():
            shutil.copytree(
                source,
                mim / name,
                ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy2(source, mim / name)


class BuildPy(build_py):
    """Runs for wheels, and with ``editable_mode`` for ``pip install -e``."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            fill_mim(ROOT / 'mmregioncl', link=True)
        else:
            fill_mim(Path(self.build_lib) / 'mmregioncl', link=False)


setup(cmdclass={'build_py': BuildPy})
