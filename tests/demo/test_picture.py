# Copyright (c) mmregioncl contributors. All rights reserved.
"""The demo's picture: k-NN of both runs, and what is said of it.

That the whole is drawn shows `make demo`.
"""
from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from matplotlib.figure import Figure

REPO = Path(__file__).resolve().parents[2]
TOOL = runpy.run_path(str(REPO / 'demo/picture.py'))
CURVES = {
    'RegionCL-M': [(0, 25.), (10, 50.)],
    'MoCo v2': [(0, 25.), (10, 40.)]
}


def test_each_run_is_a_line_with_its_last_value() -> None:
    axes = Figure().subplots()
    TOOL['draw_knn'](axes, CURVES)
    assert [list(map(tuple, line.get_xydata()))
            for line in axes.lines] == list(CURVES.values())
    assert [text.get_text() for text in axes.texts] == ['50.0', '40.0']
    labels = axes.get_legend().get_texts()
    assert [label.get_text() for label in labels] == list(CURVES)


def test_summary_has_the_standard_error() -> None:
    """Of a share of a half of 400 images: 100 * sqrt(1/4 / 400)."""
    text = TOOL['summarise'](CURVES, 400)
    assert text.startswith('k-NN top-1: 25.0 % random weights, '
                           '50.0 % RegionCL-M, 40.0 % MoCo v2\n')
    assert '400 images: a standard error of 2.5 points' in text


def test_folders_that_are_no_run(tmp_path: Path,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('sys.argv', ['picture.py', str(tmp_path), 'out.png'])
    with pytest.raises(SystemExit, match='holds no config'):
        TOOL['main']()
    monkeypatch.setattr('sys.argv', ['picture.py', str(tmp_path)])
    with pytest.raises(SystemExit, match='WORK_DIR OF ITS HOST'):
        TOOL['main']()
