# Copyright (c) mmregioncl contributors. All rights reserved.
"""Classification configs: the recipes, and a real run of each."""
from __future__ import annotations

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import cv2
import numpy as np
import pytest
import torch

from tests.forked_runs import fork, wait

FOLDER = Path(
    __file__).resolve().parents[2] / 'configs/benchmarks/classification'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
KNN = [name for name in NAMES if '_knn_' in name]
TRAINED = [name for name in NAMES if name not in KNN]
LINEAR = [name for name in TRAINED if '_linear-' in name]


def load(name: str) -> Any:
    from mmengine.config import Config
    return Config.fromfile(FOLDER / f'{name}.py', import_custom_modules=False)


def test_linear_probe_of_the_authors() -> None:
    """recipes.md, section 2, value for value."""
    cfg = load('resnet50_linear-8xb128-steplr-100e_in1k')
    assert cfg.train_dataloader.batch_size * 8 == 1024
    assert not cfg.train_dataloader.get('drop_last', False)  # 1252 iterations
    assert cfg.optim_wrapper == dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=30., momentum=.9, weight_decay=0.))
    assert cfg.param_scheduler == [
        dict(type='MultiStepLR', by_epoch=True, milestones=[60, 80], gamma=.1)
    ]
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (100, 1)
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=1024)
    model = cfg.model
    assert (model.backbone.type, model.backbone.depth) == ('ResNet', 50)
    assert (model.head.num_classes, model.head.in_channels) == (1000, 2048)
    assert 'init_cfg' not in model.head  # mmcls's own: N(0, 0.01)
    _, crop, flip, _ = cfg.train_dataloader.dataset.pipeline
    assert crop == dict(type='RandomResizedCrop', scale=224, backend='pillow')
    assert flip.prob == .5
    _, resize, crop, _ = cfg.val_dataloader.dataset.pipeline
    assert (resize.scale, resize.edge, crop.crop_size) == (256, 'short', 224)
    assert cfg.default_hooks.checkpoint.save_best == 'accuracy/top1'


def test_linear_probe_of_simsiam() -> None:
    cfg = load('resnet50_linear-8xb512-lars-coslr-90e_in1k')
    assert cfg.train_dataloader.batch_size * 8 == 4096
    assert cfg.optim_wrapper.optimizer == dict(
        type='mmselfsup.LARS', lr=1.6, momentum=.9, weight_decay=0.)
    assert cfg.param_scheduler == [
        dict(
            type='CosineAnnealingLR', by_epoch=True, begin=0, end=90, T_max=90)
    ]
    assert cfg.train_cfg.max_epochs == 90
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=4096)
    assert cfg.model == load('resnet50_linear-8xb128-steplr-100e_in1k').model


@pytest.mark.parametrize('share, decay, head', [('1', 5e-4, 100.),
                                                ('10', 1e-4, 10.)])
def test_few_labels(share: str, decay: float, head: float) -> None:
    """A point of OpenSelfSup's grid, in MMSelfSup's form."""
    cfg = load(f'resnet50_ft-4xb64-steplr-20e_in1k-{share}pct')
    assert cfg.train_dataloader.batch_size * 4 == 256
    name = f'meta/train_{share}percent.txt'
    assert cfg.train_dataloader.dataset.ann_file == name
    assert cfg.val_dataloader.dataset.ann_file == 'meta/val.txt'
    assert cfg.optim_wrapper == dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=.01, momentum=.9, weight_decay=decay),
        paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=head))))
    assert cfg.param_scheduler == [
        dict(type='MultiStepLR', by_epoch=True, milestones=[12, 16], gamma=.2)
    ]
    assert cfg.train_cfg.max_epochs == 20
    assert cfg.model.backbone.norm_cfg == dict(type='SyncBN')


@pytest.mark.parametrize('name', TRAINED)
def test_all_is_checked(name: str) -> None:
    cfg = load(name)
    assert cfg.default_scope == 'mmcls'
    assert not cfg.custom_imports.allow_failed_imports
    assert [hook.type for hook in cfg.custom_hooks] == [
        'CheckPretrainedHook', 'CheckClassesHook', 'mmselfsup.PreflightHook'
    ]
    assert cfg.model.backbone.init_cfg == dict(
        type='Pretrained', checkpoint='WEIGHTS', prefix='backbone.')
    frozen = 4 if name in LINEAR else -1
    assert cfg.model.backbone.get('frozen_stages', -1) == frozen
    assert cfg.val_dataloader.dataset.test_mode  # no image is replaced
    assert cfg.auto_scale_lr.base_batch_size % (
        cfg.train_dataloader.batch_size) == 0


def test_knn_on_all_of_the_bank() -> None:
    for name in KNN:
        bank = load(name).val_cfg.bank_dataloader.dataset
        assert bank.with_label and bank.get('max_images') is None


@pytest.fixture(scope='module')
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn scenes, ten classes of 32 px noise, and weights."""
    from mmregioncl.datasets.demo_sets import make_demo_set
    from mmregioncl.transfer.resnet_layout import ResNetLayout
    from tests.transfer.conftest import random_tensors, with_prefix
    root = tmp_path_factory.mktemp('material')
    make_demo_set(root / 'folders', 'folders', 0, 16, 8, 48, 1)
    random = np.random.default_rng(0)
    for split in ('train', 'test'):
        for label in range(10):
            folder = root / 'cifar' / split / str(label)
            folder.mkdir(parents=True)
            for number in range(2):
                image = random.integers(0, 255, (32, 32, 3), np.uint8)
                cv2.imwrite(str(folder / f'{number}.png'), image)
    small = ResNetLayout(18, stem_channels=16, base_channels=16)
    for name, network in (('r50', ResNetLayout(50)), ('r18', ResNetLayout(18)),
                          ('r18w16', small)):
        tensors = random_tensors(network)
        torch.save(
            dict(state_dict=with_prefix('backbone.', tensors)),
            root / f'{name}.pth')
        if name == 'r18':
            # stride 2 in the first stage: a projection there, as in layer2
            tensors |= {
                key.replace('layer2', 'layer1'):
                value[:64] if value.ndim else value
                for key, value in tensors.items()
                if key.startswith('layer2.0.downsample')
            }
            tensors['conv1.weight'] = torch.randn(64, 3, 3, 3)
            torch.save(
                dict(state_dict=with_prefix('backbone.', tensors)),
                root / 'cifar.pth')
    return root


@pytest.fixture(scope='module')
def server() -> Iterator[Callable[..., Any]]:
    """A process that knows mmcls and mmselfsup, and nothing registered by us,
    to fork runs off."""
    with ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn'),
            initializer=_know_mmcls) as pool:
        yield lambda fn, *args: pool.submit(fn, *args).result(timeout=300)


def _know_mmcls() -> None:
    from mmregioncl.compat import import_behind_version_wall
    import_behind_version_wall('mmcls')
    import_behind_version_wall('mmselfsup')
    import mmcls.datasets
    import mmcls.engine
    import mmcls.evaluation
    import mmcls.models
    import mmcls.visualization  # noqa: F401
    import mmselfsup.datasets
    import mmselfsup.models  # noqa: F401
    from mmengine.config import Config
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    # a second of each run: yapf formats the config for each checkpoint
    Config.pretty_text = property(lambda cfg: str(dict(cfg)))


def in_a_fork(function: Callable[..., None], log: Path, *args: Any) -> int:
    return wait(fork(function, *args, log=log), 200.)


def weights_of(name: str, root: Path) -> str:
    kind = 'cifar' if 'cifar10' in name else name.split('_')[0]
    return str(root / f'{kind.replace("resnet", "r")}.pth')


def read(name: str, work_dir: Path) -> Any:
    """The config, in a process that has registered nothing of ours."""
    assert not {'mmregioncl.register', 'mmregioncl.datasets'} & set(
        sys.modules)
    from mmengine.config import Config
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    cfg.work_dir = str(work_dir)
    return cfg


def make_small(loader: Any, root: Path) -> None:
    loader.update(
        num_workers=0,
        persistent_workers=False,
        batch_size=min(10, loader.batch_size))
    loader.dataset.data_root = str(root)


def one_epoch(name: str, root: Path, work_dir: Path) -> None:
    """From the file of a config to its evaluation."""
    cfg = read(name, work_dir)
    from mmengine.runner import Runner

    from mmregioncl.transfer.downstream import set_weights
    from mmregioncl.transfer.dry_run import make_dry
    weights = weights_of(name, root)
    set_weights(cfg, weights)
    if 'cifar10' in name:
        for split in ('train', 'val', 'test'):
            make_small(cfg[f'{split}_dataloader'], root / 'cifar')
        cfg.train_cfg.update(max_epochs=1, val_interval=1)
        cfg.default_hooks.logger.interval = 1
    else:
        make_dry(cfg, str(root), iterations=1)
    cfg.default_hooks.checkpoint.save_last = False  # the best one is enough
    runner = Runner.from_cfg(cfg)
    head = runner.model.head.fc.weight.detach().clone()
    runner.train()
    assert not runner.model.head.fc.weight.equal(head)
    before = torch.load(weights, weights_only=True)['state_dict']
    after = runner.model.state_dict()
    moved = {key for key in before if not after[key].equal(before[key])}
    if name in LINEAR:  # not even the statistics of BN
        assert not moved
    else:
        assert moved == set(before)


@pytest.mark.parametrize('name', TRAINED)
def test_one_epoch_and_one_evaluation(name: str, server: Any, material: Path,
                                      tmp_path: Path) -> None:
    log = tmp_path / 'log'
    code = server(in_a_fork, one_epoch, log, name, material, tmp_path)
    text = log.read_text()
    assert code == 0, text[-3000:]
    tensors = 318 if 'resnet50' in name else 120
    tensors += 6 * ('cifar10' in name)
    assert f'{tensors}/{tensors} backbone tensors loaded from' in text
    scalars, = tmp_path.glob('*/vis_data/scalars.json')
    records = [json.loads(line) for line in scalars.read_text().splitlines()]
    losses = [each['loss'] for each in records if 'loss' in each]
    assert losses and np.isfinite(losses).all()
    assert 0 <= records[-1]['accuracy/top1'] <= 100
    assert list(tmp_path.glob('best_accuracy_top1_epoch_1.pth'))


def knn(name: str, root: Path, work_dir: Path) -> None:
    """What tools/test.py does."""
    cfg = read(name, work_dir)
    from mmengine.runner import Runner
    folder = root / ('cifar' if 'cifar10' in name else 'folders')
    for loader, split in ((cfg.val_dataloader, 'val'),
                          (cfg.val_cfg.bank_dataloader, 'train')):
        if 'cifar10' in name:  # train/ and test/ are the roots themselves
            make_small(loader, folder / split.replace('val', 'test'))
        else:
            make_small(loader, folder)
            loader.dataset.ann_file = ''
            loader.dataset.pipeline[1].scale = 36
            loader.dataset.pipeline[2].crop_size = 32
    cfg.default_hooks.checkpoint = None
    runner = Runner.from_cfg(cfg)
    from mmregioncl.evaluation.load_backbone import load_backbone
    print(load_backbone(runner.model.backbone, weights_of(name, root)))
    print(json.dumps(runner.val()))


@pytest.mark.parametrize('name', KNN)
def test_knn(name: str, server: Any, material: Path, tmp_path: Path) -> None:
    log = tmp_path / 'log'
    code = server(in_a_fork, knn, log, name, material, tmp_path)
    text = log.read_text()
    assert code == 0, text[-3000:]
    metrics = json.loads(text.splitlines()[-1])
    assert 0 <= metrics['knn/top1'] <= 100
    assert ('knn200/top1' in metrics) == ('in1k' in name)
