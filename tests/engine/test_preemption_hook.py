# Copyright (c) mmregioncl contributors. All rights reserved.
"""Told to stop, a run saves, leaves with 75, and goes on from there."""
from __future__ import annotations

import os
import pickle
import re
import signal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from mmregioncl.engine.hooks import PreemptionHook, preemption_hook
from mmregioncl.engine.hooks.preemption_hook import EXIT_CODE, _Shielded
from tests import forked_runs
from tests.forked_runs import (finish, finish_ranks, fork, fork_ranks,
                               region_config, state, tell_steps, train, wait)

QUICK = dict(val_cfg=None, val_dataloader=None, val_evaluator=None)


def after_steps(read: int, count: int) -> None:
    for _ in range(count):
        assert os.read(read, 1), 'the run ended before it could be told'


def told(cfg: dict, number: int, log: Path) -> int:
    """The exit code of a run whose whole process group gets a signal."""
    read, write = os.pipe()
    pid = fork(train, cfg, partial(tell_steps, write), log=log)
    os.close(write)
    after_steps(read, 8)  # the signal comes in the middle of a step
    os.killpg(pid, number)  # workers too, as slurm does
    code = wait(pid)
    os.close(read)
    return code


def scenario(top: Path) -> dict[str, Any]:
    root, log = forked_runs.images(top / 'images'), top / 'log'
    finish(region_config(root, top / 'alone', **QUICK), log)
    found: dict[str, Any] = dict(codes={}, saved={}, ends={})
    for name, workers in (('SIGTERM', 2), ('SIGUSR1', 0)):
        work_dir = top / name
        cfg = region_config(root, work_dir, **QUICK)
        cfg['train_dataloader']['num_workers'] = workers
        found['codes'][name] = told(cfg, signal.Signals[name], log)
        found['saved'][name] = (work_dir / 'last_checkpoint').read_text()
        finish(cfg | dict(resume=True), log)
        found['ends'][name] = forked_runs.differences(
            state(top / 'alone'), state(work_dir))
    loop = region_config(root, top / 'stock loop', **QUICK)
    loop['train_cfg'] = dict(by_epoch=True, max_epochs=3)
    found['codes']['stock loop'] = told(loop, signal.SIGTERM, log)
    found['stock loop'] = sorted(
        each.name for each in (top / 'stock loop').glob('*.pth'))
    stock = region_config(root, top / 'stock', **QUICK)
    stock['default_hooks']['checkpoint'] = dict(type='CheckpointHook')
    found['codes']['stock'] = told(stock, signal.SIGTERM, log)
    found['log'] = log.read_text()
    return found


def ranks_scenario(top: Path) -> dict[str, Any]:
    """Two processes, of which one is told."""
    root, log = forked_runs.images(top / 'images'), top / 'log'
    finish_ranks(region_config(root, top / 'alone', **QUICK), 2, log)
    cfg = region_config(root, top / 'told', **QUICK)
    read, write = os.pipe()
    pids = fork_ranks(cfg, 2, log, partial(tell_steps, write))
    os.close(write)
    after_steps(read, 2 * 4)
    os.kill(pids[1], signal.SIGTERM)
    codes = [wait(pid) for pid in pids]
    os.close(read)
    saved = (top / 'told' / 'last_checkpoint').read_text()
    finish_ranks(cfg | dict(resume=True), 2, log)
    return dict(
        codes=codes,
        saved=Path(saved).name,
        end=forked_runs.differences(
            state(top / 'alone'), state(top / 'told')))


def test_one_process(fork_server: Callable[..., Any], tmp_path: Path) -> None:
    found = fork_server(scenario, tmp_path)
    print(forked_runs.report(codes=found['codes']))
    for name in ('SIGTERM', 'SIGUSR1'):
        assert found['codes'][name] == EXIT_CODE == 75
        # after the very step in which it came, or one more
        assert Path(found['saved'][name]).name in ('epoch_1_iter_8.pth',
                                                   'epoch_1_iter_9.pth')
        assert found['ends'][name] == []
        assert f'{name} received: leaving after iteration' in found['log']
    # MMEngine's loop goes on from the end of an epoch only
    assert found['codes']['stock loop'] == 75
    assert found['stock loop'] == ['epoch_1.pth']
    assert 'EpochBasedTrainLoop begins an epoch anew' in found['log']
    # without our checkpoints a signal does what it always did
    assert found['codes']['stock'] == -signal.SIGTERM
    assert 'SIGTERM ends this run without a checkpoint' in found['log']


def test_all_ranks_leave_together(fork_server: Callable[..., Any],
                                  tmp_path: Path) -> None:
    found = fork_server(ranks_scenario, tmp_path)
    print(forked_runs.report(codes=found['codes'], saved=found['saved']))
    assert found['codes'] == [75, 75]
    # asked each second iteration, of nine
    assert re.fullmatch(r'epoch_[12]_iter_[468].pth', found['saved'])
    assert found['end'] == []


@pytest.mark.parametrize('interval', [0, 1.5])
def test_interval(interval: Any) -> None:
    with pytest.raises(ValueError, match='PreemptionHook.interval must be'):
        PreemptionHook(interval=interval)


@pytest.mark.parametrize('counts, asked', [(1, [9, 19, 29]),
                                           (4, [7, 15, 23, 31]),
                                           (16, [15, 31])])
def test_ranks_ask_as_often_where_gradients_accumulate(
        counts: int, asked: list[int],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """About each tenth iteration, and only between updates."""
    found: list[int] = []
    runner: Any = SimpleNamespace(
        optim_wrapper=SimpleNamespace(_accumulative_counts=counts))
    monkeypatch.setattr(preemption_hook, 'get_world_size', lambda: 2)
    monkeypatch.setattr(preemption_hook, 'all_reduce',
                        lambda *_, **__: found.append(runner.iter))
    hook = PreemptionHook()
    hook._former = {signal.SIGTERM: None}
    for runner.iter in range(32):
        hook.after_train_iter(runner, runner.iter)
    assert found == asked


def test_spawned_workers_are_shielded_too() -> None:
    assert isinstance(pickle.loads(pickle.dumps(_Shielded(print))), _Shielded)
