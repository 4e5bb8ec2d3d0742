# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope='module')
def tool() -> dict:
    path = Path(__file__).parents[2] / 'tools/misc/draw_pages.py'
    return runpy.run_path(str(path))


def test_it_draws_what_the_pages_show(tool: dict, repo_root: Path) -> None:
    """No more and no less, each by a tool that is there."""
    pictures = tool['pictures'](Path('epoch_60.pth'))
    images = (repo_root / 'docs/images').iterdir()
    assert {f'{name}.png' for name in pictures} == {x.name for x in images}
    for name, (_, width, words) in pictures.items():
        assert (repo_root / f'tools/analysis_tools/{words[0]}.py').is_file()
        with Image.open(repo_root / f'docs/images/{name}.png') as image:
            assert image.width == width


def test_shrink(tool: dict, tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    pixels = np.broadcast_to(ramp[None, :, None], (100, 400, 3))
    Image.fromarray(pixels.copy()).save(tmp_path / 'a.png')
    tool['shrink'](tmp_path / 'a.png', tmp_path / 'b.png', 200)
    small = np.asarray(Image.open(tmp_path / 'b.png').convert('RGB'), float)
    assert small.shape == (50, 200, 3)
    assert np.abs(small - pixels[::2, ::2]).max() < 6


def test_no_run(tool: dict, tmp_path: Path, capsys: pytest.CaptureFixture,
                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'argv', ['draw_pages.py', str(tmp_path)])
    with pytest.raises(SystemExit):
        tool['main']()
    assert '`make demo` makes one' in capsys.readouterr().err
