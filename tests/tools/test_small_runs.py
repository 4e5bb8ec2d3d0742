# Copyright (c) mmregioncl contributors. All rights reserved.
"""tools/benchmarks/small_runs.py: its names and its table; nothing is run."""
from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest


@pytest.fixture(scope='module')
def tool() -> dict:
    path = Path(__file__).parents[2] / 'tools/benchmarks/small_runs.py'
    return runpy.run_path(str(path))


def test_every_name_is_a_config(tool: dict, repo_root: Path) -> None:
    for width in ('r18', 'r18w16'):
        names = tool['names'](list(tool['HOSTS']), list(tool['DATA']), width)
        assert len(set(names)) == 12
        for name in names:
            assert (repo_root / f'configs/small/{name}.py').is_file()


def test_summary_and_table(tool: dict, tmp_path: Path) -> None:
    assert tool['summarise']('new', [{'knn/top1': 20., 'step': 0}]) is None
    row = tool['summarise']('regioncl_mocov2_r18_cifar10', [
        {
            'knn/top1': 20.,
            'step': 0
        },
        dict(loss=7., loss_instance=4., loss_region=3., step=50),
        dict(loss=5., loss_instance=3., loss_region=2., step=100),
        {
            'knn/top1': 30.,
            'step': 2
        },
    ])
    assert (row['knn_random'], row['knn_last'], row['epochs']) == (20, 30, 2)
    assert (row['loss_instance'], row['loss_region']) == (3, 2)
    assert row['iterations'] == 100
    (tmp_path / 'small_runs.md'
     ).write_text('# Runs\n\n<!-- table -->\n<!-- end of table -->\nMore.\n')
    for _ in range(2):  # the second time it replaces its own table
        table = tool['write']([row], tmp_path)
    page = (tmp_path / 'small_runs.md').read_text()
    assert page.startswith('# Runs') and page.endswith('More.\n')
    assert page.count(table) == 1
    assert '| 2 | 20.00 | 30.00 | 3.000 | 2.000 |' in table
    assert json.loads((tmp_path / 'small_runs.json').read_text()) == [row]


def test_a_run_made_elsewhere_is_kept(tool: dict, tmp_path: Path) -> None:
    (tmp_path / 'curves').mkdir()
    (tmp_path / 'curves/not_here.json'
     ).write_text('{"loss": 1.0, "step": 1}\n{"knn/top1": 30.0, "step": 1}\n')
    records = tool['read_curves']('not_here', tmp_path)
    assert records == [dict(loss=1., step=1), {'knn/top1': 30., 'step': 1}]
    assert tool['read_curves']('nowhere', tmp_path) == []
