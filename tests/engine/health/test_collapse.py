# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import logging
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mmregioncl.register  # noqa: F401
from mmregioncl.engine.health import CollapseWatch, feature_std
from tests.models import tiny_hosts

LOGGER = logging.getLogger('collapse')
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
    cfg = tiny_hosts.simsiam(neck=tiny_hosts.projector(with_last_bn=False))
    model = tiny_hosts.build(
        tiny_hosts.host_config(cfg) if host else cfg, double=False)
    model.backbone = Patches()
    return model


class Run:
    """Trains by SGD under a watch."""

    def __init__(self,
                 model: Any,
                 interval: int,
                 steps: int,
                 lr: float = 0.5) -> None:
        watch = CollapseWatch(model, 0.3)
        self.spreads: list[float] = []
        images = torch.rand(16, 3, 24, 32)  # the views: with noise
        stepper = torch.optim.SGD(model.parameters(), lr=lr)
        for step in range(steps):
            watch.expect((step + 1) % interval == 0)
            views = [images + 0.3 * torch.randn_like(images) for _ in range(2)]
            stepper.zero_grad()
            sum(model.loss(views, None).values()).backward()
            stepper.step()
            spread = watch.measure(LOGGER)
            if spread is not None:
                self.spreads.append(spread)
        watch.remove()


def without_stop_gradient(model: Any) -> Any:
    """Both sides of each pair move: a constant is the shortest way."""

    def loss(views: list[Tensor], _: Any) -> dict[str, Tensor]:
        z1, z2 = (model.neck(model.backbone(view))[0] for view in views)
        predictions = (model.head.predictor([z])[0] for z in (z1, z2))
        return dict(
            loss=sum(
                model.head.loss(p, z) for p, z in zip(predictions, (z2, z1))))

    model.loss = loss
    return model


def test_a_collapsing_run_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """SimSiam without the stop-gradient, from healthy to a point."""
    run = Run(without_stop_gradient(simsiam()), 1, 150)
    spreads = run.spreads
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
    run = Run(model, 1, 12)
    assert run.spreads == [0] * 12
    assert caplog.text.count(WARNING) == 1


def test_numbers_that_are_none_are_noticed(
        caplog: pytest.LogCaptureFixture) -> None:
    model = simsiam()
    model.neck.register_forward_hook(
        lambda neck, inputs, outputs: [torch.nan * outputs[0]])
    Run(model, 1, 12)
    assert WARNING in caplog.text


@pytest.mark.parametrize('host', [True, False])
def test_a_healthy_run_is_not(host: bool,
                              caplog: pytest.LogCaptureFixture) -> None:
    """The same with its stop-gradient: RegionCL-S, and SimSiam."""
    run = Run(simsiam(host), 5, 150)
    assert len(run.spreads) == 30 and min(run.spreads) > 0.4
    assert WARNING not in caplog.text


def test_a_bad_moment_is_no_collapse(caplog: pytest.LogCaptureFixture) -> None:
    """Nine low measurements, a good one, nine low ones."""
    model = nn.Module()
    model.neck = nn.Identity()
    watch = CollapseWatch(model, 0.3)
    low, good = torch.ones(8, 4), torch.eye(4).repeat(2, 1)

    def measure(projections: Tensor) -> None:
        watch.expect(True)
        model.neck(projections)
        watch.measure(LOGGER)

    for projections in [low] * 9 + [good] + [low] * 9:
        measure(projections)
    assert WARNING not in caplog.text
    measure(low)
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
    run = Run(model, 2, 6, lr=0.)
    assert run.spreads == pytest.approx(
        [slow_feature_std(rows) for rows in firsts[1::2]], abs=1e-5)
    assert not model.neck._forward_hooks  # left alone after the run


def test_models_without_projections() -> None:
    """Nothing is measured, and nothing fails."""
    watch = CollapseWatch(nn.Linear(2, 2), 0.3)
    watch.expect(True)
    assert watch.measure(LOGGER) is None
    watch.remove()
    model = simsiam()
    model.neck.register_forward_hook(
        lambda neck, inputs, outputs: [outputs[0][:, :, None]])
    watch = CollapseWatch(model, 0.3)
    watch.expect(True)
    model.neck(model.backbone(torch.rand(4, 3, 24, 32)))
    assert watch.measure(LOGGER) is None
