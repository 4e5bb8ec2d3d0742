# Copyright (c) mmregioncl contributors. All rights reserved.
"""tools/benchmarks/transfer.py, with the training itself left out.

That each config trains and evaluates is in tests/benchmarks.
"""
from __future__ import annotations

import json
import runpy
import statistics
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

AP = {('random', 0): .1, ('random', 1): .3, ('ours', 0): .5, ('ours', 1): .4}


@pytest.fixture
def transfer(repo_root: Path, monkeypatch: pytest.MonkeyPatch,
             tmp_path: Path) -> Any:
    """The tool as a command; what it started, and a fault to inject."""
    monkeypatch.chdir(tmp_path)
    for name in 'ab':
        (tmp_path / f'{name}.pth').write_text(name)
    (tmp_path / 'det.py').write_text('lr = 1\n')
    seen = SimpleNamespace(calls=[], code=0)

    def started(words: list[str], stdout: Any, **_: Any) -> Any:
        """As train_downstream.py leaves a run behind."""
        folder = Path(words[words.index('--work-dir') + 1])
        seed = int(words[words.index('--seed') + 1])
        init = 'random' if words[3] == 'random' else 'ours'
        seen.calls.append((Path(words[3]).name, seed, words[-1]))
        scalars = folder / '20260101_000000/vis_data/scalars.json'
        scalars.parent.mkdir(parents=True, exist_ok=True)
        records = [{
            'loss': 1.,
            'step': 20
        }, {
            'coco/bbox_mAP': AP[init, seed],
            'step': 20
        }]
        if seen.code == 0:
            scalars.write_text('\n'.join(map(json.dumps, records)) + '\n')
        return SimpleNamespace(returncode=seen.code)

    monkeypatch.setattr('subprocess.run', started)

    def run(*arguments: str) -> None:
        words = [
            'transfer.py', '--configs', 'det.py', '--work-dir', 'w', '--out',
            'out', '--seeds', '0', '1', *arguments
        ]
        monkeypatch.setattr(sys, 'argv', words)
        runpy.run_path(
            str(repo_root / 'tools/benchmarks/transfer.py'),
            run_name='__main__')

    seen.run = run
    return seen


BOTH = '--init', 'random', '--init', 'ours', 'a.pth', 'b.pth'


def test_mean_and_deviation_of_every_initialisation(transfer: Any,
                                                    capsys: Any) -> None:
    transfer.run(*BOTH)
    # seed by seed; each seed has its own checkpoint, if there are several
    assert [call[:2]
            for call in transfer.calls] == [('random', 0), ('a.pth', 0),
                                            ('random', 1), ('b.pth', 1)]
    rows = json.loads(Path('out/transfer.json').read_text())
    assert [row['init'] for row in rows] == ['random', 'ours']
    for row in rows:
        values = [100 * AP[row['init'], seed] for seed in (0, 1)]
        assert [each['value'] for each in row['values']] == values
        assert row['mean'] == pytest.approx(statistics.mean(values))
        assert row['std'] == pytest.approx(statistics.stdev(values))
        assert (row['config'], row['metric'], row['runs']) == ('det', 'box AP',
                                                               2)
    out = capsys.readouterr().out
    assert '4 of 4 runs are done' in out
    for text in (out, Path('out/transfer.md').read_text()):
        assert '| det | box AP | ours | 2 | 45.00 | 7.07 |' in text


def test_what_others_measured_stays(transfer: Any, capsys: Any) -> None:
    """Another initialisation is added; fewer runs of one replace none."""
    transfer.run(*BOTH)
    before = json.loads(Path('out/transfer.json').read_text())
    transfer.run('--init', 'more', 'a.pth')
    transfer.run(*BOTH, '--seeds', '0')
    assert 'det, box AP, ours: the table keeps its 2 runs; these are 1' in (
        capsys.readouterr().out)
    rows = json.loads(Path('out/transfer.json').read_text())
    assert rows[:2] == before
    assert [row['init'] for row in rows] == ['random', 'ours', 'more']
    assert '| det | box AP | more | 2 |' in Path('out/transfer.md').read_text()


def test_goes_on_where_it_stopped(transfer: Any, capsys: Any) -> None:
    transfer.run(*BOTH, '--max-runs', '1')
    transfer.run(*BOTH, '--max-runs', '2')
    assert len(transfer.calls) == 3
    assert '3 of 4 runs are done' in capsys.readouterr().out
    row = json.loads(Path('out/transfer.json').read_text())[1]
    assert (row['runs'], row['std']) == (1, None)  # no deviation of one
    transfer.code = 1
    with pytest.raises(SystemExit):
        transfer.run(*BOTH)
    assert 'failed: see' in capsys.readouterr().err
    transfer.code = 0
    transfer.run(*BOTH)
    transfer.run(*BOTH)
    assert len(transfer.calls) == 5  # the failed one again, then none


@pytest.mark.parametrize('change', ['weights', 'recipe', 'options'])
def test_a_result_of_something_else_is_not_taken(transfer: Any, change: str,
                                                 capsys: Any) -> None:
    transfer.run(*BOTH)
    more: list[str] = []
    if change == 'weights':
        Path('b.pth').write_text('other')
    elif change == 'recipe':
        Path('det.py').write_text('lr = 2\n')
    else:
        more = ['--cfg-options', 'lr=2']
    with pytest.raises(SystemExit):
        transfer.run(*BOTH, *more)
    error = capsys.readouterr().err
    what = 'weights' if change == 'weights' else 'recipe'
    assert f'another {what}' in error and '--work-dir' in error
    assert len(transfer.calls) == 4


def test_options_are_passed_on(transfer: Any) -> None:
    transfer.run('--init', 'random', '--cfg-options', 'lr=3')
    assert {call[2] for call in transfer.calls} == {'lr=3'}


@pytest.mark.parametrize('arguments, message', [
    (['--init', 'ours', 'gone.pth'], "no file 'gone.pth'"),
    (['--init', 'ours'], 'a name and its checkpoints'),
    (['--init', 'random', 'a.pth'], '`random` alone'),
    (['--init', 'x', 'a.pth', '--init', 'x', 'b.pth'], 'given twice'),
    (['--init', 'random', '--configs', 'no_such'], "no config 'no_such'"),
])
def test_refuses(transfer: Any, capsys: Any, arguments: list[str],
                 message: str) -> None:
    with pytest.raises(SystemExit):
        transfer.run(*arguments)
    assert message in capsys.readouterr().err
    assert not transfer.calls
