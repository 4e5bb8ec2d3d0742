# Copyright (c) mmregioncl contributors. All rights reserved.
"""Logs that go the way of the authors' run, and logs that do not."""
from __future__ import annotations

import json
import math
import random
import runpy
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from mmregioncl.apis.reproduction import Verdict, band, compare, interpolate
from mmregioncl.apis.run_curves import KEYS, read_reference, read_run_curves

NAME = 'regioncl_mocov2_r50'
REFERENCE = read_reference(NAME, Path('none'))
LENGTH = 1251
AT = {key: interpolate(curve) for key, curve in REFERENCE.curves.items()}


def write_log(path: Path,
              epochs: float,
              change: Callable[[float, float], float] = lambda t, loss: loss,
              length: int = LENGTH,
              lr: float = 0.15) -> Path:
    """What LoggerHook writes, with the reference's losses, changed."""
    noise = random.Random(0)
    lines = []
    for step in range(1, round(epochs * length) + 1):
        epoch, iteration = divmod(step - 1, length)
        if (iteration + 1) % 50:
            continue
        time = step / length
        row = {'epoch': epoch + 1, 'iter': step, 'step': step}
        row['lr'] = lr * (1 + math.cos(math.pi * epoch / 200)) / 2
        for key in KEYS:
            row[key] = change(time, AT[key](time)) + noise.gauss(0, 0.03)
        row['loss'] = row['loss_instance'] + row['loss_region']
        lines.append(json.dumps(row))
    path.write_text('\n'.join(lines) + '\n')
    return path


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., Verdict]:

    def run(*args: Any, **settings: Any) -> Verdict:
        log = write_log(tmp_path / 'scalars.json', *args, **settings)
        return compare(read_run_curves(log), REFERENCE)

    return run


def test_reference_is_the_authors_log() -> None:
    assert REFERENCE.iterations_per_epoch == LENGTH
    instance, region = (REFERENCE.curves[key] for key in KEYS)
    assert instance[0] == (100 / LENGTH, 10.5602)
    assert (2.5, 9.655) in instance and region[-1] == (199.5, 7.140)
    times = [time for time, _ in instance]
    assert times == sorted(times)


def test_values_between_points() -> None:
    at = interpolate([(1., 10.), (4., 8.), (16., 5.)])
    assert [at(0.1), at(1), at(4), at(99)] == [10, 10, 8, 5]
    assert at(2) == pytest.approx(9)  # half way in the logarithm
    assert at(8) == pytest.approx(6.5)


def test_band_widens_with_time_and_follows_the_slope() -> None:
    curve = [(0.5 + epoch, 20. - epoch) for epoch in range(20)]
    low, high = band(curve, 3.5)  # an epoch each way
    assert (low, high) == pytest.approx((15.9, 18.1))
    low, high = band(curve, 10.5)  # 2.1 epochs each way
    assert low == pytest.approx(interpolate(curve)(12.6) - 0.1)
    assert high == pytest.approx(interpolate(curve)(8.4) + 0.1)


@pytest.mark.parametrize('epochs', [0.3, 1, 2.2, 3, 6, 30])
def test_on_track(epochs: float, judge: Callable[..., Verdict]) -> None:
    assert judge(epochs).state == 'on track'


def test_a_fall_half_an_epoch_later_is_on_track(
        judge: Callable[..., Verdict]) -> None:
    late = judge(4, lambda time, loss: AT['loss_instance'](time - 0.5))
    # the region's reference lies higher, the same half epoch is within
    assert late.lines[0].startswith('loss_instance')
    assert late.state == 'on track'


@pytest.mark.parametrize('off, said', [(0.4, 'too high'), (-0.4, 'too low')])
def test_off_track(off: float, said: str, judge: Callable[...,
                                                          Verdict]) -> None:
    verdict = judge(20, lambda time, loss: loss + off)
    assert verdict.state == 'off track'
    assert sum(said in line for line in verdict.lines) == 2


def test_stuck_where_it_began(judge: Callable[..., Verdict]) -> None:
    verdict = judge(6, lambda time, loss: 10.6)
    assert verdict.state == 'off track'
    assert 'stuck' in verdict.lines[1]
    # two epochs on the plateau are what the reference did too
    assert judge(2, lambda time, loss: 10.6).state == 'on track'


def test_diverged(judge: Callable[..., Verdict]) -> None:
    verdict = judge(3, lambda time, loss: loss if time < 2 else math.nan)
    assert verdict.state == 'off track' and 'diverged' in verdict.lines[0]


def test_another_batch_is_not_comparable(
        judge: Callable[..., Verdict]) -> None:
    verdict = judge(2, length=5004, lr=0.15 / 4)
    assert verdict.state == 'not comparable'
    assert '5004 iterations per epoch' in verdict.lines[0]
    # seen in the first epoch too, once it is longer than it should be
    assert 'more than 2000' in judge(0.4, length=5004).lines[0]


def test_another_schedule_is_not_comparable(
        judge: Callable[..., Verdict]) -> None:
    verdict = judge(2, lr=0.03)
    assert verdict.state == 'not comparable' and 'lr 0.03' in verdict.lines[0]


def test_too_early_to_say(judge: Callable[..., Verdict]) -> None:
    verdict = judge(0.05)
    assert verdict.state == 'not comparable'
    assert 'ask again later' in verdict.lines[0]


def test_text_log_says_the_same(tmp_path: Path) -> None:
    records = write_log(tmp_path / 'scalars.json', 3)
    lines = []
    for line in records.read_text().splitlines():
        row = json.loads(line)
        iteration = row['step'] - (row['epoch'] - 1) * LENGTH
        lines.append(
            '2026/11/24 03:00:00 - mmengine - INFO - Epoch(train)  '
            f'[{row["epoch"]}][{iteration:4d}/{LENGTH}]  lr: {row["lr"]:.4e}'
            f'  eta: 1 day, 0:10:00  time: 0.41  loss: {row["loss"]:.4f}  ' +
            '  '.join(f'{key}: {row[key]:.4f}' for key in KEYS))
    text = tmp_path / 'run.log'
    text.write_text('\n'.join(['System: 3: nothing', *lines]))
    ours, theirs = read_run_curves(text), read_run_curves(records)
    assert ours.iterations_per_epoch == theirs.iterations_per_epoch == LENGTH
    for key in KEYS:
        assert len(ours.curves[key]) == 3
        for one, other in zip(ours.curves[key], theirs.curves[key]):
            assert one == pytest.approx(other, abs=1e-4)


def test_a_plain_host_and_no_log(tmp_path: Path) -> None:
    path = tmp_path / 'scalars.json'
    path.write_text('{"epoch": 1, "step": 50, "loss": 9.0, "lr": 0.1}\n')
    with pytest.raises(ValueError, match='no loss_instance'):
        read_run_curves(path)
    with pytest.raises(ValueError, match=f'there are .*{NAME}'):
        read_reference('regioncl_mocov2_r51', tmp_path)


def test_a_zoo_models_log_is_a_reference(tmp_path: Path) -> None:
    """Every one of ours, if it began and went as it did."""
    (tmp_path / 'logs').mkdir()
    write_log(tmp_path / 'logs/tiny_20261124.json', 5, length=200)
    reference = read_reference('tiny', tmp_path)
    assert reference.iterations_per_epoch == 200
    assert compare(reference, reference).state == 'on track'
    log = write_log(tmp_path / 'log.json', 5, lambda t, v: v + 1, length=200)
    assert compare(read_run_curves(log), reference).state == 'off track'


@pytest.mark.parametrize('epochs, off, status', [(3, 0, 0), (6, 1, 1)])
def test_the_command(epochs: int, off: float, status: int, repo_root: Path,
                     tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                     capsys: pytest.CaptureFixture) -> None:
    vis_data = tmp_path / '20261124_000000/vis_data'
    vis_data.mkdir(parents=True)
    write_log(vis_data / 'scalars.json', epochs, lambda t, loss: loss + off)
    (vis_data / 'config.py').touch()  # MMEngine leaves both
    (tmp_path / f'{NAME}.py').touch()
    tool = str(repo_root / 'tools/check_reproduction.py')
    for log in (tmp_path, vis_data / 'scalars.json'):
        monkeypatch.setattr(sys, 'argv', [tool, str(log)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(tool, run_name='__main__')
        assert stopped.value.code == status
        assert f'against {NAME}' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', [tool, str(tmp_path / 'gone')])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(tool, run_name='__main__')
    assert stopped.value.code == 2
    assert 'there is no' in capsys.readouterr().err
