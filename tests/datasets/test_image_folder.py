# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from torch.utils.data import DataLoader

from mmregioncl.datasets import ImageFolder
from mmregioncl.datasets.image_listing import (find_images, missing_images,
                                               read_image_list)
from mmregioncl.datasets.skip_record import append_path

PIPELINE = [dict(type='LoadImageFromFile')]


def write_image(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((8, 8, 3), value, np.uint8)
    encoded = cv2.imencode(path.suffix, image)[1]
    path.write_bytes(encoded.tobytes())  # cv2.imwrite chokes on some names


def names(dataset: ImageFolder, root: Path) -> list[str]:
    return [
        os.path.relpath(dataset.get_data_info(i)['img_path'], root)
        for i in range(len(dataset))
    ]


def labels(dataset: ImageFolder) -> list[int]:
    return [dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three classes with 4, 3 and 2 images."""
    for label, name in enumerate(('ant', 'bee', 'cow')):
        for number in range(4 - label):
            write_image(tmp_path / 'data' / name / f'{number}.png',
                        50 * label + number)
    return tmp_path / 'data'


def spoil(root: Path, *which: str) -> list[str]:
    for name in which:
        (root / name).write_bytes(b'not an image')
    return [str(root / name) for name in which]


def test_folder_alone_is_enough(root: Path) -> None:
    dataset = ImageFolder(str(root), pipeline=PIPELINE)
    assert len(dataset) == 9
    assert names(dataset, root) == sorted(names(dataset, root))
    data = dataset[3]
    assert data['gt_label'] == -1
    assert data['sample_idx'] == 3
    assert data['img_path'] == str(root / 'ant' / '3.png')
    assert (data['img'] == 3).all()


def test_labels_are_the_first_folder(root: Path) -> None:
    write_image(root / 'bee' / 'deep' / 'er' / 'x.jpg')
    dataset = ImageFolder(str(root), with_label=True)
    assert dataset.metainfo['classes'] == ('ant', 'bee', 'cow')
    assert labels(dataset) == [0] * 4 + [1] * 4 + [2] * 2


def test_data_prefix_in_both_forms(root: Path) -> None:
    for prefix in ('bee', dict(img_path='bee')):
        dataset = ImageFolder(str(root), data_prefix=prefix)
        assert names(dataset, root) == [f'bee/{i}.png' for i in range(3)]


def test_any_name_is_found(tmp_path: Path) -> None:
    expected = [
        'a b/c d.PNG', 'plain.jpg', 'Ñandú/ζωή.JPEG', '日本/猫 2.webp',
        'дом/кот.tiff', 'عربي.bmp'
    ]
    for name in expected:
        write_image(tmp_path / 'data' / name)
    raw = os.fsencode(tmp_path / 'data') + b'/latin\xe9.png'  # not UTF-8
    write_image(Path(os.fsdecode(raw)))
    (tmp_path / 'data' / 'notes.txt').write_text('no image')
    write_image(tmp_path / 'data' / '.hidden.png')
    write_image(tmp_path / 'data' / '.thumbs' / 'x.png')
    dataset = ImageFolder(str(tmp_path / 'data'), pipeline=PIPELINE)
    assert names(dataset, tmp_path /
                 'data') == sorted(expected + [os.fsdecode(b'latin\xe9.png')])
    for index in range(len(dataset)):
        assert dataset[index]['sample_idx'] == index  # itself, none replaced


def test_links_are_followed_and_loops_end(root: Path, tmp_path: Path) -> None:
    write_image(tmp_path / 'elsewhere' / 'x.png')
    (root / 'dog').symlink_to(tmp_path / 'elsewhere')
    (root / 'ant' / 'up').symlink_to(root)  # a loop
    (root / 'ant' / 'self').symlink_to(root / 'ant' / 'self')
    found = find_images(str(root))
    assert 'dog/x.png' in found
    assert len(found) == 10
    linked = tmp_path / 'linked'
    linked.symlink_to(root)
    assert find_images(str(linked)) == found


def test_classes_fix_the_labels(root: Path) -> None:
    dataset = ImageFolder(
        str(root), with_label=True, classes=['cow', 'zebra', 'bee', 'ant'])
    assert labels(dataset) == [3] * 4 + [2] * 3 + [0] * 2
    with pytest.raises(ValueError, match=r"\['ant'\].*not among the 2"):
        ImageFolder(str(root), with_label=True, classes=['bee', 'cow'])


def test_max_images_keeps_every_class(root: Path) -> None:
    dataset = ImageFolder(str(root), with_label=True, max_images=4)
    assert labels(dataset) == [0, 0, 1, 1]
    dataset = ImageFolder(str(root), with_label=True, max_images=6)
    assert labels(dataset) == [0, 0, 0, 1, 1, 2]
    assert len(ImageFolder(str(root), max_images=100)) == 9


def test_indices_and_subsets_get_a_record_of_their_own(root: Path) -> None:
    dataset = ImageFolder(str(root), indices=[8, 0])
    assert names(dataset, root) == ['cow/1.png', 'ant/0.png']
    whole = ImageFolder(str(root))
    subset = whole.get_subset([1, 2])
    subset.skipped.add(1)
    assert (len(subset), subset.skipped.count, whole.skipped.count) == (2, 1,
                                                                        0)
    whole.get_subset_(5)
    assert len(whole.skipped.bad) == 5


@pytest.mark.parametrize('line, path, label', [
    ('a/b.jpg 3', 'a/b.jpg', 3),
    ('a/b.jpg\t12', 'a/b.jpg', 12),
    ('my photo 7.png 0', 'my photo 7.png', 0),
    ('café/猫.JPEG   1 ', 'café/猫.JPEG', 1),
])
def test_list_lines_with_label(tmp_path: Path, line: str, path: str,
                               label: int) -> None:
    file = tmp_path / 'list.txt'
    file.write_text(f'\ufeff{line}\r\n\n', encoding='utf-8')
    assert read_image_list(str(file), True) == [(path, label)]
    assert read_image_list(str(file), False) == [(path, label)]


def test_list_lines_without_label(tmp_path: Path) -> None:
    file = tmp_path / 'list.txt'
    file.write_text('a/b.jpg\nholiday 2\nmy photo.png\n')
    assert read_image_list(str(file), False) == [('a/b.jpg', -1),
                                                 ('holiday 2', -1),
                                                 ('my photo.png', -1)]
    with pytest.raises(ValueError, match="line 1 .* no label: 'a/b.jpg'"):
        read_image_list(str(file), True)
    file.write_text('a/b.jpg -1\n')
    with pytest.raises(ValueError, match='whole number from 0'):
        read_image_list(str(file), True)


def test_list_file(root: Path) -> None:
    (root / 'list.txt').write_text('bee/1.png 5\nant/0.png 2\n')
    dataset = ImageFolder(str(root), 'list.txt', with_label=True)
    assert names(dataset, root) == ['bee/1.png', 'ant/0.png']
    assert labels(dataset) == [5, 2]
    assert labels(ImageFolder(str(root), 'list.txt')) == [-1, -1]
    with pytest.raises(ValueError, match='label 5, but classes names 2'):
        ImageFolder(str(root), 'list.txt', with_label=True, classes=['a', 'b'])


def test_imagenet_layout(shared_data: Path) -> None:
    root = shared_data / 'tinyimagenet20'
    listed = ImageFolder(
        str(root), 'meta/val.txt', data_prefix='val', with_label=True)
    found = ImageFolder(str(root / 'val'), with_label=True)
    assert len(listed) == len(found) == 1000
    assert sorted(zip(names(listed, root), labels(listed))) == sorted(
        zip(names(found, root), labels(found)))


def test_list_with_missing_images(root: Path,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ['bee/1.png'] + [f'bee/gone{i}.png' for i in range(6)]
    (root / 'list.txt').write_text('\n'.join([*lines, 'no/such/x.png']))
    with pytest.raises(ValueError, match='7 of the 8 images listed') as info:
        ImageFolder(str(root), 'list.txt')
    assert str([f'bee/gone{i}.png' for i in range(5)]) in str(info.value)
    listings = []
    listdir = os.listdir
    monkeypatch.setattr(os, 'listdir',
                        lambda path: listings.append(path) or listdir(path))
    found = find_images(str(root))
    assert missing_images(str(root), found) == []
    assert len(listings) == 3  # one per folder, not one per image


@pytest.mark.parametrize('settings, message', [
    (dict(data_root=''), "data_root=''"),
    (dict(data_root='/no/such/folder'), "no folder '/no/such/folder'"),
    (dict(ann_file='gone.txt'), r"no list file '.*gone.txt'"),
    (dict(ann_file='empty.txt'), 'is empty'),
    (dict(extensions='.gif'), r"no images below .* endings \('.gif',\)"),
    (dict(with_label=True, data_prefix='bee'), '3 images are in none'),
    (dict(max_skipped_share=10), 'max_skipped_share must be a share'),
    (dict(max_images=0), 'max_images must be at least 1'),
])
def test_bad_settings(root: Path, settings: dict[str, Any],
                      message: str) -> None:
    (root / 'empty.txt').write_text('\n \n')
    with pytest.raises(ValueError, match=message):
        ImageFolder(**{'data_root': str(root), **settings})


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='no images below'):
        ImageFolder(str(tmp_path))


def keep(batch: list) -> list:
    """A collate function that spawned workers can import."""
    return batch


@pytest.mark.parametrize('workers, context', [(0, None), (2, 'fork'),
                                              (1, 'spawn')])
def test_bad_images_are_skipped_counted_and_listed(root: Path, tmp_path: Path,
                                                   workers: int,
                                                   context: str) -> None:
    bad = spoil(root, 'ant/1.png', 'cow/0.png')
    (root / 'ant' / '2.png').write_bytes(b'')
    (root / 'bee' / '0.png').unlink()
    (root / 'bee' / '0.png').symlink_to(tmp_path / 'gone.png')
    bad += [str(root / 'ant' / '2.png'), str(root / 'bee' / '0.png')]
    dataset = ImageFolder(str(root), pipeline=PIPELINE, max_skipped_share=0.5)
    dataset.skip_file = str(tmp_path / 'skipped.txt')
    loader = DataLoader(
        dataset,
        batch_size=2,
        num_workers=workers,
        multiprocessing_context=context,
        collate_fn=keep)
    for epoch in range(1 if context == 'spawn' else 2):
        items = [item for batch in loader for item in batch]
        assert len(items) == 9
        assert not {item['img_path'] for item in items} & set(bad)
    assert dataset.skipped.count == 4  # seen in the main process
    lines = (tmp_path / 'skipped.txt').read_text().splitlines()
    assert sorted(lines) == sorted(bad)  # each once


def test_too_many_bad_images_stop_the_run(root: Path) -> None:
    spoil(root, 'ant/0.png', 'ant/1.png')
    dataset = ImageFolder(str(root), pipeline=PIPELINE, max_skipped_share=0.2)
    dataset.prepare_data(0)
    dataset.prepare_data(0)  # the same image counts once
    message = r'2 of 9 images below .* max_skipped_share=0.2 \(.*ant/1.png'
    with pytest.raises(ValueError, match=message):
        dataset.prepare_data(1)
    loader = DataLoader(
        ImageFolder(str(root), pipeline=PIPELINE),
        num_workers=1,
        collate_fn=keep)
    with pytest.raises(ValueError, match='1 of 9 images'):
        list(loader)


def fail(error: Exception) -> Any:

    def transform(data: dict) -> dict:
        if data['sample_idx'] == 0:
            raise error
        return data

    return transform


def test_wrong_settings_do_not_look_like_bad_images(root: Path) -> None:
    dataset = ImageFolder(
        str(root), pipeline=[*PIPELINE, fail(TypeError('typo'))])
    with pytest.raises(TypeError, match='typo'):
        dataset[0]
    dataset = ImageFolder(
        str(root),
        pipeline=[*PIPELINE, fail(cv2.error('resize'))],
        max_skipped_share=0.5)
    assert dataset[0]['sample_idx'] != 0


def test_test_mode_replaces_nothing(root: Path) -> None:
    spoil(root, 'ant/0.png')
    dataset = ImageFolder(str(root), pipeline=PIPELINE, test_mode=True)
    with pytest.raises(ValueError, match='ant/0.png.* cannot be read'):
        dataset[0]


def test_replacement_follows_the_numpy_seed(root: Path) -> None:
    spoil(root, 'ant/0.png')
    dataset = ImageFolder(str(root), pipeline=PIPELINE, max_skipped_share=0.5)
    draws = []
    for _ in range(2):
        np.random.seed(5)
        draws.append([dataset[0]['sample_idx'] for _ in range(8)])
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 1


def test_append_path_keeps_names_apart(tmp_path: Path) -> None:
    file = str(tmp_path / 'skipped.txt')
    paths = ['/a', '/a b', '/a', os.fsdecode(b'/\xff'), '/猫', '/a b']
    for path in paths:
        append_path(file, path)
    assert Path(file).read_bytes().split(b'\n') == [
        b'/a', b'/a b', b'/\xff', '/猫'.encode(), b''
    ]
