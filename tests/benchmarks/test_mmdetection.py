# Copyright (c) mmregioncl contributors. All rights reserved.
"""Detection configs: the authors' recipes, and a real run of each."""
from __future__ import annotations

import functools
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import torch

from tests.forked_runs import fork, wait

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / 'configs' / 'benchmarks' / 'mmdetection'
TOOLS = REPO / 'tools' / 'benchmarks'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
LARGE = [name for name in NAMES if '_r50' in name]

# What detectron2's logs say (reference/recipes.md, section 4): lr, batch,
# iterations, steps, shorter sides, longest side in training and in testing.
SIDES = list(range(640, 801, 32))
RECIPES = {
    'mask-rcnn_r50-c4_1x_coco':
    (.02, 16, 90000, [60000, 80000], SIDES, 1200, (1333, 800)),
    'mask-rcnn_r50-c4_2x_coco':
    (.02, 16, 180000, [120000, 160000], SIDES, 1200, (1333, 800)),
    'mask-rcnn_r50-fpn_1x_coco':
    (.02, 16, 90000, [60000, 80000], SIDES, 1333, (1333, 800)),
    'mask-rcnn_r50-fpn_2x_coco':
    (.02, 16, 180000, [120000, 160000], SIDES, 1333, (1333, 800)),
    'retinanet_r50-fpn_1x_coco': (.01, 16, 90000, [60000, 80000], SIDES, 1333,
                                  (1333, 800)),
    'retinanet_r50-fpn_2x_coco': (.01, 16, 180000, [120000, 160000], SIDES,
                                  1333, (1333, 800)),
    'mask-rcnn_r50-fpn_24k_cityscapes': (.01, 8, 24000, [18000],
                                         list(range(800, 1025,
                                                    32)), 2048, (2048, 1024)),
}
# BN layers in training mode: 53 of a ResNet-50 or 20 of a ResNet-18, with one
# after res5 in C4, and two for each of FPN's four levels, or three laterals
# and five outputs in RetinaNet. None in any head.
NORMS = {'c4': 53 + 1, 'r50-fpn': 53 + 8, 'r18w16-fpn': 20 + 8}


@functools.cache  # a second for each; nobody changes them
def load(name: str) -> Any:
    from mmengine.config import Config
    return Config.fromfile(FOLDER / f'{name}.py', import_custom_modules=False)


def test_every_large_config_has_a_recipe() -> None:
    assert LARGE == sorted(RECIPES)


@pytest.mark.parametrize('name', LARGE)
def test_recipe(name: str) -> None:
    cfg = load(name)
    lr, batch, iters, steps, sides, longest, test_scale = RECIPES[name]
    optimizer = dict(type='SGD', lr=lr, momentum=0.9, weight_decay=1e-4)
    assert cfg.optim_wrapper == dict(
        type='OptimWrapper',  # no AMP, no clipping
        optimizer=optimizer,
        paramwise_cfg=dict(norm_decay_mult=0.))
    assert cfg.train_dataloader.batch_size * 8 == batch
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=batch)
    # one evaluation, at the end
    assert cfg.train_cfg == dict(
        type='IterBasedTrainLoop', max_iters=iters, val_interval=iters)
    assert cfg.param_scheduler[0] == dict(
        type='LinearLR', start_factor=.001, by_epoch=False, begin=0, end=1001)
    assert cfg.param_scheduler[1] == dict(
        type='MultiStepLR', by_epoch=False, milestones=steps, gamma=.1)
    resize, = [
        each for each in cfg.train_dataloader.dataset.pipeline
        if each.type == 'RandomChoiceResize'
    ]
    assert resize.scales == [(longest, side) for side in sides]
    resize, = [
        each for each in cfg.val_dataloader.dataset.pipeline
        if each.type == 'Resize'
    ]
    assert resize.scale == test_scale
    precise = cfg.custom_hooks[1]
    assert precise == dict(type='PreciseBNHook', num_iters=200)
    model = cfg.model
    assert model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert model.data_preprocessor.std == [58.395, 57.12, 57.375]
    assert model.data_preprocessor.bgr_to_rgb
    assert (model.backbone.type, model.backbone.style) == ('ResNet', 'pytorch')
    norms = [model.backbone.norm_cfg]
    if 'c4' in name:
        head = model.roi_head.shared_head
        assert (head.type, head.style) == ('ResLayerExtraNorm', 'pytorch')
        assert not head.norm_eval and head.init_cfg.prefix == 'backbone.'
        norms.append(head.norm_cfg)
        assert [
            model[f'{part}_cfg'][key][count]
            for part, key, count in (('train', 'rpn_proposal', 'nms_pre'),
                                     ('train', 'rpn_proposal', 'max_per_img'),
                                     ('test', 'rpn', 'nms_pre'),
                                     ('test', 'rpn', 'max_per_img'))
        ] == [12000, 2000, 6000, 1000]
    else:
        norms.append(model.neck.norm_cfg)
    assert norms == [dict(type='SyncBN', requires_grad=True)] * 2
    if 'retinanet' in name:
        assert model.neck.relu_before_extra_convs
        assert model.bbox_head.loss_bbox.type == 'L1Loss'
        assert (model.bbox_head.loss_cls.alpha,
                model.bbox_head.loss_cls.gamma) == (.25, 2.)
    else:
        classes = 8 if 'cityscapes' in name else 80
        assert model.roi_head.bbox_head.num_classes == classes
        assert model.roi_head.mask_head.num_classes == classes
        assert not model.train_cfg.rcnn.assigner.match_low_quality
        assert model.train_cfg.rpn.allowed_border == -1


@pytest.mark.parametrize('name', NAMES)
def test_nothing_is_frozen_and_all_is_checked(name: str) -> None:
    cfg = load(name)
    assert cfg.default_scope == 'mmdet'
    assert 'mmregioncl.transfer' in cfg.custom_imports.imports
    assert not cfg.custom_imports.allow_failed_imports
    backbone = cfg.model.backbone
    assert backbone.frozen_stages == -1 and not backbone.norm_eval
    assert backbone.norm_cfg.requires_grad
    assert backbone.init_cfg == dict(
        type='Pretrained', checkpoint='WEIGHTS', prefix='backbone.')
    assert cfg.get('load_from') is None
    gate, precise = cfg.custom_hooks
    assert gate == dict(
        type='CheckPretrainedHook',
        **(dict(shared_head='roi_head.shared_head') if 'c4' in name else {}))
    assert precise.type == 'PreciseBNHook'
    assert cfg.auto_scale_lr.base_batch_size in (8, 16)


def test_lr_of_every_iteration() -> None:
    """detectron2's WarmupMultiStepLR, through all of the shortest schedule."""
    from mmengine.optim import LinearLR, MultiStepLR
    cfg = load('mask-rcnn_r50-fpn_24k_cityscapes')
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], .01)
    warm_up, steps = (dict(each) for each in cfg.param_scheduler)
    assert (warm_up.pop('type'), steps.pop('type')) == ('LinearLR',
                                                        'MultiStepLR')
    schedulers = LinearLR(optimizer,
                          **warm_up), MultiStepLR(optimizer, **steps)
    for step in range(cfg.train_cfg.max_iters):
        expected = .001 if step >= 18000 else .01
        if step < 1000:
            expected *= .001 * (1 - step / 1000) + step / 1000
        assert abs(optimizer.param_groups[0]['lr'] / expected - 1) < 1e-9
        optimizer._step_count = step + 1  # or torch warns
        for each in schedulers:
            each.step()


@pytest.fixture(scope='module')
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of 128 pixels, and weights of both networks."""
    from mmregioncl.datasets.demo_sets import make_demo_set
    from mmregioncl.transfer.resnet_layout import ResNetLayout
    from tests.transfer.conftest import random_tensors, with_prefix
    root = tmp_path_factory.mktemp('material')
    for layout in ('coco', 'cityscapes'):
        make_demo_set(root / layout, layout, 0, 4, 2, 128, 1)
    for name, network in (('r50', ResNetLayout(50)), ('r18w16',
                                                      ResNetLayout(
                                                          18,
                                                          stem_channels=16,
                                                          base_channels=16))):
        tensors = with_prefix('backbone.', random_tensors(network))
        torch.save(dict(state_dict=tensors), root / f'{name}.pth')
    return root


@pytest.fixture(scope='module')
def server() -> Iterator[Callable[..., Any]]:
    """A process that knows mmdet and nothing of ours, to fork runs off."""
    with ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn'),
            initializer=_know_mmdet) as pool:
        yield lambda fn, *args: pool.submit(fn, *args).result(timeout=300)


def _know_mmdet() -> None:
    import cv2
    import mmdet.datasets.transforms
    import mmdet.engine
    import mmdet.evaluation
    import mmdet.models
    import mmdet.visualization  # noqa: F401
    from mmengine.config import Config
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    # a second of each run: yapf formats the config for each checkpoint
    Config.pretty_text = property(lambda cfg: str(dict(cfg)))


def in_a_fork(function: Callable[..., None], log: Path, *args: Any) -> int:
    return wait(fork(function, *args, log=log), 280.)


def one_iteration(name: str, root: Path, work_dir: Path) -> None:
    """From the file of a config to its evaluation, in a clean process."""
    foreign = {'mmregioncl', 'mmselfsup', 'mmcls'}
    assert not foreign & set(sys.modules)
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


def the_tool(*words: object) -> None:
    """tools/benchmarks/train_downstream.py as a command."""
    sys.argv = ['train_downstream.py', *map(str, words)]
    runpy.run_path(str(TOOLS / 'train_downstream.py'), run_name='__main__')


def test_two_processes_on_a_cpu(server: Any, material: Path,
                                tmp_path: Path) -> None:
    """Launched as on GPUs: SyncBN reverts, the weights arrive on both."""
    name = 'mask-rcnn_r18w16-fpn_demo'
    words = [
        name, material / 'r18w16.pth', '--work-dir', tmp_path, '--dry-run',
        material, '--seed', 1, '--cfg-options',
        'model.neck.norm_cfg.type=SyncBN'
    ]
    done = subprocess.run(
        [
            str(TOOLS / 'mmdetection' / 'dist_train.sh'),
            *map(str, [*words[:2], 2, *words[2:]])
        ],
        env=dict(
            os.environ,
            PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
            PORT='29741'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300)
    text = done.stdout
    assert done.returncode == 0, text[-3000:]
    assert 'No GPU: 1 settings SyncBN -> BN' in text
    assert 'GPU number: 2' in text and 'coco/bbox_mAP: ' in text
    assert '120/120 backbone tensors loaded from' in text
    # As if it had been stopped before the evaluation: that is all it does.
    log = tmp_path / 'again'
    code = server(in_a_fork, the_tool, log, *words[:6], '--resume')
    text = log.read_text()
    assert code == 0, text[-3000:]
    assert 'resumed at iteration 2' in text and 'Iter(train)' not in text
    assert 'coco/bbox_mAP: ' in text


@pytest.mark.parametrize('words, message', [
    (['retinanet_r50-fpn_1x_coco', 'gone.pth'], 'gone.pth does not exist'),
    (['retinanet_r50-fpn_9x_coco', 'random'], 'retinanet_r50-fpn_2x_coco'),
    (['retinanet_r50-fpn_1x_coco', 'random', '--dry-run', 'nowhere'
      ], 'make_demo_data.py nowhere'),
])
def test_the_tool_refuses_before_it_starts(words: list[str], message: str,
                                           monkeypatch: pytest.MonkeyPatch,
                                           capsys: Any) -> None:
    monkeypatch.setattr(sys, 'argv', sys.argv)
    with pytest.raises(SystemExit) as info:
        the_tool(*words)
    error = capsys.readouterr().err
    assert info.value.code == 2 and message in error
    assert len(error.splitlines()) == 1  # no traceback


@pytest.mark.parametrize('name', NAMES)
def test_one_iteration_and_one_evaluation(name: str, server: Any,
                                          material: Path,
                                          tmp_path: Path) -> None:
    if 'cityscapes' in name:
        pytest.importorskip(
            'cityscapesscripts', reason='evaluates Cityscapes instances')
    log = tmp_path / 'log'
    code = server(in_a_fork, one_iteration, log, name, material, tmp_path)
    text = log.read_text()
    assert code == 0, text[-3000:]
    tensors = 318 if '_r50' in name else 120
    assert f'{tensors}/{tensors} backbone tensors loaded from' in text
    norms, = [count for key, count in NORMS.items() if key in name]
    assert f'PreciseBNHook: {norms} BN layers over 1 batches' in text
    scalars, = tmp_path.glob('*/vis_data/scalars.json')
    records = [json.loads(line) for line in scalars.read_text().splitlines()]
    trained = [each for each in records if 'loss' in each]
    assert len(trained) == 1 and 0 < trained[0]['loss'] < 100
    assert ('loss_mask' in trained[0]) == name.startswith('mask')
    last = records[-1]
    assert 0 <= last['coco/bbox_mAP'] <= 1
    assert ('coco/segm_mAP' in last) == name.startswith('mask')
    assert ('cityscapes/mAP' in last) == ('cityscapes' in name)
