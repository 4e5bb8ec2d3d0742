# Copyright (c) mmregioncl contributors. All rights reserved.
"""A recorded step, its replay, and the command."""
from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from torch import Tensor

from mmregioncl.engine.health import (StepGuard, random_state, read_step,
                                      replay_step, write_step)
from tests.models import tiny_hosts, tiny_moco

CONFIGS = dict(
    moco=tiny_moco.config(key_shuffle='local', bn_splits=2),
    densecl=tiny_hosts.densecl(),
    simsiam=tiny_hosts.simsiam(),
    byol=tiny_hosts.byol(),
    simclr=tiny_hosts.simclr(),
    host=tiny_moco.host_config())


def batch(num: int = 4) -> dict[str, Any]:
    return dict(
        inputs=[view.float() for view in tiny_moco.draw_views(num)],
        data_samples=[object()])


def record(path: Path,
           model: Any,
           data: dict,
           spoil: Any = None,
           iteration: int = 7,
           **facts: Any) -> dict:
    """A step as HealthHook would see, undo and write it; gives its losses."""
    if hasattr(model, 'shuffle_seed'):
        model.shuffle_seed()
    if spoil is not None:
        spoil(model)
    guard = StepGuard(model, torch.optim.SGD(model.parameters(), 0.1))
    guard.remember(len(data['inputs'][0]))
    torch.manual_seed(5)
    random = random_state()
    losses = model.loss(*model.data_preprocessor(
        dict(inputs=data['inputs'], data_samples=None), True))
    guard.undo()
    values = {name: value.item() for name, value in losses.items()}
    write_step(
        path,
        model,
        data,
        random,
        iteration=iteration,
        losses=values,
        **facts)
    return values


@pytest.mark.parametrize('name', CONFIGS)
def test_the_same_step_again(name: str, tmp_path: Path) -> None:
    """Boxes, permutation, momentum encoder, queue: every loss is the same."""
    cfg = CONFIGS[name]
    MessageHub.get_current_instance().update_info('max_iters', 100)  # BYOL
    model = tiny_moco.build(cfg, double=False)
    for _ in range(2):  # not the first step, in which the encoder is copied
        model.loss(batch()['inputs'], None)
        tiny_moco.perturb(model)
    losses = record(tmp_path / 'step.pth', model, batch())
    torch.manual_seed(99)
    fresh = tiny_moco.build(cfg, seed=3, double=False)
    MessageHub.get_current_instance().pop_info('max_iters')
    found = replay_step(fresh, read_step(tmp_path / 'step.pth'))
    assert found.first == ''
    for key, value in losses.items():
        assert found.losses[key] == pytest.approx(value, abs=1e-5), key


@pytest.mark.parametrize('scope', ['batch', 'image'])
def test_a_step_of_another_process(scope: str, tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """Its boxes and its shuffle are drawn here, in the only process."""
    cfg = tiny_moco.config(key_shuffle='local', bn_splits=2)
    cfg['region_swap'] = dict(cfg['region_swap'], scope=scope)
    model = tiny_moco.build(cfg, double=False)
    modules = ('mmregioncl.datasets.transforms.region_swap',
               'mmregioncl.models.algorithms.momentum_keys',
               'mmregioncl.engine.health.step_record')
    with monkeypatch.context() as patch:
        for module in modules:
            patch.setattr(f'{module}.get_rank', lambda: 3)
        losses = record(tmp_path / 'step.pth', model, batch())
    others = record(tmp_path / 'first.pth', model, batch())
    assert losses['loss_region'] != others['loss_region']
    step = read_step(tmp_path / 'step.pth')
    assert step['rank'] == 3
    fresh = tiny_moco.build(cfg, seed=3, double=False)
    found = replay_step(fresh, step)
    for key, value in losses.items():
        assert found.losses[key] == pytest.approx(value, abs=1e-5), key
    regions = fresh.region_swap.last_regions
    assert regions.boxes.equal(step['boxes'])
    assert regions.donors.equal(step['donors'])


@pytest.mark.parametrize('iteration', [6, 7])
def test_a_step_without_regions(iteration: int, tmp_path: Path) -> None:
    """Every other step has them, and here too."""
    cfg = tiny_moco.config(region_budget=dict(interval=2))
    model = tiny_moco.build(cfg, double=False)
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', 0)
    model.loss(batch()['inputs'], None)  # boxes that are not of that step
    hub.update_info('iter', iteration - 1)
    losses = record(
        tmp_path / 'step.pth', model, batch(), iteration=iteration)
    hub.pop_info('iter')
    assert (losses['loss_region'] == 0) == (iteration == 6)
    step = read_step(tmp_path / 'step.pth')
    assert ('boxes' in step) == (iteration == 7)
    found = replay_step(tiny_moco.build(cfg, seed=3, double=False), step)
    assert found.losses['loss_region'] == pytest.approx(
        losses['loss_region'], abs=1e-5)
    hub.pop_info('iter')


def replayed(tmp_path: Path, data: dict, spoil: Any = None) -> Any:
    model = tiny_moco.build(tiny_moco.config(), double=False)
    record(tmp_path / 'step.pth', model, data, spoil)
    return replay_step(
        tiny_moco.build(tiny_moco.config(), seed=1, double=False),
        read_step(tmp_path / 'step.pth'))


def test_a_bad_view(tmp_path: Path) -> None:
    data = batch()
    data['inputs'][1][2, 0, 1, 1] = torch.inf
    found = replayed(tmp_path, data)
    assert found.first == ('view 1: 1 of 9216 values are not finite')
    assert any('ResNet' in each or 'conv1' in each for each in found.later)


def test_a_bad_weight(tmp_path: Path) -> None:

    def spoil(model: Any) -> None:
        model.neck.mlp[0].weight.data[0, 0] = torch.nan

    found = replayed(tmp_path, batch(), spoil)
    assert found.first.startswith('the state: neck.mlp.0.weight: 1 of 512')


def test_an_overflow(tmp_path: Path) -> None:
    """All weights are finite; the product is not."""

    def spoil(model: Any) -> None:
        model.neck.mlp[0].weight.data.fill_(3e38)

    found = replayed(tmp_path, batch(), spoil)
    assert found.first.startswith('the output of Linear neck.mlp.0: ')


def test_another_model(tmp_path: Path) -> None:
    model = tiny_moco.build(tiny_moco.config(), double=False)
    record(tmp_path / 'step.pth', model, batch())
    with pytest.raises(ValueError, match='recorded with another model'):
        replay_step(
            tiny_moco.build(tiny_hosts.simsiam(), double=False),
            read_step(tmp_path / 'step.pth'))


def test_files_that_hold_no_step(tmp_path: Path) -> None:
    torch.save(dict(state_dict={}), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='holds no training step, iteration'):
        read_step(tmp_path / 'x.pth')


def test_the_file_is_tensors_only(tmp_path: Path) -> None:
    model = tiny_moco.build(tiny_moco.config(), double=False)
    record(tmp_path / 'step.pth', model, batch())
    step = torch.load(tmp_path / 'step.pth', weights_only=True)
    assert set(step) == {
        'iteration', 'rank', 'losses', 'batch', 'random', 'state_dict',
        'boxes', 'donors', 'shuffle_seed'
    }
    assert list(step['batch']) == ['inputs']
    assert isinstance(step['boxes'], Tensor)
    assert [each.name for each in tmp_path.iterdir()] == ['step.pth']


def command(repo_root: Path, monkeypatch: pytest.MonkeyPatch, *arguments:
            object) -> int:
    monkeypatch.setattr(sys, 'argv', ['replay.py', *map(str, arguments)])
    with pytest.raises(SystemExit) as info:
        runpy.run_path(
            str(repo_root / 'tools/analysis_tools/replay.py'),
            run_name='__main__')
    assert isinstance(info.value.code, int)
    return info.value.code


def test_the_command(repo_root: Path, tmp_path: Path,
                     monkeypatch: pytest.MonkeyPatch,
                     capsys: pytest.CaptureFixture) -> None:
    data = batch()
    model = tiny_moco.build(tiny_moco.config(), double=False)
    record(tmp_path / 'good.pth', model, data, undone=False)
    data['inputs'][0][:] = torch.nan
    record(tmp_path / 'bad.pth', model, data)
    assert command(repo_root, monkeypatch, tmp_path / 'bad.pth') == 2
    assert 'there is no config' in capsys.readouterr().err
    Config(
        dict(
            model=tiny_moco.config(),
            optim_wrapper=dict(type='OptimWrapper'))).dump(tmp_path /
                                                           'config.py')
    assert command(repo_root, monkeypatch, tmp_path / 'bad.pth') == 0
    text = capsys.readouterr().out
    assert 'iteration 7: then and now' in text
    assert 'the update had been made' not in text
    assert 'begins at view 0: 9216 of 9216 values are not finite' in text
    assert 'and ' in text.splitlines()[-1]  # the list is cut
    assert command(repo_root, monkeypatch, tmp_path / 'good.pth') == 1
    text = capsys.readouterr().out
    assert 'all values are finite this time' in text
    assert 'the update had been made' in text
    torch.save(dict(x=1), tmp_path / 'none.pth')
    assert command(repo_root, monkeypatch, tmp_path / 'none.pth') == 2
    assert 'holds no training step' in capsys.readouterr().err
