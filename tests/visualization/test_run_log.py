# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmregioncl.visualization import knn_curve, read_run


def write(folder: Path, *records: dict) -> None:
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('\n'.join(
        json.dumps(record) for record in records))


def test_a_resumed_run_is_one_run(tmp_path: Path) -> None:
    """Iteration 4 was lost with the stop and done again."""
    write(tmp_path / '20260101_000000/vis_data', {
        'knn/top1': 10.,
        'step': 0
    }, dict(lr=1, loss=3., step=2), {
        'knn/top1': 20.,
        'step': 2
    }, dict(lr=1, loss=2., step=4))
    write(tmp_path / '20260102_000000/vis_data', dict(lr=1, loss=1., step=4))
    records = read_run(tmp_path)
    assert [r['step'] for r in records] == [0, 2, 2, 4]
    assert [r.get('loss') for r in records] == [None, 3., None, 1.]


def test_one_file(tmp_path: Path) -> None:
    write(tmp_path / 'x', dict(lr=1, loss=3., step=2))
    assert read_run(tmp_path /
                    'x/scalars.json') == [dict(lr=1, loss=3., step=2)]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='holds no run.*name the work dir'):
        read_run(tmp_path)
    with pytest.raises(ValueError, match='holds no run'):
        read_run(tmp_path / 'gone')


@pytest.mark.parametrize('text', ['{"step": 1}\n{"st', '[1]', '{"loss": 1}'])
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / 'scalars.json'
    file.write_text(text)
    with pytest.raises(ValueError, match=r'line \d is no record of a run'):
        read_run(file)


def test_knn_is_told_from_losses() -> None:
    log = [{
        'step': 0,
        'knn/top1': 25.
    }, {
        'step': 12,
        'loss': 6.
    }, {
        'step': 10,
        'knn/top1': 50.
    }]
    assert knn_curve(log) == [(0, 25.), (10, 50.)]
