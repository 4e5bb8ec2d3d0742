# Copyright (c) mmregioncl contributors. All rights reserved.
"""A run that was cut and resumed against one that was left alone."""
from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any, Callable

import pytest

from tests import forked_runs
from tests.forked_runs import finish, fork, region_config, state, train, wait

CUTS = 2, 6, 9, 17  # of 18 iterations; 6 is the last of an epoch


def save_until(last: int) -> None:
    """Save after each iteration, and die after one of them."""
    from mmregioncl.engine.hooks import ResumableCheckpointHook
    save_now = ResumableCheckpointHook.save_now

    def save_and_die(self: Any, runner: Any) -> None:
        save_now(self, runner)
        if runner.iter + 1 >= last:
            os._exit(0)

    ResumableCheckpointHook.save_now = save_and_die


def count_loads(file: Path) -> None:
    """Write a letter for each training image that is loaded."""
    from mmregioncl.datasets import ImageFolder
    get = ImageFolder.__getitem__

    def counted(self: Any, idx: int) -> Any:
        if self._views[1] >= 0:  # a training set: its views are seeded
            with open(file, 'a') as handle:
                handle.write('.')
        return get(self, idx)

    ImageFolder.__getitem__ = counted


def cut(cfg: dict, last: int, log: Path) -> None:
    cfg['default_hooks']['checkpoint']['minutes'] = 0
    assert wait(fork(train, cfg, partial(save_until, last), log=log)) == 0


def resume_from(checkpoint: Path, cfg: dict, log: Path,
                prepare: Any = None) -> dict:
    work_dir = Path(cfg['work_dir'])
    work_dir.mkdir()
    shutil.copy(checkpoint, work_dir)
    finish(cfg | dict(resume=True), log, prepare)
    return state(work_dir)


def scenario(top: Path) -> dict[str, Any]:
    """Every run, and how its end differs from that of the one left alone."""
    root, log = forked_runs.images(top / 'images'), top / 'log'
    finish(region_config(root, top / 'alone'), log)
    alone = state(top / 'alone')
    found: dict[str, Any] = {}

    def compare(name: str, ended: dict, other: dict = alone) -> None:
        found[name] = forked_runs.differences(other, ended)

    for epoch in (1, 2):
        checkpoint = top / 'alone' / f'epoch_{epoch}.pth'
        work_dir = top / f'after epoch {epoch}'
        compare(work_dir.name, resume_from(
            checkpoint, region_config(root, work_dir), log))
    for number, last in enumerate(CUTS):
        work_dir = top / f'after iteration {last}'
        cut(region_config(root, work_dir), last, log)
        cfg = region_config(root, work_dir, resume=True)
        # as many workers as it likes
        cfg['train_dataloader'].update(
            num_workers=number % 3, persistent_workers=number % 3 > 0)
        loads = top / f'loads {last}'
        finish(cfg, log, partial(count_loads, loads))
        compare(work_dir.name, state(work_dir))
        found[f'loads after {last}'] = loads.stat().st_size
    # a seed that nobody chose, gradients that accumulate, another optimiser
    for name, settings in (('drawn seed', dict(randomness=dict(seed=None))), (
            'accumulated', dict(optim_wrapper=dict(
                type='OptimWrapper', accumulative_counts=2,
                optimizer=dict(type='AdamW', lr=0.01))))):
        whole = region_config(root, top / name, **settings)
        whole['default_hooks']['checkpoint']['minutes'] = 0
        finish(whole, log, keep_all)
        for checkpoint in ('epoch_1', 'epoch_1_iter_10'):
            work_dir = top / f'{name}, {checkpoint}'
            compare(work_dir.name, resume_from(
                top / name / f'{checkpoint}.pth',
                region_config(root, work_dir, **settings), log),
                state(top / name))
    # something must be able to differ
    finish(region_config(
        root, top / 'other', randomness=dict(seed=1)), log)
    compare('another seed', state(top / 'other'))
    stock = region_config(root, top / 'stock loop')
    stock['train_cfg'] = dict(by_epoch=True, max_epochs=3)
    compare('stock loop', resume_from(
        top / 'alone' / 'epoch_1.pth', stock, log))
    return found


def keep_all() -> None:
    from mmregioncl.engine.hooks import ResumableCheckpointHook
    ResumableCheckpointHook._kept = lambda self, names: names


@pytest.fixture(scope='module')
def ends(fork_server: Callable[..., Any],
         tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return fork_server(scenario, tmp_path_factory.mktemp('runs'))


def test_resumed_runs_are_exact(ends: dict[str, Any]) -> None:
    """Weights, momentum encoder and its steps, queue, pointer, optimiser and
    schedules; k-NN runs in between. So the order of the images and all that
    is drawn were the same."""
    differ = [name for name in ends if name in ('another seed', 'stock loop')]
    exact = [name for name in ends
             if name not in differ and not name.startswith('loads')]
    print(forked_runs.report(
        cut_and_resumed=len(exact),
        equal_to_the_bit=sum(not ends[name] for name in exact),
        differ_under_another_seed=len(ends['another seed'])))
    assert {name: ends[name] for name in exact} == dict.fromkeys(exact, [])
    assert len(exact) == 2 + len(CUTS) + 4
    for name in differ:
        assert '/state_dict/queue' in ends[name]


def test_nothing_is_loaded_twice(ends: dict[str, Any]) -> None:
    for last in CUTS:
        assert ends[f'loads after {last}'] == 4 * (18 - last)
