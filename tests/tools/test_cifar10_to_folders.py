# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import hashlib
import pickle
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from mmregioncl.datasets import ImageFolder

CLASSES = ['airplane', 'bird', 'cat']


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the official format, with the checksums of the fake."""
    folder = tmp_path / 'source' / CIFAR10.base_folder
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)

    def write(name: str, content: dict) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name: str, count: int) -> list[str]:
        images = random.integers(0, 256, (count, 3 * 32 * 32), np.uint8)
        labels = [i % 3 for i in range(count)]
        return [name, write(name, dict(data=images, labels=labels))]

    meta = write('batches.meta', dict(label_names=CLASSES))
    monkeypatch.setattr(CIFAR10, 'meta', dict(CIFAR10.meta, md5=meta))
    monkeypatch.setattr(CIFAR10, 'train_list',
                        [batch('data_batch_1', 7),
                         batch('data_batch_2', 5)])
    monkeypatch.setattr(CIFAR10, 'test_list', [batch('test_batch', 4)])
    return folder.parent


@pytest.fixture
def convert(repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    tool = repo_root / 'tools' / 'dataset_converters' / 'cifar10_to_folders.py'

    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, 'argv', ['tool', *map(str, arguments)])
        runpy.run_path(str(tool), run_name='__main__')

    return run


def test_every_pixel_arrives(official: Path, convert: Any,
                             tmp_path: Path) -> None:
    out = tmp_path / 'out'
    convert(out, '--source', official)
    for split, train, count in (('train', True, 12), ('test', False, 4)):
        source = CIFAR10(official, train=train)
        files = sorted((out / split).rglob('*.png'), key=lambda f: f.name)
        assert len(files) == count
        for number, file in enumerate(files):
            image, label = source[number]
            assert file.parent.name == CLASSES[label]
            assert np.array_equal(Image.open(file), image)
        assert ImageFolder(
            str(out / split),
            with_label=True).metainfo['classes'] == tuple(CLASSES)


def test_it_overwrites_nothing(official: Path, convert: Any, tmp_path: Path,
                               capsys: Any) -> None:
    (tmp_path / 'train').mkdir()
    (tmp_path / 'train' / 'mine').touch()
    with pytest.raises(SystemExit):
        convert(tmp_path, '--source', official)
    assert 'is not empty' in capsys.readouterr().err


def test_damaged_source(official: Path, convert: Any, tmp_path: Path,
                        capsys: Any) -> None:
    (official / CIFAR10.base_folder / 'test_batch').write_bytes(b'cut')
    with pytest.raises(SystemExit):
        convert(tmp_path / 'out', '--source', official)
    assert 'not found or corrupted' in capsys.readouterr().err
