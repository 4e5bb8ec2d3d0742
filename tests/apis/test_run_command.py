# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import argparse
import shlex

import pytest
from mmengine.config import Config

from mmregioncl.apis.run_command import repeat_command
from mmregioncl.cfg_options import CfgOptions

PLAIN = dict(
    model=dict(
        queue_len=4096,
        region_loss_weight=0.5,
        swap=None,
        cells=(2, 3),
        stages=[1, 2]),
    train_cfg=dict(max_epochs=4),
    param_scheduler=[dict(end=1), dict(end=4, T_max=3)],
    train_dataloader=dict(
        num_workers=2, dataset=dict(data_root='data/x', max_images=None)),
    work_dir=None,
    randomness=dict(seed=0))


def test_nothing_differs_but_the_place() -> None:
    run = Config(PLAIN).to_dict()
    run.update(
        work_dir='/somewhere',
        launcher='none',
        resume=True,
        log_processor=dict(window_size=1))
    run['randomness']['seed'] = 2
    run['train_dataloader']['dataset']['data_root'] = '/mine/x'
    assert repeat_command('configs/a.py', run, PLAIN,
                          2) == ('python tools/train.py configs/a.py --seed 2')


def test_the_command_gives_the_run_back() -> None:
    options = dict([('model.queue_len', 512),
                    ('model.region_loss_weight', 1.0), ('model.swap', 'grid'),
                    ('train_cfg.max_epochs', 20),
                    ('param_scheduler.1.end', 20),
                    ('param_scheduler.1.T_max', 19),
                    ('train_dataloader.dataset.max_images', 2500),
                    ('new.key', True), ('model.cells', (1, 2)),
                    ('model.stages', [3])])
    run = Config(PLAIN)
    run.merge_from_dict(options)
    command = repeat_command('configs/a.py', run.to_dict(), PLAIN, 0)
    parser = argparse.ArgumentParser()
    parser.add_argument('words', nargs='*')
    parser.add_argument('--seed', type=int)
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions)
    args = parser.parse_args(shlex.split(command))
    repeated = Config(PLAIN)
    repeated.merge_from_dict(args.cfg_options)
    assert repeated.to_dict() == run.to_dict()


def test_scaled_lr_is_an_argument_of_its_own() -> None:
    run = dict(PLAIN, auto_scale_lr=dict(enable=True))
    assert repeat_command('a.py', run, PLAIN, 0).endswith('--auto-scale-lr')


@pytest.mark.parametrize('change', [
    dict(train_cfg=dict()),
    dict(param_scheduler=[dict(end=4)]),
    dict(train_cfg=dict(max_epochs=dict(a=1))),
])
def test_what_no_option_can_say(change: dict) -> None:
    key = next(iter(change))
    with pytest.raises(ValueError, match=f'differs from a.py in .{key}'):
        repeat_command('a.py', dict(PLAIN, **change), PLAIN, 0)
