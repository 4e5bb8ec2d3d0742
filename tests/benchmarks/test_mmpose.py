# Copyright (c) mmregioncl contributors. All rights reserved.
"""Pose configs: mmpose's recipe of the time, and that they build."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / 'configs/benchmarks/mmpose'
SIZES = {
    'simple-baseline_r50_210e_coco-256x192': ((192, 256), (48, 64)),
    'simple-baseline_r50_210e_ap10k-256x256': ((256, 256), (64, 64))
}


def test_these_are_all() -> None:
    assert {path.stem for path in FOLDER.glob('*.py')} == set(SIZES)


@pytest.fixture(params=SIZES)
def cfg(request: pytest.FixtureRequest) -> Any:
    """Their bases are mmpose's own files."""
    try:
        import mmpose.models  # noqa: F401
    except Exception as error:  # its xtcocotools is built for some NumPy only
        pytest.skip(f'mmpose does not import here: {error!r}')
    from mmengine.config import Config
    return Config.fromfile(FOLDER / f'{request.param}.py')


def test_recipe(cfg: Any) -> None:
    """recipes.md, section 6: mmpose 0.20."""
    size, heatmap = SIZES[Path(cfg.filename).stem]
    assert (cfg.codec.input_size, cfg.codec.heatmap_size,
            cfg.codec.sigma) == (size, heatmap, 2)
    assert (cfg.optim_wrapper.optimizer.type,
            cfg.optim_wrapper.optimizer.lr) == ('Adam', 5e-4)
    assert cfg.train_cfg.max_epochs == 210
    warm_up, steps = cfg.param_scheduler
    assert (warm_up.type, warm_up.end, warm_up.start_factor,
            warm_up.by_epoch) == ('LinearLR', 500, .001, False)
    assert (steps.type, steps.milestones) == ('MultiStepLR', [170, 200])
    assert cfg.train_dataloader.batch_size * 8 == 512
    assert cfg.auto_scale_lr.base_batch_size == 512
    head, test = cfg.model.head, cfg.model.test_cfg
    assert (head.type, head.loss.type,
            head.loss.use_target_weight) == ('HeatmapHead', 'KeypointMSELoss',
                                             True)
    assert test.flip_test and test.shift_heatmap
    types = [each.type for each in cfg.train_dataloader.dataset.pipeline]
    assert types[2:5] == [
        'RandomFlip', 'RandomHalfBody', 'RandomBBoxTransform'
    ]
    assert cfg.train_dataloader.dataset.pipeline[4].shift_prob == 0


def test_builds_and_is_checked(cfg: Any) -> None:
    from mmengine.registry import MODELS, init_default_scope
    assert [hook.type for hook in cfg.custom_hooks
            ] == ['SyncBuffersHook', 'CheckPretrainedHook']
    init_cfg = cfg.model.backbone.init_cfg
    assert init_cfg == dict(
        type='Pretrained', checkpoint='WEIGHTS', prefix='backbone.')
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    assert all(each.requires_grad for each in model.backbone.parameters())
    width, height = cfg.codec.input_size
    with torch.no_grad():
        maps = model(torch.zeros(1, 3, height, width), None, mode='tensor')
    assert maps.shape == (1, 17, height // 4, width // 4)
