# Copyright (c) mmregioncl contributors. All rights reserved.
"""The lr that SimSiam's predictor really has, in each step of a run."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook

from tests.tiny_run import build_runner, config, write_images

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SIMSIAM = sorted([*CONFIGS.glob('*simsiam*.py'),
                  *CONFIGS.glob('small/*simsiam*.py')])


class Rates(Hook):
    """Of the encoder and of what has fix_lr, as each step takes them."""
    priority = 'LOWEST'

    def __init__(self) -> None:
        self.seen: dict[bool, list[float]] = {True: [], False: []}

    def before_train_iter(self, runner: Any, batch_idx: int,
                          data_batch: Any = None) -> None:
        for fixed, seen in self.seen.items():
            rates = {
                group['lr']
                for group in runner.optim_wrapper.optimizer.param_groups
                if bool(group.get('fix_lr')) == fixed
            }
            seen.append(rates.pop())
            assert not rates


def simsiam() -> dict:
    """On the network of tiny_run."""
    model = config(Path(), Path())['model']
    neck = dict(
        type='NonLinearNeck', in_channels=64, hid_channels=16, out_channels=16)
    return dict(
        type='SimSiam',
        backbone=model['backbone'],
        data_preprocessor=model['data_preprocessor'],
        neck=neck | dict(num_layers=2),
        head=dict(
            type='LatentPredictHead',
            loss=dict(type='CosineSimilarityLoss'),
            predictor=neck | dict(in_channels=16, with_avg_pool=False)))


def hooks_of(path: Path) -> list[dict]:
    """Those of a config that move a learning rate."""
    cfg = Config.fromfile(path, import_custom_modules=False)
    return [
        hook for hook in cfg.custom_hooks
        if 'lr' in str(hook.type).lower() or 'SimSiam' in hook.type
    ]


@pytest.mark.parametrize('path', SIMSIAM, ids=lambda path: path.stem)
def test_the_predictor_never_decays(path: Path, tmp_path: Path) -> None:
    """Optimizer, schedules and hook of each config, in 6 epochs of 4 steps."""
    cfg = Config.fromfile(path, import_custom_modules=False)
    root = write_images(tmp_path / 'images', 6)
    run = config(root, tmp_path / 'run')
    run.update(
        model=simsiam(),
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None,
        default_hooks=dict(checkpoint=None),
        custom_hooks=hooks_of(path),
        train_cfg=dict(by_epoch=True, max_epochs=6),
        optim_wrapper=cfg.optim_wrapper.to_dict(),
        param_scheduler=[each.to_dict() for each in cfg.param_scheduler],
        auto_scale_lr=dict(base_batch_size=2, enable=True))
    runner, rates = build_runner(run), Rates()
    runner.register_hook(rates)
    runner.train()
    base = 2 * cfg.optim_wrapper.optimizer.lr  # 4 images instead of 2
    assert len(rates.seen[True]) == 24
    assert set(rates.seen[True]) == {base}
    assert len(set(rates.seen[False])) > 2  # the encoder's does change
    assert max(rates.seen[False]) <= base * 1.001


def test_every_simsiam_has_it() -> None:
    assert len(SIMSIAM) >= 11
    for path in SIMSIAM:
        assert hooks_of(path) == [dict(type='FixedLrHook')]
