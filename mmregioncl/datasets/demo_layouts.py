# Copyright (c) mmregioncl contributors. All rights reserved.
"""Write the demo scenes as class folders, as COCO and as Cityscapes.

An image depends on seed, layout, split, size and its own number alone: a
larger set begins with the same images as a smaller one.

In the Cityscapes layout, classes and surfaces go under official labels. What
a street has keeps its name; toys take the place of the rest:

=========  ===========================  ========  =======  =========
scene      Cityscapes                   label id  train id instances
=========  ===========================  ========  =======  =========
road       road                         7         0
sidewalk   sidewalk                     8         1
building   building                     11        2
house      building                     11        2
tree       vegetation                   21        8
terrain    terrain                      22        9
sky        sky                          23        10
ball       person                       24        11       yes
star       rider                        25        12       yes
car        car                          26        13       yes
mug        truck                        27        14       yes
chair      motorcycle                   32        17       yes
ring       bicycle                      33        18       yes
clutter    static                       4         255
=========  ===========================  ========  =======  =========

Bus (28, 15) and train (31, 16) are in the list of categories and in no image.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np

from mmregioncl.datasets.demo_polygons import mask_polygons
from mmregioncl.datasets.demo_scenes import (CLASSES, SURFACES, Scene,
                                             SceneObject, group_scene,
                                             object_scene, street_scene)

Array = np.ndarray

SPLITS = ('train', 'val')
JPEG_QUALITY = 92  # sets of photographs are about there
CITIES = dict(train='blockton', val='toyville')

# name: (label id, train id), from Cityscapes' official table
LABELS = dict(
    road=(7, 0),
    sidewalk=(8, 1),
    building=(11, 2),
    house=(11, 2),
    tree=(21, 8),
    terrain=(22, 9),
    sky=(23, 10),
    ball=(24, 11),
    star=(25, 12),
    car=(26, 13),
    mug=(27, 14),
    chair=(32, 17),
    ring=(33, 18),
    clutter=(4, 255))
THINGS = {
    24: 'person',
    25: 'rider',
    26: 'car',
    27: 'truck',
    28: 'bus',
    31: 'train',
    32: 'motorcycle',
    33: 'bicycle'
}


@dataclass(frozen=True)
class Job:
    """One image to render.

    Args:
        root (str): Folder of the layout.
        seed (int): Seed of the whole set.
        split (str): 'train' or 'val'.
        index (int): Number of the image in its split.
        size (tuple[int, int]): Width and height in pixels.
    """
    root: str
    seed: int
    split: str
    index: int
    size: tuple[int, int]

    def rng(self, layout: int) -> np.random.Generator:
        """A generator of this image's own."""
        return np.random.default_rng(
            [self.seed, layout,
             SPLITS.index(self.split), self.index])


@dataclass(frozen=True)
class Layout:
    """One way to write a set.

    Args:
        train (int): Number of training images if none is given.
        val (int): Number of validation images if none is given.
        width (int): Width in pixels if none is given.
        aspect (tuple[int, int]): Width to height.
        render (Callable): Writes the image of a job and returns what the
            annotation file of its split needs.
        annotate (Callable, optional): Writes that file, from root, split and
            those returned. Defaults to None, no such file.
    """
    train: int
    val: int
    width: int
    aspect: tuple[int, int]
    render: Callable[[Job], dict[str, Any]]
    annotate: Callable[[str, str, list[dict[str, Any]]], None] | None = None


def _write(path: Path, image: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.ndim == 3:
        image = image[..., ::-1]  # OpenCV writes BGR
    options = ([cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
               if path.suffix == '.jpg' else [])
    if not cv2.imwrite(str(path), image, options):
        raise OSError(f'could not write {path}')


def _annotation(thing: SceneObject, category: int) -> dict[str, Any]:
    """What COCO holds of an object, less its ids."""
    rows, columns = np.nonzero(thing.mask)
    left, top = int(columns.min()), int(rows.min())
    right, bottom = int(columns.max()) + 1, int(rows.max()) + 1
    return dict(
        category_id=category,
        bbox=[left, top, right - left, bottom - top],
        area=len(rows),
        segmentation=mask_polygons(thing.mask),
        iscrowd=0)


def _write_instances(path: Path, found: list[dict[str, Any]],
                     categories: dict[int, str]) -> None:
    """An instances json, images and annotations numbered from 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, each in enumerate(found, 1):
        images.append(dict(each['image'], id=number))
        for annotation in each['annotations']:
            annotations.append(
                dict(annotation, id=len(annotations) + 1, image_id=number))
    content = dict(
        info=dict(description='mmregioncl demo scenes'),
        licenses=[],
        images=images,
        annotations=annotations,
        categories=[
            dict(id=key, name=name, supercategory='demo')
            for key, name in categories.items()
        ])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content) + '\n', encoding='utf-8')


def render_folders(job: Job) -> dict[str, Any]:
    """``<split>/<class>/<class>_00000.jpg``, the classes in turn."""
    number, kind = divmod(job.index, len(CLASSES))
    name = CLASSES[kind]
    scene = object_scene(job.rng(0), name, job.size[0])
    file = f'{name}_{number:05d}.jpg'
    _write(Path(job.root, job.split, name, file), scene.image)
    return {}


def render_coco(job: Job) -> dict[str, Any]:
    """``images/<split>/000000000001.jpg`` and the objects in it."""
    scene = group_scene(job.rng(1), job.size)
    file = f'{job.index + 1:012d}.jpg'
    _write(Path(job.root, 'images', job.split, file), scene.image)
    width, height = job.size
    return dict(
        image=dict(file_name=file, width=width, height=height),
        annotations=[
            _annotation(thing,
                        CLASSES.index(thing.name) + 1)
            for thing in scene.objects if thing.name in CLASSES
        ])


def annotate_coco(root: str, split: str, found: list[dict[str, Any]]) -> None:
    """``annotations/instances_<split>.json``, categories from 1."""
    _write_instances(
        Path(root, 'annotations', f'instances_{split}.json'), found,
        dict(enumerate(CLASSES, 1)))


def cityscapes_maps(scene: Scene) -> tuple[Array, Array, Array]:
    """Label ids and train ids (H, W) uint8, instance ids (H, W) uint16."""
    surfaces = np.array([LABELS[name] for name in SURFACES], np.uint8)
    labels, trains = np.moveaxis(surfaces[scene.surface], -1, 0).copy()
    instances = labels.astype(np.uint16)
    count: dict[int, int] = {}
    for thing in scene.objects:
        label, train = LABELS[thing.name]
        labels[thing.mask], trains[thing.mask] = label, train
        instances[thing.mask] = label
        if label in THINGS:  # 24000 is the first person, 24001 the second
            number = count.get(label, 0)
            count[label] = number + 1
            instances[thing.mask] = label * 1000 + number
    return labels, trains, instances


def render_cityscapes(job: Job) -> dict[str, Any]:
    """``leftImg8bit/<split>/<city>/`` and ``gtFine/<split>/<city>/``."""
    scene = street_scene(job.rng(2), job.size)
    city = CITIES[job.split]
    stem = f'{city}_{job.index:06d}_000000'
    image = f'{city}/{stem}_leftImg8bit.png'
    _write(Path(job.root, 'leftImg8bit', job.split, image), scene.image)
    labels, trains, instances = cityscapes_maps(scene)
    truth = Path(job.root, 'gtFine', job.split, city)
    _write(truth / f'{stem}_gtFine_labelIds.png', labels)
    _write(truth / f'{stem}_gtFine_labelTrainIds.png', trains)
    _write(truth / f'{stem}_gtFine_instanceIds.png', instances)
    width, height = job.size
    return dict(
        image=dict(
            file_name=image,
            width=width,
            height=height,
            segm_file=f'{city}/{stem}_gtFine_labelIds.png'),
        annotations=[
            _annotation(thing, LABELS[thing.name][0])
            for thing in scene.objects if LABELS[thing.name][0] in THINGS
        ])


def annotate_cityscapes(root: str, split: str, found: list[dict[str,
                                                                Any]]) -> None:
    """``annotations/instancesonly_filtered_gtFine_<split>.json``."""
    name = f'instancesonly_filtered_gtFine_{split}.json'
    _write_instances(Path(root, 'annotations', name), found, THINGS)


LAYOUTS = dict(
    folders=Layout(800, 800, 128, (1, 1), render_folders),
    coco=Layout(60, 20, 320, (4, 3), render_coco, annotate_coco),
    cityscapes=Layout(24, 8, 256, (2, 1), render_cityscapes,
                      annotate_cityscapes))
