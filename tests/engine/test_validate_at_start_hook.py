# Copyright (c) mmregioncl contributors. All rights reserved.
"""What is evaluated before training; test_train.py sees that of a new run."""
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmregioncl.engine import ValidateAtStartHook
from mmregioncl.run_log import knn_curve, read_run
from tests.tiny_run import build_runner, config, write_images


def test_does_nothing_without_validation() -> None:
    runner: Any = SimpleNamespace(val_loop=None, iter=0)
    ValidateAtStartHook().before_train(runner)  # touches nothing else


@pytest.mark.parametrize('stop, evaluated', [(1, [2, 3]), (2, [2, 3]),
                                             (3, [3])])
def test_what_a_kill_may_have_cut_is_made_up_for(tmp_path: Path, stop: int,
                                                 evaluated: list[int]) -> None:
    """Three epochs, of which the second and the last are evaluated."""
    root = write_images(tmp_path / 'images', 4)

    def run(name: str, epochs: int, **settings: Any) -> list:
        cfg = config(root, tmp_path / 'work') | settings
        cfg['train_cfg'] = dict(
            type='ResumableTrainLoop', max_epochs=epochs, val_interval=2)
        cfg['experiment_name'] = name
        build_runner(cfg).train()
        return knn_curve(read_run(tmp_path / 'work'))

    checkpoint = dict(type='CheckpointHook', interval=1)
    assert run(
        'cut',
        stop,
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None,
        custom_hooks=[],
        default_hooks=dict(checkpoint=checkpoint)) == []
    curve = run('resumed', 3, resume=True)
    assert [epoch for epoch, _ in curve] == evaluated
    assert list((tmp_path / 'work').glob('best_knn_top1_*'))


def test_says_that_another_loop_is_not_evaluated() -> None:
    warned: list[str] = []
    logger = SimpleNamespace(warning=warned.append)
    runner: Any = SimpleNamespace(val_loop=object(), iter=0, logger=logger)
    ValidateAtStartHook().before_train(runner)
    assert 'nothing is evaluated' in warned[0]
