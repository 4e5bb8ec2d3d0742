# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from tests.stock_views import write_photos


@pytest.fixture
def tool(repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(repo_root / 'tools/benchmarks'))
    threads = cv2.getNumThreads(), torch.get_num_threads()
    yield importlib.import_module('dataloader')
    cv2.setNumThreads(threads[0])
    torch.set_num_threads(threads[1])
    for name in ('dataloader', 'machine'):
        sys.modules.pop(name, None)


@pytest.mark.parametrize('per_core, needed, said', [
    (100., 1600., 'the workers wait; 16 cores would do'),
    (500., 1200., 'the workers wait; 3 cores would do'),
    (60., 1200., 'the device waits, 20% of the time; it needs 20 cores'),
])
def test_verdict(tool: Any, per_core: float, needed: float, said: str) -> None:
    assert tool.verdict(per_core, 16, needed).endswith(said)


def test_files_are_of_the_usual_size(tool: Any, tmp_path: Path) -> None:
    write_photos(tmp_path / 'in', 1, 480, 320, 'jpg')
    (tmp_path / 'in' / 'mask.png').write_bytes(b'not looked at')
    tool.resize_like_imagenet(tmp_path / 'in', tmp_path, 2)
    for number in range(2):
        file = tmp_path / f'{number:05}.jpg'
        assert cv2.imread(str(file)).shape == (375, 500, 3)
        assert file.stat().st_size == pytest.approx(80_000, rel=.2)
    (tmp_path / 'none').mkdir()
    with pytest.raises(SystemExit, match='has no JPEG files'):
        tool.resize_like_imagenet(tmp_path / 'none', tmp_path, 2)


def test_measures_both_paths(tool: Any, tmp_path: Path,
                             monkeypatch: pytest.MonkeyPatch,
                             capsys: pytest.CaptureFixture) -> None:
    write_photos(tmp_path, 4, 64, 80, 'jpg')
    monkeypatch.setattr(sys, 'argv', [
        'dataloader.py', '--data',
        str(tmp_path), '--as-is', '--size', '32', '--batch', '4', '--repeats',
        '2', '--json',
        str(tmp_path / 'out.json')
    ])
    tool.main()
    printed = capsys.readouterr().out
    assert '| worker: file to batch |' in printed
    assert 'stock: 16 cores load' in printed
    worker, whole = json.loads((tmp_path / 'out.json').read_text())
    assert whole['stock_ms'] > worker['stock_ms'] > 0
    assert whole['ours_ms'] > worker['ours_ms'] > 0
    assert worker['ratio_low'] <= worker['ratio'] <= worker['ratio_high']
    assert worker['ours_per_core'] == pytest.approx(1e3 / worker['ours_ms'])
    assert worker['files'] == 4
