# Copyright (c) mmregioncl contributors. All rights reserved.
"""Whole runs of two processes: in step, repeatable, and down with a death."""
from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable

import torch
import torch.distributed as dist

from tests import forked_runs
from tests.forked_runs import (finish_ranks, fork_ranks, region_config,
                               tell_steps, wait)

EPOCHS = 17  # of three steps
TIMEOUT = 4  # seconds


def digest(model: Any) -> str:
    """Of what the ranks must share; BatchNorm's statistics stay local."""
    shared = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if 'running_' not in name:
            shared.update(name.encode())
            shared.update(tensor.numpy().tobytes())
    return shared.hexdigest()


def record(folder: Path) -> None:
    """What each rank has and does in each step, in a file for each."""
    from mmregioncl.engine import ResumableTrainLoop
    run_iter = ResumableTrainLoop.run_iter

    def recorded(self: Any, *args: Any) -> None:
        model = self.runner.model.module
        swap = model.region_swap
        boxes: list[Any] = []

        def kept(view: torch.Tensor) -> Any:
            composites, regions = swap(view)
            boxes.append([regions.boxes.tolist(), regions.donors.tolist()])
            return composites, regions

        model.region_swap = kept
        run_iter(self, *args)
        model.region_swap = swap
        loss = self.runner.message_hub.get_scalar('train/loss').current()
        with open(folder / f'rank {dist.get_rank()}', 'a') as file:
            file.write(json.dumps([digest(model), boxes, loss]) + '\n')

    ResumableTrainLoop.run_iter = recorded


def config(root: Path, work_dir: Path, epochs: int, **settings: Any) -> dict:
    cfg = region_config(root, work_dir, val_cfg=None, val_dataloader=None,
                        val_evaluator=None, **settings)
    cfg['train_cfg']['max_epochs'] = epochs
    cfg['default_hooks']['checkpoint']['interval'] = 100
    cfg['model'].update(bn_splits=1, key_shuffle='global')
    return cfg


def scenario(top: Path) -> list[list[list]]:
    """For each run and rank, its records."""
    root = forked_runs.images(top / 'images')
    found = []
    for name, epochs, seed in (('a', EPOCHS, 0), ('b', 3, 0), ('c', 1, 1)):
        cfg = config(root, top / name, epochs, randomness=dict(seed=seed))
        (top / name).mkdir()
        finish_ranks(cfg, 2, top / 'log', partial(record, top / name))
        found.append([[
            json.loads(line)
            for line in (top / name / f'rank {rank}').read_text().splitlines()
        ] for rank in range(2)])
    return found


def test_ranks_stay_in_step(fork_server: Callable[..., Any],
                            tmp_path: Path) -> None:
    whole, again, other = fork_server(scenario, tmp_path)
    first, second = whole
    assert len(first) == len(second) == 3 * EPOCHS
    same = sum(one[0] == two[0] for one, two in zip(first, second))
    boxes = sum(one[1] != two[1] for one, two in zip(first, second))
    repeated = sum(one == two for run, rerun in zip(whole, again)
                   for one, two in zip(run, rerun))
    print(forked_runs.report(
        steps=len(first), same_on_both_ranks=same, boxes_differ=boxes,
        steps_repeated_to_the_bit=repeated))
    # queue, pointer, momentum encoder and its steps, weights
    assert same == 3 * EPOCHS >= 50
    assert len({one[0] for one in first}) == 3 * EPOCHS  # it does change
    # the boxes of a rank are its own, and come again with the seed
    assert boxes >= 0.9 * 3 * EPOCHS
    assert repeated == 2 * 9
    assert other[0][0][1] != first[0][1]


def sleep_for_ever(rank: int, after: int) -> None:
    from mmregioncl.engine import ResumableTrainLoop
    run_iter = ResumableTrainLoop.run_iter

    def sleeping(self: Any, *args: Any) -> None:
        if self.iter == after and dist.get_rank() == rank:
            time.sleep(1000)
        run_iter(self, *args)

    ResumableTrainLoop.run_iter = sleeping


def deaths_scenario(top: Path) -> dict[str, tuple[int, float, str]]:
    """Exit code of rank 0, seconds until then, and what it said."""
    root = forked_runs.images(top / 'images')
    cfg = config(root, top / 'work', 9)
    cfg['env_cfg']['dist_cfg']['timeout'] = TIMEOUT
    found = {}
    for name in ('hangs', 'dies'):
        read, write = os.pipe()
        log = top / name
        prepare = partial(sleep_for_ever, 1, 4) if name == 'hangs' else (
            partial(tell_steps, write))
        waiting, victim = fork_ranks(cfg, 2, log, prepare)
        os.close(write)
        if name == 'dies':
            for _ in range(6):
                os.read(read, 1)
            os.kill(victim, signal.SIGKILL)
        begun = time.monotonic()
        code = wait(waiting)
        seconds = time.monotonic() - begun
        os.close(read)
        if name == 'hangs':
            os.kill(victim, signal.SIGKILL)
        wait(victim)
        found[name] = code, seconds, log.with_suffix('.0').read_text()
    return found


def test_a_rank_that_is_gone(fork_server: Callable[..., Any],
                             tmp_path: Path) -> None:
    """Without torchrun, under slurm for instance, the others must notice."""
    found = fork_server(deaths_scenario, tmp_path)
    print(forked_runs.report(**{
        name: dict(code=code, seconds=round(seconds, 1))
        for name, (code, seconds, _) in found.items()}))
    code, seconds, text = found['hangs']
    assert code == 1 and 'timed out' in text.lower()
    assert seconds < 60  # the start of the run is in it
    code, seconds, text = found['dies']
    assert code == 1 and 'connection' in text.lower()
    assert seconds < TIMEOUT + 10
