# Copyright (c) mmregioncl contributors. All rights reserved.
"""Segmentation configs: the authors' recipe, and a real run of each."""
from __future__ import annotations

import json
import multiprocessing
import runpy
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import cv2
import numpy as np
import pytest
import torch

from tests.forked_runs import fork, wait

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
FOLDER = CONFIGS / 'benchmarks/mmsegmentation'
TOOL = CONFIGS.parent / 'tools/benchmarks/train_downstream.py'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
LARGE = {
    'upernet_r50_40k_cityscapes-512x1024': 40000,
    'upernet_r50_80k_cityscapes-512x1024': 80000
}
SYNC_BN = dict(type='SyncBN', requires_grad=True)


def load(name: str) -> Any:
    from mmengine.config import Config
    cfg = Config.fromfile(FOLDER / f'{name}.py', import_custom_modules=False)
    without_scope(cfg._cfg_dict)
    return cfg


def without_scope(part: Any) -> None:
    """MMEngine notes the package of each dict that comes from its bases."""
    if isinstance(part, dict):
        part.pop('_scope_', None)
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        for each in part:
            without_scope(each)


def test_every_large_config_has_a_recipe() -> None:
    assert [name for name in NAMES if '_r50' in name] == sorted(LARGE)


@pytest.mark.parametrize('name', LARGE)
def test_recipe(name: str) -> None:
    """recipes.md, section 5, value for value."""
    cfg = load(name)
    model = cfg.model
    assert model.pretrained is None
    assert model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert model.data_preprocessor.std == [58.395, 57.12, 57.375]
    assert model.data_preprocessor.bgr_to_rgb
    backbone = model.backbone
    assert (backbone.type, backbone.depth, backbone.style) == ('ResNet', 50,
                                                               'pytorch')
    assert backbone.dilations == (1, 1, 1, 1)
    assert backbone.strides == (1, 2, 2, 2)
    assert not backbone.norm_eval and 'frozen_stages' not in backbone
    head, auxiliary = model.decode_head, model.auxiliary_head
    assert (head.type, head.channels, head.pool_scales, head.dropout_ratio,
            head.num_classes, head.align_corners) == ('UPerHead', 512, (1, 2,
                                                                        3, 6),
                                                      .1, 19, False)
    assert (auxiliary.type, auxiliary.in_index, auxiliary.channels,
            auxiliary.num_convs,
            auxiliary.loss_decode.loss_weight) == ('FCNHead', 2, 256, 1, .4)
    for part in (backbone, head, auxiliary):
        assert part.norm_cfg == SYNC_BN
    for part in (head, auxiliary):
        assert part.loss_decode.type == 'CrossEntropyLoss'
        assert not part.loss_decode.use_sigmoid
    assert model.test_cfg.mode == 'whole'
    _, _, resize, crop, flip, distortion, _ = (
        cfg.train_dataloader.dataset.pipeline)
    assert (resize.scale, resize.ratio_range) == ((2048, 1024), (.5, 2.))
    assert (crop.crop_size, crop.cat_max_ratio) == ((512, 1024), .75)
    assert flip.prob == .5 and distortion.type == 'PhotoMetricDistortion'
    assert model.data_preprocessor.size == (512, 1024)
    assert [each.type for each in cfg.val_dataloader.dataset.pipeline] == [
        'LoadImageFromFile', 'Resize', 'LoadAnnotations', 'PackSegInputs'
    ]
    assert cfg.val_dataloader.dataset.pipeline[1].scale == (2048, 1024)
    assert cfg.train_dataloader.batch_size * 8 == 16
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=16)
    assert cfg.optim_wrapper == dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=.01, momentum=.9, weight_decay=5e-4),
        clip_grad=None)
    iterations = LARGE[name]
    assert cfg.param_scheduler == [  # no warm-up
        dict(
            type='PolyLR',
            eta_min=1e-4,
            power=.9,
            begin=0,
            end=iterations,
            by_epoch=False)
    ]
    assert cfg.train_cfg == dict(
        type='IterBasedTrainLoop',
        max_iters=iterations,
        val_interval=iterations // 10)


@pytest.mark.parametrize('name', NAMES)
def test_all_is_checked(name: str) -> None:
    cfg = load(name)
    assert cfg.default_scope == 'mmseg'
    assert cfg.custom_imports == dict(
        imports=['mmregioncl.transfer'], allow_failed_imports=False)
    assert cfg.custom_hooks == [dict(type='CheckPretrainedHook')]
    assert cfg.model.backbone.init_cfg == dict(
        type='Pretrained', checkpoint='WEIGHTS', prefix='backbone.')
    assert cfg.model.pretrained is None and cfg.load_from is None


@pytest.mark.parametrize(
    'pretraining',
    ['small/mocov2_r18w16_tinyimagenet', 'small/mocov2_r18_demo'])
@pytest.mark.parametrize('name',
                         ['upernet_r18w16_camvid', 'upernet_r18w16_demo'])
def test_small_trunk_is_that_of_pretraining(name: str,
                                            pretraining: str) -> None:
    from mmengine.config import Config
    trunk = Config.fromfile(
        CONFIGS / f'{pretraining}.py',
        import_custom_modules=False).model.backbone
    ours = load(name).model.backbone
    for key in ('type', 'depth', 'base_channels', 'stem_channels', 'strides'):
        assert ours[key] == trunk[key]


def test_camvid_classes_are_those_that_occur(shared_data: Path) -> None:
    from mmseg.datasets import CityscapesDataset
    cfg = load('upernet_r18w16_camvid')
    known = CityscapesDataset.METAINFO['classes']
    wanted = {known.index(each) for each in cfg.classes}
    folder = shared_data / 'camvid_cityscapes/gtFine'
    for split in ('train', 'val'):
        maps = (folder / split).rglob('*_labelTrainIds.png')
        found = {
            int(each)
            for path in maps
            for each in np.unique(cv2.imread(str(path), -1))
        }
        assert found - {255} == wanted
    for part in (cfg.model.decode_head, cfg.model.auxiliary_head):
        assert part.num_classes == len(wanted)


def test_demo_classes_are_those_that_are_drawn() -> None:
    from mmseg.datasets import CityscapesDataset

    from mmregioncl.datasets.demo_layouts import LABELS
    known = CityscapesDataset.METAINFO['classes']
    drawn = {known[train] for _, train in LABELS.values() if train != 255}
    assert set(load('upernet_r18w16_demo').classes) == drawn


@pytest.fixture(scope='module')
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of 128 pixels, and weights of both networks."""
    from mmregioncl.datasets.demo_sets import make_demo_set
    from mmregioncl.transfer.resnet_layout import ResNetLayout
    from tests.transfer.conftest import random_tensors, with_prefix
    root = tmp_path_factory.mktemp('material')
    make_demo_set(root / 'cityscapes', 'cityscapes', 0, 4, 2, 128, 1)
    small = ResNetLayout(18, stem_channels=16, base_channels=16)
    for name, network in (('r50', ResNetLayout(50)), ('r18w16', small)):
        tensors = with_prefix('backbone.', random_tensors(network))
        torch.save(dict(state_dict=tensors), root / f'{name}.pth')
    return root


@pytest.fixture(scope='module')
def server() -> Iterator[Callable[..., Any]]:
    """A process that knows mmseg and nothing of ours, to fork runs off."""
    with ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn'),
            initializer=_know_mmseg) as pool:
        yield lambda fn, *args: pool.submit(fn, *args).result(timeout=300)


def _know_mmseg() -> None:
    import mmseg.datasets
    import mmseg.engine
    import mmseg.evaluation
    import mmseg.models
    import mmseg.visualization  # noqa: F401
    from mmengine.config import Config
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    # a second of each run: yapf formats the config for each checkpoint
    Config.pretty_text = property(lambda cfg: str(dict(cfg)))


def the_tool(*words: object) -> None:
    """tools/benchmarks/train_downstream.py as a command."""
    sys.argv = ['train_downstream.py', *map(str, words)]
    runpy.run_path(str(TOOL), run_name='__main__')


def in_a_fork(function: Callable[..., None], log: Path, *args: Any) -> int:
    return wait(fork(function, *args, log=log), 200.)


def one_iteration(name: str, root: Path, work_dir: Path) -> None:
    """From the file of a config to its evaluation, in a clean process."""
    assert not {'mmregioncl', 'mmselfsup', 'mmcls'} & set(sys.modules)
    from mmengine.config import Config
    from mmengine.runner import Runner
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    cfg.work_dir = str(work_dir)
    from mmregioncl.transfer.downstream import set_weights
    from mmregioncl.transfer.dry_run import make_dry
    weights = 'r18w16' if 'r18w16' in name else 'r50'
    set_weights(cfg, str(root / f'{weights}.pth'))
    make_dry(cfg, str(root), iterations=1)
    Runner.from_cfg(cfg).train()
    assert not {'mmselfsup', 'mmcls'} & set(sys.modules)


@pytest.mark.parametrize('name', NAMES)
def test_one_iteration_and_one_evaluation(name: str, server: Any,
                                          material: Path,
                                          tmp_path: Path) -> None:
    log = tmp_path / 'log'
    code = server(in_a_fork, one_iteration, log, name, material, tmp_path)
    text = log.read_text()
    assert code == 0, text[-3000:]
    tensors = 318 if '_r50' in name else 120
    assert f'{tensors}/{tensors} backbone tensors loaded from' in text
    scalars, = tmp_path.glob('*/vis_data/scalars.json')
    records = [json.loads(line) for line in scalars.read_text().splitlines()]
    trained = [each for each in records if 'loss' in each]
    assert len(trained) == 1 and 0 < trained[0]['loss'] < 100
    assert trained[0]['loss'] == pytest.approx(
        trained[0]['decode.loss_ce'] + trained[0]['aux.loss_ce'], rel=1e-4)
    assert 0 <= records[-1]['mIoU'] <= 100


def test_mixed_precision(server: Any, material: Path, tmp_path: Path) -> None:
    log = tmp_path / 'log'
    code = server(in_a_fork, the_tool, log, 'upernet_r18w16_demo', 'random',
                  '--dry-run', material, '--work-dir', tmp_path / 'run',
                  '--amp', 'bf16')
    text = log.read_text()
    assert code == 0, text[-3000:]
    assert 'Mixed precision: bf16' in text and 'mIoU: ' in text
