# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

import mmregioncl.register  # noqa: F401
from mmregioncl.engine import HealthHook
from mmregioncl.engine.health import read_step
from tests.tiny_run import build_runner, config, moco, write_images


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('images'), 8)


def region_moco(**settings: Any) -> dict:
    """RegionCL-M, its feature maps of 4 x 4 cells."""
    model = moco()
    model['backbone']['strides'] = (1, 2, 2, 1)
    return model | dict(
        type='RegionCLMoCo',
        neck=model['neck'] | dict(type='RegionMoCoV2Neck'),
        head=dict(type='RegionContrastiveHead'),
        region_swap=dict(stride=4, cells=(1, 3), scope='image')) | settings


def hooked(root: Path,
           work_dir: Path,
           model: dict | None = None,
           wrapper: dict | None = None,
           **settings: Any) -> Any:
    """A runner: 2 epochs of 6 batches of 4, every iteration in the log."""
    cfg = config(root, work_dir)
    cfg['optim_wrapper'] |= wrapper or {}
    cfg |= dict(
        model=model or region_moco(),
        custom_hooks=[],
        val_dataloader=None,
        val_evaluator=None,
        val_cfg=None,
        train_cfg=dict(by_epoch=True, max_epochs=2),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=None,
            health=dict(type='HealthHook', interval=4) | settings))
    return build_runner(cfg)


def figures(runner: Any, name: str) -> list[float]:
    history = runner.message_hub.log_scalars.get(f'train/{name}')
    return [] if history is None else history.data[0].tolist()


def log(work_dir: Path) -> str:
    return ''.join(each.read_text() for each in work_dir.glob('*/*.log'))


def test_what_it_logs(root: Path, tmp_path: Path) -> None:
    runner = hooked(root, tmp_path)
    areas, swap = [], runner.model.region_swap

    def watch(images: torch.Tensor) -> Any:
        composites, regions = swap.transform(images)
        areas.append(regions.boxes[:, 2:].prod(1).double().mean() / 16)
        return composites, regions

    swap.__class__ = type('Watched', (type(swap), ),
                          dict(__call__=lambda self, images: watch(images)))
    runner.train()
    assert figures(runner, 'paste_area') == pytest.approx(
        [float(each) for each in areas[3::4]])
    assert len(figures(runner, 'feature_std')) == 3
    assert all(0 < each < 1.5 for each in figures(runner, 'feature_std'))
    # 24 images; K = 16 keys, 4 a step
    assert figures(runner, 'queue_epochs') == [16 / 24] * 3
    # the queue holds steps 1-4 of one epoch, 5-8 of two, 9-12 of one
    one, two, three = figures(runner, 'queue_duplicates')
    assert one == three == 0 and two > 0
    text = log(tmp_path)
    lines = [line for line in text.splitlines() if 'Epoch(train)' in line]
    assert 'feature_std: ' not in lines[2] and 'feature_std: ' in lines[3]
    for name in ('paste_area', 'queue_epochs', 'queue_duplicates'):
        assert f'{name}: ' in lines[3]
    assert not runner.model.neck._forward_hooks  # left alone after the run
    assert not runner.optim_wrapper.optimizer._optimizer_step_pre_hooks
    assert not (tmp_path / 'nonfinite').exists()


def test_hosts_are_watched_too(root: Path, tmp_path: Path) -> None:
    """MMSelfSup's own MoCo: no paste."""
    runner = hooked(root, tmp_path, moco())
    runner.train()
    assert len(figures(runner, 'feature_std')) == 3
    assert len(figures(runner, 'queue_duplicates')) == 3
    assert figures(runner, 'paste_area') == []


def nan_pixels(runner: Any, steps: range) -> None:
    """Views of those steps hold NaN, as of a division by a zero range."""
    preprocess, done = runner.model.data_preprocessor.forward, []

    def forward(data: dict, training: bool = False) -> Any:
        views, samples = preprocess(data, training)
        if len(done) in steps:
            views = [view.clone() for view in views]
            for view in views:
                view[1, :, 3, 4] = torch.nan
        done.append(1)
        return views, samples

    runner.model.data_preprocessor.forward = forward


def test_a_bad_step_is_undone_and_written(root: Path, tmp_path: Path) -> None:
    runner = hooked(root, tmp_path)
    nan_pixels(runner, range(4, 6))
    runner.train()
    for name, value in runner.model.state_dict().items():
        assert value.isfinite().all(), name
    losses = figures(runner, 'loss')
    assert [math.isfinite(each)
            for each in losses] == [True] * 4 + [False] * 2 + [True] * 6
    text = log(tmp_path)
    assert text.count('the update was undone') == 2
    assert 'Iteration 5: loss_instance, loss_region' in text \
        or 'Iteration 5: loss, loss_instance' in text
    folder = tmp_path / 'nonfinite'
    assert sorted(path.name for path in folder.iterdir()) == [
        'config.py',
        'iter_5_rank0.pth'  # the first of the series
    ]
    step = read_step(folder / 'iter_5_rank0.pth')
    assert step['iteration'] == 5
    assert math.isnan(step['losses']['loss'])
    assert step['boxes'].shape == (4, 4) and step['donors'].shape == (4, )
    assert step['batch']['inputs'][0].shape == (4, 3, 16, 16)
    assert step['undone'] is True
    assert 'encoder_k.steps' in step['state_dict']


@OPTIM_WRAPPERS.register_module()
class ScaledOptimWrapper(OptimWrapper):
    """MMEngine's AmpOptimWrapper on a CPU: the scaler skips bad steps."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.scaler = torch.amp.GradScaler('cpu')

    def backward(self, loss: torch.Tensor, **settings: Any) -> None:
        self.scaler.scale(loss).backward(**settings)
        self._inner_count += 1

    def step(self, **settings: Any) -> None:
        self.scaler.step(self.optimizer, **settings)
        self.scaler.update()


@pytest.mark.parametrize('wrapper', [
    dict(accumulative_counts=2),
    dict(accumulative_counts=3),
    dict(type='ScaledOptimWrapper'),
], ids=['first of two', 'second of three', 'skipped by the scaler'])
def test_a_bad_step_without_an_update(root: Path, tmp_path: Path,
                                      wrapper: dict) -> None:
    """Statistics and queue are put back, and what was accumulated dropped."""
    runner = hooked(root, tmp_path, wrapper=wrapper)
    nan_pixels(runner, [4])  # type: ignore[arg-type]
    runner.train()
    for name, value in runner.model.state_dict().items():
        assert value.isfinite().all(), name
    losses = figures(runner, 'loss')
    assert [math.isfinite(each)
            for each in losses] == [True] * 4 + [False] + [True] * 7
    text = log(tmp_path)
    assert text.count('no update was made, and BatchNorm, queue') == 1
    assert 'the update was made' not in text
    step = read_step(tmp_path / 'nonfinite' / 'iter_5_rank0.pth')
    assert all(
        value.isfinite().all() for value in step['state_dict'].values())


def test_a_bad_loss_of_another_process(root: Path, tmp_path: Path,
                                       monkeypatch: Any) -> None:
    """Its keys are in the queue of all: all put it back."""
    from mmregioncl.engine.health import nonfinite

    def all_reduce(flag: torch.Tensor, op: str) -> None:
        assert op == 'max'
        flag += runner.iter == 4  # another one is to blame

    monkeypatch.setattr(nonfinite, 'all_reduce', all_reduce)
    runner = hooked(root, tmp_path, wrapper=dict(accumulative_counts=2))
    pointers = []

    class Watch(Hook):
        priority = 'LOWEST'

        def after_train_iter(self, runner: Any, *args: Any,
                             **kwargs: Any) -> None:
            pointers.append(int(runner.model.queue_ptr))

    runner.register_hook(Watch())
    runner.train()
    assert pointers == [4, 8, 12, 0, 0, 4, 8, 12, 0, 4, 8, 12]
    assert 'Iteration 5: a loss of another process is not finite' in log(
        tmp_path)


def test_a_loss_alone(root: Path, tmp_path: Path) -> None:
    """Nothing hangs on it: reported, the update stands, its keys count."""
    runner = hooked(root, tmp_path, interval=1)
    loss = runner.model.loss

    def with_figure(*args: Any, **kwargs: Any) -> dict:
        value = torch.nan if runner.iter == 2 else 0.
        return loss(*args, **kwargs) | dict(
            loss_aside=torch.tensor(value))

    runner.model.loss = with_figure
    runner.train()
    assert log(tmp_path).count('Iteration 3: ') == 1
    assert 'the gradients were finite, and the update was made' in log(
        tmp_path)
    hook, = (each for each in runner._hooks if isinstance(each, HealthHook))
    assert len(hook._images._names) == 16
    step = read_step(tmp_path / 'nonfinite' / 'iter_3_rank0.pth')
    assert step['undone'] is False  # the model in it is that after the update


def test_it_gives_up(root: Path, tmp_path: Path) -> None:
    """After so many in a row, not in all; the weights are still good."""
    runner = hooked(root, tmp_path, max_nonfinite=3, max_records=1)
    nan_pixels(runner, [1, 2, 4, 6, 7, 8])  # type: ignore[arg-type]
    with pytest.raises(RuntimeError) as info:
        runner.train()
    message = str(info.value)
    for part in ('3 steps in a row', 'iteration 9', 'max_nonfinite=3',
                 'iter_2_rank0.pth', 'lower lr'):
        assert part in message
    assert len(list((tmp_path / 'nonfinite').glob('*.pth'))) == 1
    for name, value in runner.model.state_dict().items():
        assert value.isfinite().all(), name


def test_models_without_neck_or_queue(root: Path, tmp_path: Path) -> None:
    """It is in every run's hooks; where it has nothing to say it is silent."""

    class Plain(BaseModel):

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self,
                    inputs: Any,
                    data_samples: Any = None,
                    mode: str = 'loss') -> dict:
            return dict(
                loss=self.layer(inputs[0].float().mean((2,
                                                        3))).square().mean() /
                1e4)

    runner = hooked(root, tmp_path)
    runner.model = Plain()
    runner.train()
    assert figures(runner, 'feature_std') == []


@pytest.mark.parametrize('settings, message', [
    (dict(interval=0), 'HealthHook.interval must be .* got 0'),
    (dict(interval=2.5), 'HealthHook.interval must be .* got 2.5'),
    (dict(max_nonfinite=0), 'HealthHook.max_nonfinite must be .* got 0'),
    (dict(max_records=-1), 'HealthHook.max_records must be .* got -1'),
    (dict(threshold=0), 'HealthHook.threshold must be .* got 0'),
    (dict(threshold='a'), "HealthHook.threshold must be .* got 'a'"),
    (dict(threshold=1.2), 'HealthHook.threshold must be .* got 1.2'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HealthHook(**settings)
