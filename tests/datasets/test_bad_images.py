# Copyright (c) mmregioncl contributors. All rights reserved.
"""A run over a folder of bad, odd and hostile files."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from mmregioncl.datasets import ImageFolder
from mmregioncl.datasets.image_header import check_header
from tests.datasets.bad_images import BAD, GOOD, IGNORED, bomb, write_set
from tests.engine.test_health_hook import log, region_moco
from tests.tiny_run import TRAIN_PIPELINE, build_runner, config

PIPELINE = [dict(type='LoadImageFromFile')]


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp('bad') / 'images')


def listed(skip_file: Path, root: Path) -> list[str]:
    lines = skip_file.read_bytes().split(b'\n')[:-1]
    return sorted(os.path.relpath(os.fsdecode(each), root) for each in lines)


def test_each_kind(root: Path, tmp_path: Path) -> None:
    """Good ones are themselves, bad ones another, none of them unseen."""
    dataset = ImageFolder(str(root), pipeline=PIPELINE, max_skipped_share=1)
    dataset.skip_file = str(tmp_path / 'skipped.txt')
    names = [
        os.path.relpath(dataset.get_data_info(i)['img_path'], root)
        for i in range(len(dataset))
    ]
    assert sorted(names) == sorted([*GOOD, *BAD])
    itself = []
    for index, name in enumerate(names):
        data = dataset[index]
        assert data['img'].ndim == 3 and data['img'].dtype == 'uint8', name
        if data['sample_idx'] == index:
            itself.append(name)
    assert sorted(itself) == sorted(GOOD)
    assert listed(tmp_path / 'skipped.txt', root) == sorted(BAD)
    assert dataset.skipped.count == len(BAD)
    print(f'{len(GOOD) + len(BAD) + len(IGNORED)} kinds of files: '
          f'{len(GOOD)} odd ones read, {len(BAD)} bad ones skipped, '
          f'{len(IGNORED)} not looked at')


def run_config(root: Path, work_dir: Path, share: float) -> dict:
    cfg = config(root, work_dir)
    cfg |= dict(
        model=region_moco(),
        custom_hooks=[dict(type='PreflightHook')],
        default_hooks=dict(
            checkpoint=None, health=dict(type='HealthHook', interval=5)),
        val_dataloader=None,
        val_evaluator=None,
        val_cfg=None)
    cfg['train_dataloader'] |= dict(
        num_workers=2,
        dataset=dict(
            type='ImageFolder',
            data_root=str(root),
            max_skipped_share=share,
            pipeline=TRAIN_PIPELINE))
    return cfg


def test_a_run_over_all_of_them(root: Path, tmp_path: Path) -> None:
    """Two epochs end to end; the list and the count in the log."""
    runner = build_runner(run_config(root, tmp_path, 0.6))
    runner.train()
    count = len(GOOD) + len(BAD)
    assert runner.iter == 2 * (count // 4)
    skipped = listed(tmp_path / 'skipped.txt', root)
    # drop_last leaves out some of the images in each epoch
    assert set(skipped) <= set(BAD) and len(skipped) >= len(BAD) - 3
    assert f'Skipped {len(skipped)} of {count} images' in log(tmp_path)
    for name, value in runner.model.state_dict().items():
        assert value.isfinite().all(), name
    print(f'{runner.iter} iterations over {count} files, {len(skipped)} of '
          f'{len(BAD)} bad ones met, skipped and listed')


def test_too_large_a_share_stops_the_run(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as info:
        build_runner(run_config(root, tmp_path, 0.1)).train()
    message = str(info.value)
    assert f'of {len(GOOD) + len(BAD)} images below' in message
    assert 'could not be read, listed in' in message
    assert 'max_skipped_share=0.1' in message
    assert len(listed(tmp_path / 'skipped.txt', root)) >= 0.1 * (
        len(GOOD) + len(BAD))


def test_bombs_are_refused_before_they_are_decoded(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the header: neither OpenCV nor PIL touches a pixel."""
    path = tmp_path / 'bomb.png'
    path.write_bytes(bomb(12_000, 12_000))
    assert path.stat().st_size < 12_000**2 * 3 / 10_000
    monkeypatch.setattr(PngImageFile, 'load', fail)
    dataset = ImageFolder(str(tmp_path), pipeline=[fail], test_mode=True)
    with pytest.raises(ValueError, match='12000 x 12000 pixels, more than '
                       'max_pixels=89478485'):
        dataset[0]


def fail(*args: Any) -> Any:
    raise AssertionError('it was decoded')


def test_the_limit_is_a_setting(root: Path) -> None:
    path = str(root / 'plain.jpg')  # 40 x 30
    check_header(path, 1200)
    with pytest.raises(ValueError, match='40 x 30 pixels, more than'):
        check_header(path, 1199)
    dataset = ImageFolder(
        str(root), pipeline=PIPELINE, max_pixels=1199, max_skipped_share=1)
    assert dataset[0]['img'].shape[0] == 1  # one pixel, or a line
    for wrong in (0, -5, 1e6, None):
        with pytest.raises(ValueError, match='max_pixels must be a number'):
            ImageFolder(str(root), max_pixels=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize('name, reason', [
    ('empty.jpg', 'it is empty'),
    ('pipe.jpg', 'no regular file'),
    ('device.jpg', 'no regular file'),
    ('socket.jpg', 'no regular file'),
    ('text named.jpg', 'no header of an image'),
    ('larger bomb.png', 'max_pixels=89478485'),
    ('huge file.jpg', '8589934592 bytes are more than'),
    ('dangling.jpg', 'No such file'),
])
def test_the_reason_is_given(root: Path, name: str, reason: str) -> None:
    with pytest.raises((ValueError, OSError), match=reason):
        check_header(str(root / name), 89478485)


def test_the_limit_may_be_above_that_of_pil(tmp_path: Path) -> None:
    """Scans and satellite images: PIL's own stops at 178,956,970."""
    path = tmp_path / 'scan.png'
    path.write_bytes(bomb(20_000, 10_000))
    check_header(str(path), 200_000_000)
    with pytest.raises(ValueError, match='20000 x 10000 pixels, more than'):
        check_header(str(path), 199_999_999)
    assert Image.MAX_IMAGE_PIXELS == 89_478_485  # put back


def test_a_folder_that_may_not_be_read(tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch
                                       ) -> None:
    (tmp_path / 'lost+found').mkdir()
    scandir = os.scandir

    def refusing(folder: str) -> Any:
        if 'lost' in folder:
            raise PermissionError(13, 'Permission denied', folder)
        return scandir(folder)

    monkeypatch.setattr(os, 'scandir', refusing)
    with pytest.raises(ValueError, match=r'lost\+found.* may not be read'):
        ImageFolder(str(tmp_path))
