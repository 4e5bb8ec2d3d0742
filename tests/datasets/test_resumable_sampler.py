# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import (ConcatDataset, DefaultSampler, RepeatDataset,
                              default_collate, worker_init_fn)
from torch.utils.data import DataLoader

import mmregioncl.register  # noqa: F401
from mmregioncl.datasets import ImageFolder
from mmregioncl.datasets.resumable_sampler import ResumableSampler
from tests.tiny_run import write_images


class DrawFromAll:
    """A number from each stream."""

    def __call__(self, results: dict) -> dict:
        return dict(
            index=results['sample_idx'],
            drawn=(random.random(), np.random.rand(), float(torch.rand(()))))


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('images'), 4)


@pytest.fixture
def folder(root: Path) -> ImageFolder:
    return ImageFolder(str(root), pipeline=[DrawFromAll()])


def epoch(dataset: Any, number: int, workers: int = 0, start: int = 0,
          loader: DataLoader | None = None) -> dict[int, tuple]:
    """What is drawn for each image."""
    if loader is None:
        loader = make_loader(dataset, workers)
    loader.sampler.set_epoch(number)
    loader.sampler.start_at(start)
    found = {}
    for batch in loader:
        for place, index in enumerate(batch['index'].tolist()):
            found[index] = tuple(
                float(each[place]) for each in batch['drawn'])
    return found


def make_loader(dataset: Any, workers: int, **kwargs: Any) -> DataLoader:
    return DataLoader(
        dataset, batch_size=2, num_workers=workers,
        sampler=ResumableSampler(dataset, seed=3), collate_fn=default_collate,
        worker_init_fn=partial(
            worker_init_fn, num_workers=workers, rank=0, seed=3), **kwargs)


def test_order_is_that_of_default_sampler(folder: ImageFolder) -> None:
    ours, stock = (kind(folder, seed=3)
                   for kind in (ResumableSampler, DefaultSampler))
    for number in range(3):
        for sampler in (ours, stock):
            sampler.set_epoch(number)
        assert list(ours) == list(stock)
        ours.start_at(5)
        assert list(ours) == list(stock)[5:]
        assert len(ours) == len(stock) == 12  # of a whole epoch
        ours.start_at(12)
        assert not list(ours)
        ours.start_at(0)


def test_views_follow_from_seed_epoch_and_image(folder: ImageFolder) -> None:
    """Whatever was drawn before, whichever worker it is."""
    alone = [epoch(folder, number) for number in range(2)]
    assert len(set(alone[0].values()) | set(alone[1].values())) == 24
    torch.rand(99)
    loader = make_loader(folder, 2, persistent_workers=True)
    for number in (0, 1, 0):  # the workers hear of each epoch
        assert epoch(folder, number, loader=loader) == alone[number]
    del loader
    rest = epoch(folder, 1, workers=1, start=8)
    assert len(rest) == 4
    assert rest == {index: alone[1][index] for index in rest}


def test_the_process_draws_on(folder: ImageFolder) -> None:
    """Without workers, loading leaves the streams of the training alone."""
    torch.manual_seed(5)
    expected = torch.rand(2).tolist()
    torch.manual_seed(5)
    ResumableSampler(folder, seed=3).set_epoch(0)
    found = [float(torch.rand(()))]
    folder[3]
    assert found + [float(torch.rand(()))] == expected


def test_evaluation_is_not_seeded(folder: ImageFolder) -> None:
    torch.manual_seed(5)
    assert folder[3]['drawn'] != folder[3]['drawn']


def test_subsets(folder: ImageFolder) -> None:
    ResumableSampler(folder, seed=3).set_epoch(0)
    part = folder.get_subset(4)
    assert part[0]['drawn'] != part[0]['drawn']  # until it is told
    ResumableSampler(part, seed=3).set_epoch(1)
    assert part[0]['drawn'] == part[0]['drawn'] != folder[0]['drawn']
    folder.get_subset_(4)
    assert folder[0]['drawn'] == folder[0]['drawn']


def test_a_bad_image_is_replaced_by_the_same_one(root: Path,
                                                 tmp_path: Path) -> None:
    bad = write_images(tmp_path, 4)
    (bad / 'blue' / '001.png').write_bytes(b'')
    folder = ImageFolder(str(bad), pipeline=[
        dict(type='LoadImageFromFile'), DrawFromAll()])
    ResumableSampler(folder, seed=3).set_epoch(0)
    first = folder[1]
    torch.rand(9)
    again = folder[1]
    assert first == again
    assert first['index'] != 1


def test_other_data_sets(folder: ImageFolder,
                         capfd: pytest.CaptureFixture) -> None:
    both = ConcatDataset([folder, folder])
    ResumableSampler(both, seed=3).set_epoch(0)
    assert folder[0]['drawn'] == both[12]['drawn']
    assert 'does not draw' not in ''.join(capfd.readouterr())
    twice = RepeatDataset(folder, times=2)
    sampler = ResumableSampler(twice, seed=3)
    said = ''.join(capfd.readouterr())
    assert 'RepeatDataset does not draw its views' in said
    folder.seed_views(-1, -1)
    sampler.set_epoch(0)
    # each repetition has views of its own
    assert twice[0]['drawn'] != twice[12]['drawn']
