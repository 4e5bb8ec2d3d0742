# Copyright (c) mmregioncl contributors. All rights reserved.
"""Runs that are resumed with another batch, and then resumed again."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook

from tests.forked_runs import images, region_config
from tests.tiny_run import build_runner

STEPS = {4: 6, 8: 3, 12: 2}  # batch: iterations of an epoch of 24 images


class Diary(Hook):
    """The lr of each step, by epoch; stop as a kill after an epoch would."""
    priority = 'LOWEST'

    def __init__(self, stop: int) -> None:
        self.stop = stop
        self.rates: dict[int, list[float]] = {}

    def before_train_iter(self, runner: Any, batch_idx: int,
                          data_batch: Any = None) -> None:
        self.rates.setdefault(runner.epoch, []).append(
            runner.optim_wrapper.get_lr()['lr'][0])

    def after_train_epoch(self, runner: Any) -> None:
        if runner.epoch + 1 == self.stop:
            raise KeyboardInterrupt


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return images(tmp_path_factory.mktemp('images'))


def run(root: Path,
        work_dir: Path,
        batch: int,
        stop: int = 6,
        **settings: Any) -> tuple[dict[int, list[float]], Any]:
    """Epochs of RegionCL-M with schedules by iteration and by epoch."""
    cfg = region_config(root, work_dir, resume=True)
    cfg.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    cfg['train_dataloader'].update(
        batch_size=batch, num_workers=0, persistent_workers=False)
    cfg['train_cfg'] = dict(type='ResumableTrainLoop', max_epochs=6)
    cfg['param_scheduler'] = [
        dict(
            type='LinearLR',
            start_factor=0.1,
            by_epoch=True,
            end=2,
            convert_to_iter_based=True),
        dict(type='MultiStepLR', by_epoch=True, milestones=[3, 5], gamma=0.5),
        dict(
            type='CosineAnnealingLR',
            by_epoch=True,
            begin=2,
            end=6,
            T_max=4,
            convert_to_iter_based=True),
    ]
    cfg['auto_scale_lr'] = dict(base_batch_size=8, enable=True)
    cfg['optim_wrapper'].update(settings)
    cfg['experiment_name'] = f'{work_dir.name}-{batch}-{stop}'
    runner, diary = build_runner(cfg), Diary(stop)
    runner.register_hook(diary)
    try:
        runner.train()
    except KeyboardInterrupt:
        pass
    return diary.rates, runner


def warnings(work_dir: Path) -> int:
    return sum(
        each.read_text().count('An epoch has ')
        for each in work_dir.glob('*/*.log'))


@pytest.mark.parametrize('first, then', [(4, 8), (8, 4), (4, 12)])
def test_the_rest_is_that_of_a_run_of_this_length(root: Path, tmp_path: Path,
                                                  first: int,
                                                  then: int) -> None:
    alone, _ = run(root, tmp_path / 'alone', then)
    cut = tmp_path / 'cut'
    begun, _ = run(root, cut, first, stop=2)
    assert [len(each) for each in begun.values()] == [STEPS[first]] * 2
    rates: dict[int, list[float]] = {}
    for stop in (3, 4, 6):
        found, runner = run(root, cut, then, stop)
        rates.update(found)
    assert list(rates) == [2, 3, 4, 5]
    for epoch, found in rates.items():
        assert found == pytest.approx(alone[epoch])
    assert len(alone[2]) == STEPS[then]
    assert runner.iter == runner.max_iters == 6 * STEPS[then]
    assert int(runner.model.encoder_k.steps) == 6 * STEPS[then]
    assert warnings(cut) == 1


def test_accumulated_gradients_are_counted_anew(root: Path,
                                                tmp_path: Path) -> None:
    """More iterations were done than the new run has in all."""
    run(root, tmp_path, 4, stop=4, accumulative_counts=2)
    rates, runner = run(root, tmp_path, 8, accumulative_counts=2)
    assert {key: len(each) for key, each in rates.items()} == {4: 3, 5: 3}
    assert runner.optim_wrapper._inner_count == runner.iter == 18
    assert runner.model.encoder_k.iterations_per_update == 2


def test_inside_an_epoch(root: Path, tmp_path: Path) -> None:
    """After 2 of 6 iterations, 1 of 3 is done."""
    _, runner = run(root, tmp_path, 4, stop=2)
    path = tmp_path / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['iter'] += 2
    torch.save(checkpoint, tmp_path / 'epoch_1_iter_8.pth')
    for name in ('epoch_1.pth', 'epoch_2.pth', 'last_checkpoint'):
        (tmp_path / name).unlink()
    rates, _ = run(root, tmp_path, 8, stop=3)
    assert {key: len(each) for key, each in rates.items()} == {1: 2, 2: 3}


@pytest.mark.parametrize('epochs', [1, 2, 3])
def test_a_checkpoint_that_notes_no_length(root: Path, tmp_path: Path,
                                           epochs: int) -> None:
    """MMEngine's own loop writes none."""
    run(root, tmp_path, 4, stop=epochs)
    path = tmp_path / f'epoch_{epochs}.pth'
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint['message_hub']['runtime_info']['epoch_length']
    torch.save(checkpoint, path)
    rates, _ = run(root, tmp_path, 8, stop=5)
    assert {key: len(each) for key, each in rates.items()} == {
        epoch: 3 for epoch in range(epochs, 5)}
    assert warnings(tmp_path) == 1


def test_many_groups(root: Path, tmp_path: Path) -> None:
    """LARS has a group for each parameter, with settings of two kinds."""
    settings = dict(
        optimizer=dict(type='LARS', lr=0.1, momentum=0.9, weight_decay=1e-6),
        paramwise_cfg=dict(
            norm_decay_mult=0,
            custom_keys={'neck': dict(lr_mult=0.1)}))
    _, alone = run(root, tmp_path / 'alone', 8, stop=3, **settings)
    run(root, tmp_path / 'cut', 4, stop=2, **settings)
    _, cut = run(root, tmp_path / 'cut', 8, stop=3, **settings)
    groups, others = (each.optim_wrapper.param_groups for each in (cut, alone))
    assert len(groups) == len(others) > 60
    assert len({group['lr'] for group in groups}) == 2
    for group, other in zip(groups, others):
        assert group.keys() == other.keys()
        for name, value in group.items():
            if name != 'params':
                assert value == pytest.approx(other[name])
    for schedule, other in zip(cut.param_schedulers, alone.param_schedulers):
        mine, theirs = schedule.state_dict(), other.state_dict()
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert value == pytest.approx(theirs[name]), name
