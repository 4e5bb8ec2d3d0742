# Copyright (c) mmregioncl contributors. All rights reserved.
"""The evidence runs: what each changes, and what the table makes of them."""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mmengine.config import Config
from PIL import Image

from mmregioncl.cfg_options import CfgOptions, as_text

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / 'tools/benchmarks'))

import evidence  # noqa: E402
import evidence_picture  # noqa: E402
import evidence_runs  # noqa: E402

RUNS = {run.name: run for run in evidence_runs.all_runs()}


def settings(tmp_path: Path) -> argparse.Namespace:
    return argparse.Namespace(
        images=100, epochs=8, amp=None, anew=False, work_dir=tmp_path)


def configured(run: Any, tmp_path: Path) -> Config:
    """The config of a run, its options through the command line's parser."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions)
    changes = [
        f'{key}={as_text(value)}'
        for key, value in evidence.options(settings(tmp_path), run).items()
    ]
    cfg = Config.fromfile(REPO / f'configs/small/{run.config}.py')
    cfg.merge_from_dict(
        parser.parse_args(['--cfg-options', *changes]).cfg_options)
    return cfg


def test_names_and_hosts() -> None:
    assert len(RUNS) == len(evidence_runs.all_runs())
    for run in RUNS.values():
        assert run.host in RUNS and not run.host.startswith('regioncl')
        assert (REPO / f'configs/small/{run.config}.py').exists()


@pytest.mark.parametrize('name', RUNS)
def test_settings_arrive(name: str, tmp_path: Path) -> None:
    """Each setting is one that the config or its algorithm has."""
    run = RUNS[name]
    cfg = configured(run, tmp_path)
    epochs = round(8 * run.longer)
    warm_up, cosine = cfg.param_scheduler
    assert cfg.train_cfg.max_epochs == cosine.end == epochs
    assert warm_up.end == cosine.begin == epochs - cosine.T_max
    assert cfg.train_dataloader.dataset.max_images == 100
    plain = Config.fromfile(REPO / f'configs/small/{run.config}.py').model
    for key, value in run.options.items():
        found: Any = cfg
        for part in key.split('.'):
            found = found[part]
        assert found == value
    changed = {
        key
        for key in cfg.model if dict(cfg.model)[key] != dict(plain).get(key)
    }
    assert changed == {key.split('.')[1] for key in run.options}


def finish(args: argparse.Namespace, name: str, seed: int,
           top1: float) -> None:
    """Leave what a finished run leaves."""
    work_dir = evidence.folder(args, RUNS[name], seed)
    log = work_dir / '1/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"step": 0, "knn/top1": 20.0}\n'
                   '{"step": 1, "loss": 1.0, "time": 0.5}\n')
    (work_dir / 'probe.json').write_text(
        json.dumps(dict(knn_top1=top1, linear_top1=top1 + 1)))


def test_table(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    """Means, deviations and gains over the host with the same seed."""
    args = settings(tmp_path)
    host, ours = 'mocov2_r18w16_cifar10', 'regioncl_mocov2_r18w16_cifar10'
    boxes = f'{ours}_boxes'
    for name, values in ((host, {
            0: 40.,
            1: 42.
    }), (ours, {
            0: 43.,
            1: 43.,
            2: 49.
    }), (boxes, {
            1: 44.
    })):
        for seed, top1 in values.items():
            finish(args, name, seed, top1)
    evidence.folder(args, RUNS[ours], 3).mkdir()  # has not finished
    monkeypatch.setattr(evidence, 'OUT', tmp_path / 'out')
    evidence.write(args)
    lines = capsys.readouterr().out.splitlines()
    assert ('| cifar10 | mocov2 | 1.00 | 8 | 2 | 41.0 ± 1.4 |  | 42.0 ± 1.4 '
            '|  |') in lines
    # gains of the two seeds that both have: 3 and 1
    assert ('| cifar10 | RegionCL on mocov2 | 1.75 | 8 | 3 | 45.0 ± 3.5 | '
            '2.0 ± 1.4 | 46.0 ± 3.5 | 2.0 ± 1.4 |') in lines
    # that seed over the host's, and over RegionCL's with one box per batch
    assert ('| cifar10 | a box per image | 1.75 | 8 | 1 | 44.0 | 2.0 | 1.0 | '
            '45.0 | 2.0 | 1.0 |') in lines
    written = json.loads((tmp_path / 'out/evidence.json').read_text())
    assert [row['name'] for row in written['rows']] == [host, ours, boxes]


def test_a_table_of_two_machines(tmp_path: Path, monkeypatch: Any) -> None:
    """What the first ran the second keeps and does not run."""
    host, ours = 'mocov2_r18w16_cifar10', 'regioncl_mocov2_r18w16_cifar10'
    monkeypatch.setattr(evidence, 'OUT', tmp_path / 'out')
    file = tmp_path / 'out/evidence.json'
    first = settings(tmp_path / 'first')
    second = settings(tmp_path / 'second')
    finish(first, host, 1, 40.)
    evidence.write(first)
    finish(second, host, 0, 42.)
    finish(second, ours, 1, 43.)
    evidence.write(second)
    rows = {row['name']: row for row in json.loads(file.read_text())['rows']}
    assert {
        seed: each['knn']
        for seed, each in rows[host]['seeds'].items()
    } == {
        '0': 42.,
        '1': 40.
    }
    assert rows[ours]['knn_gain'] == dict(mean=3.)
    started: list = []
    monkeypatch.setattr(evidence.subprocess, 'run',
                        lambda *args, **_: started.append(args))
    evidence.train(second, RUNS[host], 1)
    assert not started
    second.anew = True
    with pytest.raises(FileNotFoundError):  # trained nothing
        evidence.train(second, RUNS[host], 1)
    assert len(started) == 1
    second.anew, second.epochs = False, 9
    with pytest.raises(SystemExit, match='budget 100x8, these are of 100x9'):
        evidence.write(second)
    second.anew = True
    with pytest.raises(SystemExit, match='no run has finished'):
        evidence.write(second)  # the table stays
    assert json.loads(file.read_text())['rows'] == list(rows.values())
    second.epochs = 8
    evidence.write(second)
    rows = {row['name']: row for row in json.loads(file.read_text())['rows']}
    assert list(rows[host]['seeds']) == ['0']


def test_another_recipe(tmp_path: Path, monkeypatch: Any) -> None:
    """A run is neither continued nor tabulated with other settings."""
    args, name = settings(tmp_path), 'mocov2_r18w16_cifar10'
    monkeypatch.setattr(evidence, 'OUT', tmp_path / 'out')
    monkeypatch.setattr(evidence.subprocess, 'run', lambda *_, **__: None)
    with pytest.raises(FileNotFoundError):  # trained nothing
        evidence.train(args, RUNS[name], 0)
    finish(args, name, 0, 40.)
    evidence.train(args, RUNS[name], 0)
    evidence.write(args)
    args.anew = True
    monkeypatch.setattr(evidence, 'WARM_UP', 3)
    for act in (lambda: evidence.train(args, RUNS[name], 0),
                lambda: evidence.write(args)):
        with pytest.raises(SystemExit, match='begun with other settings'):
            act()


def test_a_run_that_fails(tmp_path: Path, monkeypatch: Any) -> None:
    """No other is started; what has finished is tabulated all the same."""
    started: list = []

    def fail(*words: Any, **_: Any) -> None:
        started.append(words)
        raise subprocess.CalledProcessError(75, 'train.py')

    monkeypatch.setattr(evidence, 'OUT', tmp_path / 'out')
    monkeypatch.setattr(evidence.subprocess, 'run', fail)
    monkeypatch.setattr(sys, 'argv', [
        'evidence.py', '--work-dir',
        str(tmp_path), '--images', '100', '--epochs', '8', '--only',
        'mocov2_r18w16_cifar10', '--seeds', '0', '1', '2'
    ])
    finish(settings(tmp_path), 'mocov2_r18w16_cifar10', 0, 40.)
    with pytest.raises(SystemExit, match='seed1: .*exit status 75'):
        evidence.main()
    assert len(started) == 1
    assert (tmp_path / 'out/evidence.json').exists()


def row(name: str, **gains: float) -> dict[str, Any]:
    """As evidence.json has it; without gains a host."""
    run = RUNS[name]
    return dict(
        name=name,
        group=run.group,
        data=run.config.rsplit('_', 1)[1],
        label=run.label,
        cost=float(run.cost),
        knn_gain=gains,
        linear_gain=gains)


def test_picture(tmp_path: Path) -> None:
    """Panels of more than one gain, every gain at its place."""
    host, full = 'mocov2_r18w16_tinyimagenet', evidence_picture.M
    rows = [
        row(host),
        row(full, mean=3., std=1.),
        row(f'{host}_longer', mean=2.),
        row(f'{full}_half', mean=-1.),
        row('regioncl_mocov2_r18w16_cifar10', mean=5.)
    ]
    panels = evidence_picture.panels(rows)
    assert [[each['name'] for each in chosen]
            for chosen in panels.values()] == [[full, f'{host}_longer'],
                                               [full, f'{full}_half']]
    axes = Figure().subplots()
    evidence_picture.draw_gains(axes, rows[1:4])
    drawn = [bars.lines[0].get_xdata()[0] for bars in axes.containers]
    assert drawn == [3., 3., 2., 2., -1., -1.]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[2] == 'composites of half of the batch · 1.38'
    evidence_picture.draw(rows[:1], tmp_path / 'none.png')
    assert not (tmp_path / 'none.png').exists()
    evidence_picture.draw(rows, tmp_path / 'some.png')
    with Image.open(tmp_path / 'some.png') as image:
        assert image.width > 700
