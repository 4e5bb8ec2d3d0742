# Copyright (c) mmregioncl contributors. All rights reserved.
"""The report of tools/benchmarks/soak.py; the hour itself is no test."""
from __future__ import annotations

import json
import os
import random
import runpy
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope='module')
def tool(repo_root: Path) -> dict[str, Any]:
    return runpy.run_path(str(repo_root / 'tools/benchmarks/soak.py'))


def write_log(path: Path, growth: float) -> None:
    """One life too short to fit, one of 20 minutes with a k-NN in it."""
    noise = random.Random(0)
    records: list[dict] = [dict(started='then', machine='here')]
    for life, seconds in ((1, 120), (2, 1200)):
        for t in range(10, seconds, 10):
            rss = [int(1e9 + growth * 1e6 * t / 3600 + noise.random() * 1e5),
                   500_000_000]
            anon = [each - 400_000_000 for each in rss]
            files = [18, noise.choice([18, 20])]
            if t == 600:  # the workers of a k-NN
                rss, files = rss + [9_000_000_000], files + [300]
            records.append(
                dict(life=life, t=t, rss=rss, anon=anon, files=files))
        records.append(dict(life=life, ended='SIGKILL', code=-9,
                            seconds=seconds, resumed=7))
    path.write_text('\n'.join(json.dumps(each) for each in records))


@pytest.mark.parametrize('growth', [0., 60.])
def test_growth_is_found(tool: dict[str, Any], tmp_path: Path,
                         growth: float) -> None:
    write_log(tmp_path / 'soak.jsonl', growth)
    page = tool['report'](tmp_path / 'soak.jsonl')
    assert '22 minutes in 2 lives' in page
    assert '| 1 | 2.0 | 7 | SIGKILL | -9 |' in page
    training, worker = page.splitlines()[-2:]
    cells = [cell.strip() for cell in training.split('|')]
    assert cells[1:4] == ['2', '88', 'training']  # not the first, no k-NN
    for cell in (cells[5], cells[7]):
        slope, error = map(float, cell.split('±'))
        assert abs(slope - growth) < 4 * error < 1
    assert worker.startswith('| 2 | 88 | worker | 500 | +0.00 ± 0.00 '
                             '| 100 | +0.00 ± 0.00 |')


def test_this_process(tool: dict[str, Any]) -> None:
    found = tool['sample'](os.getpid())
    assert found['rss'][0] > found['anon'][0] > 1e6
    assert found['files'][0] >= 3


def test_a_folder_that_is_there(tool: dict[str, Any], tmp_path: Path,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('sys.argv', ['soak.py', '--work-dir', str(tmp_path)])
    with pytest.raises(SystemExit, match='would be resumed'):
        tool['main']()
