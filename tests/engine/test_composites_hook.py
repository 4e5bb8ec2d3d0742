# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import mmregioncl.register  # noqa: F401
from mmregioncl.engine.hooks.composites_hook import CompositesHook
from tests.tiny_run import build_runner, config, regioncl_moco, write_images


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('images'), 4)


def regioncl_config(root: Path, work_dir: Path, *backends: str) -> dict:
    """Three iterations of RegionCL-M on 2 x 2 cells."""
    cfg = config(root, work_dir)
    cfg['model'] = regioncl_moco()
    cfg['default_hooks'] = dict(checkpoint=None)
    cfg['visualizer']['vis_backends'] = [dict(type=each) for each in backends]
    return cfg | dict(
        custom_hooks=[],
        val_dataloader=None,
        val_evaluator=None,
        val_cfg=None,
        train_cfg=dict(by_epoch=True, max_epochs=1))


def switched_on(cfg: dict, **settings: Any) -> dict:
    """As the one line on the command line does."""
    from mmengine.config import Config
    full = Config(cfg)
    full.merge_from_dict({
        f'default_hooks.composites.{name}': value
        for name, value in dict(type='CompositesHook', **settings).items()
    })
    return full.to_dict()


def weights(runner: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in runner.model.parameters()])


def test_in_a_run_with_files_and_tensorboard(root: Path,
                                             tmp_path: Path) -> None:
    """Both backends hold the composites that were trained on."""
    cfg = regioncl_config(root, tmp_path / 'on', 'LocalVisBackend',
                          'TensorboardVisBackend')
    runner = build_runner(switched_on(cfg, interval=2, number=3))
    model, trained_on = runner.model, []
    model.backbone.register_forward_pre_hook(
        lambda module, inputs: trained_on.append(inputs[0].detach().clone()))
    drawn: list[Any] = []
    hook = next(h for h in runner._hooks if isinstance(h, CompositesHook))
    draw = hook._draw
    hook._draw = (  # type: ignore[method-assign]
        lambda *what: drawn.append(what) or draw(*what))
    runner.train()

    for views, composites, regions in drawn:
        assert any(torch.equal(each, views) for each in trained_on)
        assert any(torch.equal(each, composites) for each in trained_on)
        assert regions.stride == 8
    files = sorted((tmp_path / 'on').glob('*/vis_data/vis_image/*.png'))
    # three iterations: after the first, and the first after the second
    assert [file.name
            for file in files] == ['composites_1.png', 'composites_3.png']
    assert not torch.equal(drawn[0][1], drawn[1][1])
    assert 'transform' not in vars(model.region_swap)

    from tensorboard.backend.event_processing.event_accumulator import \
        EventAccumulator
    events = EventAccumulator(
        str(next((tmp_path / 'on').glob('*/vis_data'))),
        size_guidance=dict(images=0)).Reload()
    images = events.Images('composites')
    assert [image.step for image in images] == [1, 3]
    decoded = cv2.imdecode(
        np.frombuffer(images[0].encoded_image_string, np.uint8), 1)
    np.testing.assert_array_equal(decoded, cv2.imread(str(files[0])))
    assert 'loss_region' in events.Tags()['scalars']

    plain = build_runner(
        regioncl_config(root, tmp_path / 'off', 'LocalVisBackend'))
    plain.train()
    assert torch.equal(weights(plain), weights(runner))  # it only watches


def test_weights_and_biases(root: Path, tmp_path: Path,
                            monkeypatch: pytest.MonkeyPatch) -> None:
    """MMEngine's backend gets the same picture; the package is a stand-in."""
    logged: dict[str, Any] = {}
    stand_in: Any = ModuleType('wandb')
    stand_in.init = lambda **settings: stand_in
    stand_in.define_metric = lambda *names, **settings: None
    stand_in.Image = lambda image: image
    stand_in.log = lambda values, **settings: logged.update(values)
    stand_in.config = stand_in.run = stand_in
    stand_in.update = stand_in.log_code = lambda *args, **settings: None
    stand_in.join = stand_in.finish = lambda: None
    monkeypatch.setitem(sys.modules, 'wandb', stand_in)
    cfg = regioncl_config(root, tmp_path, 'WandbVisBackend')
    runner = build_runner(switched_on(cfg, interval=1000))
    runner.train()
    picture = logged['composites']
    assert picture.ndim == 3 and picture.shape[2] == 3
    assert picture.dtype == np.uint8 and picture.std() > 10
    assert 'loss_region' in logged


@pytest.mark.parametrize('settings, message', [
    (dict(interval=0), 'CompositesHook.interval must be .* got 0'),
    (dict(interval=1.5), 'CompositesHook.interval must be .* got 1.5'),
    (dict(number=1), 'CompositesHook.number must be .* got 1'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CompositesHook(**settings)


def test_a_host_has_no_composites(root: Path, tmp_path: Path) -> None:
    cfg = regioncl_config(root, tmp_path, 'LocalVisBackend')
    cfg['model'] = config(root, tmp_path)['model']
    with pytest.raises(ValueError, match='MoCo swaps no regions'):
        build_runner(switched_on(cfg)).train()
