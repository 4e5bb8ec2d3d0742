# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.dataset import (ConcatDataset, DefaultSampler, InfiniteSampler,
                              RepeatDataset)
from torch.utils.data import DataLoader

from mmregioncl.datasets import ImageFolder
from mmregioncl.engine.hooks.preflight_hook import (check_batch,
                                                    check_pipeline,
                                                    suggest_queue_len)
from tests.tiny_run import (CLASSES, TRAIN_PIPELINE, build_runner, config,
                            regioncl_moco, write_images)


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('images'), 6)


def hooked(root: Path, work_dir: Path) -> dict:
    """One epoch of 18 images with the hook and without k-NN."""
    cfg = config(root, work_dir)
    cfg.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    del cfg['default_hooks']
    cfg['custom_hooks'] = [dict(type='PreflightHook')]
    cfg['train_cfg'] = dict(by_epoch=True, max_epochs=1)
    return cfg


def log(work_dir: Path) -> str:
    return ''.join(each.read_text() for each in work_dir.glob('*/*.log'))


def test_what_it_prints(root: Path, tmp_path: Path) -> None:
    cfg = hooked(root, tmp_path)
    cfg['auto_scale_lr'] = dict(base_batch_size=32)
    cfg['model']['queue_len'] = 64
    cfg['optim_wrapper']['accumulative_counts'] = 2
    cfg['train_cfg']['max_epochs'] = 2
    cfg['param_scheduler'] = [  # what is logged is the lr of the config
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=100)
    ]
    build_runner(cfg).train()
    text = log(tmp_path)
    assert text.count('ln(K + 1) = 4.17 is the loss of a random guess') == 1
    assert 'oldest of the K keys is 16 steps or 3.56 epochs old' in text
    assert ('Total batch 8 = 1 process(es) x 4 images x 2 accumulated, '
            'lr 0.01') in text
    assert ('lr 0.01 is meant for a total batch of 32, and this run has 8: '
            'pass --auto-scale-lr') in text
    assert 'to train with 0.0025' in text
    assert ('queue_len=64 is longer than the data set of 18 images' in text)
    assert 'Set model.queue_len=8' in text
    assert 'Skipped' not in text


def test_what_it_does_not_warn_of(root: Path, tmp_path: Path) -> None:
    cfg = hooked(root, tmp_path)
    cfg['auto_scale_lr'] = dict(base_batch_size=32, enable=True)
    build_runner(cfg).train()
    text = log(tmp_path)
    assert 'lr 0.00125' in text  # 0.01 x 4 / 32
    assert 'ln(K + 1) = 2.83' in text
    assert 'is meant for' not in text
    assert 'is longer than' not in text


def test_algorithms_without_a_queue(root: Path, tmp_path: Path) -> None:
    cfg = hooked(root, tmp_path)
    model = cfg['model']
    cfg['model'] = dict(
        type='SimSiam',
        backbone=model['backbone'],
        data_preprocessor=model['data_preprocessor'],
        neck=dict(
            type='NonLinearNeck',
            in_channels=64,
            hid_channels=16,
            out_channels=16,
            num_layers=2),
        head=dict(
            type='LatentPredictHead',
            loss=dict(type='CosineSimilarityLoss'),
            predictor=dict(
                type='NonLinearNeck',
                in_channels=16,
                hid_channels=8,
                out_channels=16,
                with_avg_pool=False)))
    build_runner(cfg).train()
    assert 'ln(K' not in log(tmp_path)
    assert 'Total batch 4' in log(tmp_path)


@pytest.mark.parametrize('images, expected', [
    (1_281_167, 524_288),
    (50_000, 16_384),
    (10_000, 4_096),
    (170, 64),
    (8, 4),
    (3, 2),
])
def test_suggested_queue(images: int, expected: int) -> None:
    assert suggest_queue_len(images) == expected


def test_the_reason_for_the_suggestion() -> None:
    """A query meets its own last key with probability s**2 / 2."""
    images, share, met, epochs = 400, 0.5, 0, 60
    last = torch.arange(images)
    for _ in range(epochs):
        order = torch.randperm(images)
        then, now = torch.argsort(last), torch.argsort(order)
        met += int((images - then + now <= share * images).sum())
        last = order
    assert met / (images * epochs) == pytest.approx(1 / 8, abs=0.02)


def loader(images: int,
           batch: int,
           drop_last: bool,
           infinite: bool = False) -> DataLoader:
    dataset: Any = list(range(images))
    kind = InfiniteSampler if infinite else DefaultSampler
    return DataLoader(
        dataset, batch, sampler=kind(dataset), drop_last=drop_last)


@pytest.mark.parametrize('images, batch, drop_last, message', [
    (10, 1, True, 'batch_size=1: .* two images per process'),
    (9, 4, False, 'last batch of an epoch would hold a single.*drop_last'),
    (1, 4, False, 'single image'),
    (3, 4, True, 'not one full batch; set a batch_size of 3 or less'),
])
def test_batches_that_cannot_work(images: int, batch: int, drop_last: bool,
                                  message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_batch(loader(images, batch, drop_last))


@pytest.mark.parametrize('settings', [(9, 4, True), (10, 4, False),
                                      (8, 4, False), (3, 4, False),
                                      (4, 4, True), (9, 4, False, True)])
def test_batches_that_work(settings: tuple) -> None:
    check_batch(loader(*settings))


def test_bad_batch_stops_the_run(root: Path, tmp_path: Path) -> None:
    cfg = hooked(root, tmp_path)
    cfg['train_dataloader'].update(batch_size=17, drop_last=False)
    with pytest.raises(ValueError, match='single image'):
        build_runner(cfg).train()


SWAP = dict(type='mmselfsup.RegionSwap', stride=4, cells=(1, 2))
MULTI_VIEW = dict(
    type='mmselfsup.MultiView',
    num_views=[1, 1],
    transforms=[[dict(type='RandomFlip', prob=0.5)], [SWAP]])


@pytest.mark.parametrize('pipeline', [
    [SWAP],
    [MULTI_VIEW],
    [dict(type='RandomApply', transforms=[SWAP], prob=0.5)],
])
@pytest.mark.parametrize('wrap', [
    lambda dataset: dataset,
    lambda dataset: ConcatDataset([dataset, dataset]),
    lambda dataset: RepeatDataset(dataset, 2),
])
def test_region_swap_in_a_pipeline(root: Path, pipeline: list,
                                   wrap: Any) -> None:
    load = [dict(type='LoadImageFromFile')]
    check_pipeline(wrap(ImageFolder(str(root), pipeline=load)))
    dataset = wrap(ImageFolder(str(root), pipeline=load + pipeline))
    with pytest.raises(ValueError, match=r'model.region_swap=dict\(...\)'):
        check_pipeline(dataset)


def test_it_stops_the_run(root: Path, tmp_path: Path) -> None:
    cfg = hooked(root, tmp_path)
    cfg['train_dataloader']['dataset']['pipeline'] = [
        TRAIN_PIPELINE[0], SWAP, *TRAIN_PIPELINE[1:]
    ]
    with pytest.raises(ValueError, match='no place in a per-image pipeline'):
        build_runner(cfg).train()


@pytest.mark.parametrize('workers', [0, 2])
def test_skipped_images_are_reported(tmp_path: Path, workers: int) -> None:
    root = write_images(tmp_path / 'data', 6)
    bad = [str(root / name / '001.png') for name in CLASSES[:2]]
    for path in bad:
        Path(path).write_bytes(b'no image')
    work_dir = tmp_path / 'run'
    work_dir.mkdir()
    (work_dir / 'skipped.txt').write_text('of an earlier run\n')
    cfg = hooked(root, work_dir)
    cfg['train_dataloader']['num_workers'] = workers
    cfg['train_dataloader']['batch_size'] = 6
    cfg['model']['queue_len'] = 18  # MMSelfSup's must be a multiple
    cfg['train_dataloader']['dataset']['max_skipped_share'] = 0.2
    build_runner(cfg).train()
    lines = (work_dir / 'skipped.txt').read_text().splitlines()
    assert sorted(lines) == sorted(bad)
    assert log(work_dir).count(
        f'Skipped 2 of 18 images below {str(root)!r}') == 1


def test_the_bank_is_reported_too(tmp_path: Path) -> None:
    root = write_images(tmp_path / 'data', 6)
    other = write_images(tmp_path / 'other', 6)
    (root / CLASSES[0] / '001.png').write_bytes(b'no image')
    cfg = config(other, tmp_path / 'run')
    cfg['custom_hooks'].append(dict(type='PreflightHook'))
    cfg['train_cfg']['max_epochs'] = 1
    bank = cfg['val_cfg']['bank_dataloader']['dataset']
    bank['data_root'] = str(root)
    build_runner(cfg).train()
    assert 'Skipped 1 of 18' in log(tmp_path / 'run')
    listed = (tmp_path / 'run' / 'skipped.txt').read_text().splitlines()
    assert listed == [str(root / CLASSES[0] / '001.png')]


def test_too_many_over_all_ranks(root: Path, tmp_path: Path,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """Another rank met images that this one did not."""
    from mmregioncl.engine.hooks import preflight_hook

    def all_reduce(bad: Any, op: str) -> None:
        if len(bad) == 18:  # one for each image
            bad[:3] = 1

    monkeypatch.setattr(preflight_hook, 'all_reduce', all_reduce)
    cfg = hooked(root, tmp_path)
    with pytest.raises(ValueError, match='3 of 18 images.*all processes'):
        build_runner(cfg).train()


def test_the_first_image_of_the_bank_is_listed(tmp_path: Path) -> None:
    """k-NN looks at it before the file is known."""
    root = write_images(tmp_path / 'data', 6)
    bad = root / CLASSES[0] / '000.png'
    bad.write_bytes(b'no image')
    cfg = config(root, tmp_path / 'run')
    cfg['custom_hooks'].append(dict(type='PreflightHook'))
    cfg['train_cfg']['max_epochs'] = 1
    build_runner(cfg).train()
    text = (tmp_path / 'run' / 'skipped.txt').read_text()
    assert text.splitlines() == [str(bad)]


@pytest.mark.parametrize('images, drop_last, others', [
    (8, False, [2, -2, 3, 0]),  # of 4 each; another rank has 7 images
    (8, True, [2, -1, 0, 0]),  # another one has 7
])
def test_ranks_with_other_batches(images: int, drop_last: bool, others: list,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    from mmregioncl.engine.hooks import preflight_hook

    def all_reduce(figures: torch.Tensor, op: str) -> None:
        assert op == 'max'
        figures.copy_(torch.tensor(others).maximum(figures))

    check_batch(loader(images, 4, drop_last))
    monkeypatch.setattr(preflight_hook, 'all_reduce', all_reduce)
    with pytest.raises(ValueError, match='has 2 batches.*round_up=True'):
        check_batch(loader(images, 4, drop_last))


@pytest.mark.parametrize('settings, told', [
    ({}, 1), (dict(bn_splits=2, key_shuffle='local'), 0),
    (dict(key_shuffle='none'), 0)])
def test_shuffling_that_does_nothing(root: Path, tmp_path: Path,
                                     settings: dict, told: int) -> None:
    cfg = hooked(root, tmp_path)
    cfg['model'] = regioncl_moco() | settings
    build_runner(cfg).train()
    assert log(tmp_path).count('shuffling changes nothing') == told
