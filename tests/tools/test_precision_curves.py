# Copyright (c) mmregioncl contributors. All rights reserved.
"""Curves of two precisions, on a run of a few steps."""
from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from tests import tiny_run


@pytest.fixture(scope='module')
def tool(repo_root: Path) -> dict[str, Any]:
    return runpy.run_path(
        str(repo_root / 'tools/benchmarks/'
            'precision_curves.py'))


def test_distance_by_hand(tool: dict[str, Any]) -> None:
    """Smoothed over ten steps; alternating noise goes, an offset stays."""
    flat = [1.] * 30
    noisy = [1 + 0.5 * (-1)**step for step in range(30)]
    assert tool['distance'](flat, noisy) == pytest.approx(0)
    assert tool['distance'](flat, [3.] * 30) == pytest.approx(2)


def test_verdict_by_hand(tool: dict[str, Any]) -> None:
    fp32 = [[level] * 20 for level in (1., 2., 4.)]
    bf16 = [[level] * 20 for level in (1.5, 2., 4.1)]
    figures = tool['verdict'](dict(fp32=fp32, bf16=bf16))
    assert figures['between_precisions'] == pytest.approx(0.6 / 3)
    assert figures['between_seeds'] == pytest.approx((1 + 3 + 2) / 3)
    assert figures['ratio'] == pytest.approx(0.1)
    assert figures['last_fp32'] == pytest.approx(7 / 3)


def test_both_precisions(tool: dict[str, Any], tmp_path: Path,
                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Same first step; runs do not get into each other's way."""
    images = tiny_run.write_images(tmp_path / 'images', 4)
    config = tmp_path / 'tiny.py'
    Config(tiny_run.config(images, tmp_path)).dump(config)
    out = tmp_path / 'out.json'
    monkeypatch.setattr('sys.argv', [
        'precision_curves.py',
        str(config), '--steps', '2', '--seeds', '2', '--batch', '4', '--json',
        str(out)
    ])
    tool['main']()
    row, = json.loads(out.read_text())
    for precision, curves in row['curves'].items():
        assert [len(each) for each in curves] == [2, 2], precision
    for fp32, bf16 in zip(row['curves']['fp32'], row['curves']['bf16']):
        assert fp32[0] == pytest.approx(bf16[0], rel=0.01)
        assert fp32[0] != bf16[0]
    assert row['curves']['fp32'][0] != row['curves']['fp32'][1]
