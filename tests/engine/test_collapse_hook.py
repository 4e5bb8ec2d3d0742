# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import logging
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

import mmregioncl.register  # noqa: F401
from mmregioncl.engine import CollapseHook
from mmregioncl.engine.hooks.collapse_hook import feature_std
from tests.models import tiny_hosts
from tests.tiny_run import build_runner, config, write_images

WARNING = 'maps all images to nearly the same point'


def slow_feature_std(rows: Tensor) -> float:
    """SimSiam, Sec. 4.1, number by number."""
    num, dim = rows.shape
    unit = [[float(x) / float(row.norm()) for x in row] for row in rows]
    deviations = []
    for column in zip(*unit):
        mean = sum(column) / num
        deviations.append(
            math.sqrt(sum((x - mean)**2 for x in column) / (num - 1)))
    return sum(deviations) / dim * math.sqrt(dim)


def test_feature_std() -> None:
    rows = torch.randn(5, 7, dtype=torch.float64)
    assert feature_std(rows).item() == pytest.approx(slow_feature_std(rows))
    assert feature_std(3 * rows).item() == pytest.approx(
        feature_std(rows).item())
    sphere = torch.randn(4000, 64)
    assert feature_std(sphere).item() == pytest.approx(1, abs=0.01)
    point = torch.ones(16, 64) + 1e-3 * torch.randn(16, 64)
    assert feature_std(point).item() < 0.01
    assert feature_std(point.bfloat16()).dtype == torch.float32


class Patches(nn.Module):
    """A backbone of one layer with stride 8, so that a step takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 8, stride=8)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.conv(images).relu(), )


def simsiam(host: bool = False) -> Any:
    """RegionCL-S or its host without the last BatchNorm, which holds the
    spread up for long even where the loss pulls it down."""
    cfg = tiny_hosts.simsiam(
        neck=tiny_hosts.projector(with_last_bn=False))
    model = tiny_hosts.build(
        tiny_hosts.host_config(cfg) if host else cfg, double=False)
    model.backbone = Patches()
    return model


class Run:
    """The part of a runner that the hook sees; it trains by SGD."""

    def __init__(self, model: Any, hook: CollapseHook, steps: int = 0,
                 lr: float = 0.5) -> None:
        self.model, self.iter = model, 0
        self.message_hub = MessageHub.get_instance('collapse')
        self.logger = logging.getLogger('collapse')
        images = torch.rand(16, 3, 24, 32)  # the views: with noise
        stepper = torch.optim.SGD(model.parameters(), lr=lr)
        hook.before_train(self)  # type: ignore[arg-type]
        for self.iter in range(steps):
            hook.before_train_iter(self, self.iter)  # type: ignore[arg-type]
            views = [images + 0.3 * torch.randn_like(images)
                     for _ in range(2)]
            stepper.zero_grad()
            sum(model.loss(views, None).values()).backward()
            stepper.step()
            hook.after_train_iter(self, self.iter)  # type: ignore[arg-type]
        hook.after_train(self)  # type: ignore[arg-type]

    def spreads(self) -> list[float]:
        """All that was logged."""
        history = self.message_hub.log_scalars['train/feature_std']
        return [float(value) for value in history.data[0]]


def without_stop_gradient(model: Any) -> Any:
    """Both sides of each pair move: a constant is the shortest way."""

    def loss(views: list[Tensor], _: Any) -> dict[str, Tensor]:
        z1, z2 = (model.neck(model.backbone(view))[0] for view in views)
        predictions = (model.head.predictor([z])[0] for z in (z1, z2))
        return dict(loss=sum(
            model.head.loss(p, z) for p, z in zip(predictions, (z2, z1))))

    model.loss = loss
    return model


def test_a_collapsing_run_is_noticed(
        caplog: pytest.LogCaptureFixture) -> None:
    """SimSiam without the stop-gradient, from healthy to a point."""
    run = Run(without_stop_gradient(simsiam()), CollapseHook(1), 150)
    spreads = run.spreads()
    assert len(spreads) == 150  # the first one before any step
    assert spreads[0] > 0.5 and spreads[-1] < 0.2
    assert caplog.text.count(WARNING) == 1  # though it stays there
    for advice in ('warm-up', 'region_loss_weight', 'BatchNorm'):
        assert advice in caplog.text


def test_a_constant_projector_is_noticed(
        caplog: pytest.LogCaptureFixture) -> None:
    model = simsiam()
    model.neck.register_forward_hook(
        lambda neck, inputs, outputs: [0 * outputs[0] + 1])
    run = Run(model, CollapseHook(1), 12)
    assert run.spreads() == [0] * 12
    assert caplog.text.count(WARNING) == 1


def test_numbers_that_are_none_are_noticed(
        caplog: pytest.LogCaptureFixture) -> None:
    model = simsiam()
    model.neck.register_forward_hook(
        lambda neck, inputs, outputs: [torch.nan * outputs[0]])
    Run(model, CollapseHook(1), 12)
    assert WARNING in caplog.text


@pytest.mark.parametrize('host', [True, False])
def test_a_healthy_run_is_not(host: bool,
                              caplog: pytest.LogCaptureFixture) -> None:
    """The same with its stop-gradient: RegionCL-S, and SimSiam."""
    run = Run(simsiam(host), CollapseHook(5), 150)
    assert len(run.spreads()) == 30 and min(run.spreads()) > 0.4
    assert WARNING not in caplog.text


def test_a_bad_moment_is_no_collapse(
        caplog: pytest.LogCaptureFixture) -> None:
    """Nine low measurements, a good one, nine low ones."""
    hook, runner = CollapseHook(1), SimpleNamespace(
        message_hub=MessageHub.get_instance('moment'),
        logger=logging.getLogger('moment'))
    low, good = torch.ones(8, 4), torch.eye(4).repeat(2, 1)
    for projections in [low] * 9 + [good] + [low] * 9:
        hook._projections = projections
        hook.after_train_iter(runner, 0)  # type: ignore[arg-type]
    assert WARNING not in caplog.text
    hook._projections = low
    hook.after_train_iter(runner, 0)  # type: ignore[arg-type]
    assert WARNING in caplog.text


def test_it_measures_the_clean_view() -> None:
    """The first call of a step, not the regions, and every fifth step."""
    model, firsts = simsiam(), []
    loss = model.loss

    def watch(views: list[Tensor], _: Any) -> dict[str, Tensor]:
        model.neck.eval()  # so that looking changes nothing
        firsts.append(model.neck(model.backbone(views[0]))[0].detach())
        return loss(views, None)

    model.loss = watch
    model.neck.eval()
    run = Run(model, CollapseHook(2), 6, lr=0.)
    assert run.spreads() == pytest.approx(
        [slow_feature_std(rows) for rows in firsts[1::2]], abs=1e-5)
    assert not model.neck._forward_hooks  # left alone after the run


def test_in_a_run(tmp_path: Path) -> None:
    """Built from the config; the figure stands in the log line."""
    root = write_images(tmp_path / 'images', 4)
    cfg = config(root, tmp_path / 'run')
    cfg['custom_hooks'] = [dict(type='CollapseHook', interval=2)]
    cfg['default_hooks']['logger'] = dict(type='LoggerHook', interval=1)
    del cfg['default_hooks']['checkpoint']
    cfg |= dict(val_dataloader=None, val_evaluator=None, val_cfg=None,
                train_cfg=dict(by_epoch=True, max_epochs=1))
    runner = build_runner(cfg)
    runner.train()
    text = ''.join(log.read_text() for log in (tmp_path / 'run').rglob(
        '*.log'))
    lines = [line for line in text.splitlines() if 'Epoch(train)' in line]
    assert ['feature_std: ' in line for line in lines] == [False, True, True]


@pytest.mark.parametrize('settings, message', [
    (dict(interval=0), 'CollapseHook.interval must be .* got 0'),
    (dict(interval=2.5), 'CollapseHook.interval must be .* got 2.5'),
    (dict(threshold=0), 'CollapseHook.threshold must be .* got 0'),
    (dict(threshold=1.2), 'CollapseHook.threshold must be .* got 1.2'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CollapseHook(**settings)


def test_a_model_without_neck() -> None:
    with pytest.raises(ValueError, match='Linear has no neck; take the hook '
                       'out of custom_hooks'):
        Run(nn.Linear(2, 2), CollapseHook())


def test_a_neck_without_projections() -> None:
    model = simsiam()
    model.neck.register_forward_hook(
        lambda neck, inputs, outputs: [outputs[0][:, :, None]])
    with pytest.raises(ValueError, match='RegionNonLinearNeck gives'):
        Run(model, CollapseHook(1), 1)
