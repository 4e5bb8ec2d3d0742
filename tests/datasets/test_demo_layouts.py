# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api
from pycocotools.coco import COCO

from mmregioncl.datasets.demo_layouts import LABELS, THINGS, cityscapes_maps
from mmregioncl.datasets.demo_polygons import mask_polygons
from mmregioncl.datasets.demo_scenes import CLASSES, street_scene
from mmregioncl.datasets.demo_sets import make_demo_set

SIZES = dict(folders=40, coco=96, cityscapes=96)


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*')) if path.is_file()
    }


@pytest.fixture(scope='module')
def sets(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('demo')
    make_demo_set(root / 'folders', 'folders', 0, 18, 9, 40)
    make_demo_set(root / 'coco', 'coco', 0, 4, 2, 96)
    make_demo_set(root / 'cityscapes', 'cityscapes', 0, 3, 2, 96)
    return root


@pytest.mark.parametrize('layout', list(SIZES))
def test_byte_for_byte_the_same(layout, tmp_path):
    counts = dict(train=3, val=2, width=SIZES[layout])
    assert make_demo_set(tmp_path / 'a', layout, 5, **counts)
    assert make_demo_set(tmp_path / 'b', layout, 5, workers=2, **counts)
    assert _files(tmp_path / 'a') == _files(tmp_path / 'b')
    make_demo_set(tmp_path / 'c', layout, 6, **counts)
    ours, theirs = _files(tmp_path / 'a'), _files(tmp_path / 'c')
    assert list(ours) == list(theirs)
    assert all(ours[name] != theirs[name] for name in ours
               if 'leftImg8bit' in name or name.endswith('.jpg'))


@pytest.mark.parametrize('layout', list(SIZES))
def test_larger_set_begins_with_the_smaller(layout, tmp_path):
    make_demo_set(tmp_path / 'few', layout, 0, 2, 1, SIZES[layout])
    make_demo_set(tmp_path / 'more', layout, 0, 4, 2, SIZES[layout])
    few, more = _files(tmp_path / 'few'), _files(tmp_path / 'more')
    pictures = [n for n in few if n.endswith(('.jpg', '.png'))]
    assert len(pictures) == dict(folders=3, coco=3, cityscapes=12)[layout]
    assert all(few[name] == more[name] for name in pictures)


def test_class_folders(sets):
    for split, count in dict(train=18, val=9).items():
        folder = sets / 'folders' / split
        assert sorted(p.name for p in folder.iterdir()) == sorted(CLASSES)
        per_class = [len(list(p.iterdir())) for p in folder.iterdir()]
        assert sum(per_class) == count
        assert max(per_class) - min(per_class) <= 1
    picture = cv2.imread(
        str(sets / 'folders' / 'train' / 'mug' / 'mug_00000.jpg'))
    assert picture.shape == (40, 40, 3)
    train = {p.read_bytes() for p in sets.glob('folders/train/*/*')}
    assert not train & {p.read_bytes() for p in sets.glob('folders/val/*/*')}


def _check_instances(file: Path, images: Path, count: int) -> COCO:
    """Everything that pycocotools, and who reads by it, relies on."""
    coco = COCO(str(file))
    assert len(coco.imgs) == count and coco.anns
    for key, annotation in coco.anns.items():
        image = coco.imgs[annotation['image_id']]
        height, width = image['height'], image['width']
        assert cv2.imread(str(images / image['file_name'])).shape == (height,
                                                                      width, 3)
        assert key > 0 and annotation['iscrowd'] == 0
        assert annotation['category_id'] in coco.cats
        mask = coco.annToMask(annotation)
        assert mask.shape == (height, width)
        assert mask.sum() == annotation['area'] > 0
        assert mask_api.area(coco.annToRLE(annotation)) == annotation['area']
        x, y, w, h = annotation['bbox']
        rows, columns = np.nonzero(mask)
        assert (x, y) == (columns.min(), rows.min())
        assert (x + w, y + h) == (columns.max() + 1, rows.max() + 1)
    return coco


@pytest.mark.parametrize('split, count', [('train', 4), ('val', 2)])
def test_coco(sets, split, count):
    root = sets / 'coco'
    coco = _check_instances(root / 'annotations' / f'instances_{split}.json',
                            root / 'images' / split, count)
    assert {k: c['name'] for k, c in coco.cats.items()
            } == dict(enumerate(CLASSES, 1))
    assert len(list((root / 'images' / split).iterdir())) == count
    for image in coco.imgs:  # no pixel is of two objects
        masks = [coco.annToMask(coco.anns[a])
                 for a in coco.getAnnIds(imgIds=image)]
        assert np.sum(masks, axis=0).max() == 1


@pytest.mark.parametrize('split, count', [('train', 3), ('val', 2)])
def test_cityscapes(sets, split, count):
    root = sets / 'cityscapes'
    pictures = sorted((root / 'leftImg8bit' / split).glob('*/*'))
    assert len(pictures) == count
    trains_of = {label: train for label, train in LABELS.values()}
    for picture in pictures:
        image = cv2.imread(str(picture))
        assert image.shape == (48, 96, 3)
        stem = picture.name.replace('_leftImg8bit.png', '_gtFine_')
        truth = root / 'gtFine' / split / picture.parent.name
        labels, trains, instances = (
            cv2.imread(str(truth / f'{stem}{kind}.png'),
                       cv2.IMREAD_UNCHANGED)
            for kind in ('labelIds', 'labelTrainIds', 'instanceIds'))
        assert labels.dtype == trains.dtype == np.uint8
        assert instances.dtype == np.uint16
        assert labels.shape == trains.shape == instances.shape == (48, 96)
        for label in np.unique(labels):
            assert set(trains[labels == label]) == {trains_of[label]}
        numbered = instances >= 1000
        np.testing.assert_array_equal(numbered, np.isin(labels, list(THINGS)))
        np.testing.assert_array_equal(
            np.where(numbered, instances // 1000, instances), labels)


def test_cityscapes_instances(sets):
    root = sets / 'cityscapes'
    for split, count in dict(train=3, val=2).items():
        name = f'instancesonly_filtered_gtFine_{split}.json'
        coco = _check_instances(root / 'annotations' / name,
                                root / 'leftImg8bit' / split, count)
        assert {k: c['name'] for k, c in coco.cats.items()} == THINGS
        for key, image in coco.imgs.items():
            ids = cv2.imread(
                str(root / 'gtFine' / split / image['segm_file']).replace(
                    'labelIds', 'instanceIds'), cv2.IMREAD_UNCHANGED)
            areas = [coco.anns[a]['area'] for a in coco.getAnnIds(imgIds=key)]
            _, counts = np.unique(ids[ids >= 1000], return_counts=True)
            assert sorted(areas) == sorted(counts)


def test_official_label_ids():
    # cityscapesscripts/helpers/labels.py: name -> (id, trainId)
    official = {
        'road': (7, 0), 'sidewalk': (8, 1), 'building': (11, 2),
        'vegetation': (21, 8), 'terrain': (22, 9), 'sky': (23, 10),
        'person': (24, 11), 'rider': (25, 12), 'car': (26, 13),
        'truck': (27, 14), 'bus': (28, 15), 'train': (31, 16),
        'motorcycle': (32, 17), 'bicycle': (33, 18), 'static': (4, 255)
    }
    assert set(LABELS.values()) <= set(official.values())
    for name in ('road', 'sidewalk', 'building', 'terrain', 'sky', 'car'):
        assert LABELS[name] == official[name]
    for label, name in THINGS.items():
        assert official[name][0] == label
    assert set(LABELS) >= set(CLASSES)


def test_maps_number_the_instances_of_a_label():
    scene = street_scene(np.random.default_rng(3), (96, 48))
    _, _, instances = cityscapes_maps(scene)
    things = [o for o in scene.objects if LABELS[o.name][0] in THINGS]
    found = [set(instances[o.mask]) for o in things]
    assert all(len(each) == 1 for each in found)
    assert len(set.union(*found)) == len(things)


def test_polygons_of_a_mask_with_holes():
    mask = np.zeros((20, 24), bool)
    mask[2:17, 3:20] = True
    mask[4:9, 5:9] = False  # a hole
    mask[10:12, 12:18] = False  # another
    mask[6, 6] = True  # an island in the first
    mask[18, 22] = True  # one pixel apart
    mask[17, 20] = True  # touches the corner of another
    polygons = mask_polygons(mask)
    rle = mask_api.merge(mask_api.frPyObjects(polygons, *mask.shape))
    np.testing.assert_array_equal(mask_api.decode(rle), mask)


def test_polygons_of_random_masks():
    rng = np.random.default_rng(0)
    for _ in range(30):
        mask = cv2.blur(rng.random((17, 13)), (3, 3)) > .5
        rle = mask_api.merge(
            mask_api.frPyObjects(mask_polygons(mask), *mask.shape))
        np.testing.assert_array_equal(mask_api.decode(rle), mask)


def test_annotation_files_are_plain_json(sets):
    for file in sets.glob('*/annotations/*.json'):
        content = json.loads(file.read_text('utf-8'))
        assert set(content) == {'info', 'licenses', 'images', 'annotations',
                                'categories'}
