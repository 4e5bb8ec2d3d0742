# Copyright (c) mmregioncl contributors. All rights reserved.
"""Kills at any moment, and disks that are full."""
from __future__ import annotations

import os
import random
import re
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable

import pytest
import torch

from mmregioncl.engine.hooks import ResumableCheckpointHook
from tests import forked_runs
from tests.forked_runs import finish, fork, region_config, state, train, wait

# what a run tells of itself, a letter for each event
STEP, WRITING, RENAMING = b's', b'w', b'r'
RUNS, CHUNKS = 3, 3
# deaths at a certain place, once each: within the first and the second
# checkpoint, complete but without its name, named but not pointed to
PLACES = [b'w', b'wwww', b'r', b'rr', b'rrr', b'rrrr']


def tell(pipe: int) -> None:
    """Write a letter at each step, each piece of a file and each rename.

    The files are written in pieces, so that a death between two of them
    leaves one that is cut short.
    """
    from mmengine.fileio import LocalBackend
    replace = os.replace
    forked_runs.tell_steps(pipe)

    def told_replace(*args: Any) -> None:
        os.write(pipe, RENAMING)
        time.sleep(0.01)
        replace(*args)

    def slow_put(self: Any, content: bytes, path: str) -> None:
        size = len(content) // CHUNKS + 1
        with open(path, 'wb') as file:
            for start in range(0, len(content), size):
                os.write(pipe, WRITING)
                time.sleep(0.01)
                file.write(content[start:start + size])
                file.flush()

    os.replace, LocalBackend.put = told_replace, slow_put


def killed(cfg: dict, log: Path, until: Callable[[bytes], bool],
           pause: float) -> bytes:
    """Run until the letters say so, and kill; all letters, or b'' at its end.
    """
    read, write = os.pipe()
    pid = fork(train, cfg, partial(tell, write), log=log)
    os.close(write)
    heard = b''
    with os.fdopen(read, 'rb', buffering=0) as letters:
        while not until(heard):
            letter = letters.read(1)
            if not letter:
                if wait(pid):
                    raise RuntimeError(log.read_text()[-4000:])
                return b''
            heard += letter
        time.sleep(pause)
        os.kill(pid, signal.SIGKILL)
        wait(pid)
    return heard


def scenario(top: Path) -> dict[str, Any]:
    """Several runs, each killed again and again until it is done."""
    root, log = forked_runs.images(top / 'images'), top / 'log'
    quick = dict(val_cfg=None, val_dataloader=None, val_evaluator=None)
    finish(region_config(root, top / 'alone', **quick), log)
    alone = state(top / 'alone')
    found: dict[str, Any] = dict(
        kills=0, during_steps=0, during_writing=0, ends=[])
    draw, places, parts = random.Random(0), list(PLACES), 0
    for number in range(RUNS):
        work_dir = top / f'run {number}'
        cfg = region_config(root, work_dir, **quick)
        cfg['default_hooks']['checkpoint'].update(minutes=0, max_keep_ckpts=1)
        cfg['train_dataloader']['num_workers'] = number % 2
        heard = b'first'
        while heard:
            if places:
                place = places.pop()
                heard = killed(
                    cfg, log, lambda heard: heard.replace(STEP, b'').replace(
                        WRITING if place[:1] == RENAMING else RENAMING,
                        b'') == place, pause=0)
            else:
                letter, count = draw.choice([(STEP, 5), (b'', 25)])
                count = draw.randint(1, count)
                heard = killed(
                    cfg, log, lambda heard: count == (
                        heard.count(letter) if letter else len(heard)),
                    pause=draw.uniform(0, 0.02))
            if heard:
                found['kills'] += 1
                step = heard.endswith(STEP)
                found['during_steps' if step else 'during_writing'] += 1
                parts += len(list(work_dir.glob('*.part')))
            cfg['resume'] = True
        found['ends'].append(forked_runs.differences(alone, state(work_dir)))
        assert not list(work_dir.glob('*.part'))
        found['kept'] = sorted(each.name for each in work_dir.glob('*.pth'))
    return found | dict(parts=parts)


def test_killed_at_any_moment(fork_server: Callable[..., Any],
                              tmp_path: Path) -> None:
    found = fork_server(scenario, tmp_path)
    ends = found.pop('ends')
    print(forked_runs.report(
        runs=len(ends), ended_as_one_left_alone=ends.count([]), **found))
    assert ends == [[]] * RUNS
    assert found['kills'] >= 20
    assert found['during_steps'] >= 3 and found['during_writing'] >= 10
    assert found['parts'] >= 3  # files that were cut short, seen on the disk
    # max_keep_ckpts=1, and one before it
    assert found['kept'] == ['epoch_2_iter_18.pth', 'epoch_3.pth']


def full_disk(epochs: list[int]) -> None:
    """The checkpoints of these epochs go to a device that is full."""
    from mmengine.hooks import CheckpointHook
    save = CheckpointHook._save_checkpoint

    def to_full_device(self: Any, runner: Any) -> None:
        if runner.epoch + 1 in epochs:
            os.symlink('/dev/full',
                       f'{runner.work_dir}/epoch_{runner.epoch + 1}.pth.part')
        save(self, runner)

    CheckpointHook._save_checkpoint = to_full_device


def full_disk_scenario(top: Path) -> list[Any]:
    root = forked_runs.images(top / 'images')
    found = []
    for epochs in ([2], [3]):
        cfg = region_config(root, top / f'full at {epochs[0]}')
        cfg['default_hooks']['checkpoint']['max_keep_ckpts'] = 1
        log = top / f'log {epochs[0]}'
        code = wait(fork(train, cfg, partial(full_disk, epochs), log=log))
        work_dir = Path(cfg['work_dir'])
        found.append((code, sorted(
            each.name for each in work_dir.glob('epoch*')),
            (work_dir / 'last_checkpoint').read_text(), log.read_text()))
    return found


@pytest.mark.skipif(
    not os.path.exists('/dev/full'), reason='the device is one of Linux')
def test_full_disk(fork_server: Callable[..., Any], tmp_path: Path) -> None:
    within, at_end = fork_server(full_disk_scenario, tmp_path)
    code, files, last, log = within
    # the first stayed when the second failed, until the third was there
    assert (code, files) == (0, ['epoch_1.pth', 'epoch_3.pth'])
    assert last.endswith('epoch_3.pth')
    message, = re.findall('ERROR.*epoch_2.pth COULD NOT BE WRITTEN.*', log)
    assert 'No space left on device' in message and 'epoch_1.pth' in message
    code, files, last, log = at_end
    assert (code, files) == (1, ['epoch_1.pth', 'epoch_2.pth'])
    assert last.endswith('epoch_2.pth')
    assert 'OSError: the last checkpoint of the run could not be' in log


def test_which_are_kept() -> None:
    hook = ResumableCheckpointHook(interval=1, max_keep_ckpts=2)
    names = ['epoch_1.pth', 'epoch_1_iter_8.pth', 'epoch_2.pth',
             'epoch_2_iter_15.pth', 'epoch_3.pth', 'epoch_3_iter_20.pth']
    assert hook._kept(names) == names[2:3] + names[4:]
    hook.max_keep_ckpts = -1
    assert hook._kept(names) == names[:1] + names[2:3] + names[4:]
    hook.max_keep_ckpts = 1
    assert hook._kept(names[:4]) == names[2:4]
    assert hook._kept(names[:3]) == names[1:3]


@pytest.mark.parametrize('minutes', [-1, float('nan')])
def test_minutes(minutes: float) -> None:
    with pytest.raises(ValueError, match='minutes must be 0 or more'):
        ResumableCheckpointHook(minutes=minutes)


class FakeRunner:
    """As much as ``before_run`` looks at."""

    def __init__(self, work_dir: Path, load_from: Path | None) -> None:
        self.work_dir, self._resume = str(work_dir), True
        self._load_from = load_from and str(load_from)
        self.lines: list[str] = []
        self.logger = self
        self.info = self.warning = self.lines.append


def test_what_is_resumed(tmp_path: Path) -> None:
    hook = ResumableCheckpointHook(interval=1)
    runner = FakeRunner(tmp_path, None)
    hook.before_run(runner)
    assert not runner._resume and 'from the beginning' in runner.lines[0]
    for number in (1, 2):
        torch.save(dict(number=number), tmp_path / f'epoch_{number}.pth')
    os.truncate(tmp_path / 'epoch_2.pth', 600)
    runner = FakeRunner(tmp_path, None)
    hook.before_run(runner)
    assert runner._load_from == str(tmp_path / 'epoch_1.pth')
    line, = runner.lines
    assert 'epoch_2.pth is cut short' in line
    with pytest.raises(ValueError, match='epoch_2.pth is cut short'):
        hook.before_run(FakeRunner(tmp_path, tmp_path / 'epoch_2.pth'))
    named = FakeRunner(tmp_path, tmp_path / 'epoch_1.pth')
    hook.before_run(named)
    assert named._load_from == str(tmp_path / 'epoch_1.pth')
