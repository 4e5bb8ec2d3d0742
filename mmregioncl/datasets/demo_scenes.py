# Copyright (c) mmregioncl contributors. All rights reserved.
"""Rendered scenes of eight classes of objects: the data of the demo.

As in photographs, what a thing looks like and where it stands go with what it
is, mostly: see ``HABITS``. Colours, light and all that is around it are drawn
alike for all classes. NumPy and OpenCV are all it takes, and a scene depends
on its generator's seed alone.

Example:
    >>> scene = object_scene(np.random.default_rng(0), 'mug', 64)
    >>> scene.image.shape
    (64, 64, 3)
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mmregioncl.datasets.demo_backdrops import (SURFACES, Backdrop, Light,
                                                outdoors, room)
from mmregioncl.datasets.demo_raster import Buffers, Camera
from mmregioncl.datasets.demo_shading import (OVERSAMPLING, Placed, developed,
                                              shade, with_shadows)
from mmregioncl.datasets.demo_solids import CLASSES, Solid, build_solid
from mmregioncl.datasets.demo_textures import SOLID_PATTERNS, random_texture

__all__ = [
    'CLASSES', 'SURFACES', 'Scene', 'SceneObject', 'object_scene',
    'group_scene', 'street_scene'
]

Array = np.ndarray
Rng = np.random.Generator

# Of each class: its usual pattern, and how often a picture of it is taken
# indoors. Without these, shape alone would tell the classes apart, which is
# what no short run learns: it tells pictures apart by their patterns.
HABITS = dict(
    ball=('dots', .5),
    car=('plain', .1),
    chair=('wood', .9),
    house=('planks', .05),
    mug=('stripes', .95),
    ring=('marble', .8),
    star=('checks', .5),
    tree=('blotches', .05))
FAITHFUL = .9  # share of the objects that wear the pattern of their class


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene.

    Args:
        name (str): Its class, or 'clutter'.
        mask (Array): Where it is seen, (H, W) bool.
    """
    name: str
    mask: Array


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it.

    Args:
        image (Array): RGB, (H, W, 3) uint8.
        objects (tuple[SceneObject, ...]): Objects and clutter that are seen.
            Their masks do not overlap.
        surface (Array): Index into ``SURFACES`` of what is behind them,
            (H, W) uint8.
    """
    image: Array
    objects: tuple[SceneObject, ...]
    surface: Array


def object_scene(rng: Rng, name: str, size: int) -> Scene:
    """One object, large in a square picture, among clutter of no class.

    Args:
        rng (Rng): Draws all of it.
        name (str): One of ``CLASSES``.
        size (int): Width and height in pixels.
    """
    solid = build_solid(name, rng)
    width, height, depth = solid.extent
    pattern, share_indoors = HABITS[name]
    indoors = rng.random() < share_indoors
    # from lower down the horizon is in the picture
    pitch = np.radians(rng.uniform(6, 36) if indoors else rng.uniform(2, 28))
    azimuth = rng.uniform(-.25, .25)
    focal = rng.uniform(1.2, 2.2)
    share = rng.uniform(.65, 1.1)  # of the picture, by the longer side
    seen = max(width, height * np.cos(pitch) + depth * np.sin(pitch))
    away = focal * seen / share + depth / 2
    target = np.array([0., height / 2, 0.])
    eye = target + away * np.array([
        np.sin(azimuth) * np.cos(pitch),
        np.sin(pitch), -np.cos(azimuth) * np.cos(pitch)
    ])
    target = target + rng.uniform(-.13, .13, 3) / share * seen
    camera = Camera.looking(eye, target, rng.uniform(-.1, .1), focal * size,
                            (size, size))
    light = Light.random(rng)
    backdrop = (
        room(rng, camera, light,
             (1.4, 3.)) if indoors else outdoors(rng, camera, light))
    patterns = (pattern, ) if rng.random() < FAITHFUL else SOLID_PATTERNS
    placed = [_place(rng, name, solid, 1., np.zeros(3), backdrop, patterns)]
    for _ in range(rng.integers(0, 4)):
        angle = rng.uniform(-np.pi, np.pi)
        scale = rng.uniform(.18, .5)
        apart = rng.uniform(.5, 1.) + scale / 2
        spot = np.array([np.sin(angle), 0., np.cos(angle)]) * apart
        placed.append(
            _place(rng, 'clutter', build_solid('clutter', rng), scale, spot,
                   backdrop))
    buffers = _buffers(placed, camera)
    if _visible(buffers)[0] < .7:  # clutter hides too much of it
        placed = [placed[0]] + [p for p in placed[1:] if p.position[2] > 0]
        buffers = _buffers(placed, camera)
    return _finish(rng, placed, buffers, backdrop, light)


def group_scene(rng: Rng, size: tuple[int, int]) -> Scene:
    """Three to seven objects of any class on the ground, and some clutter.

    Args:
        rng (Rng): Draws all of it.
        size (tuple[int, int]): Width and height in pixels.
    """
    pitch = np.radians(rng.uniform(14, 34))
    eye = 5. * np.array([0., np.sin(pitch), -np.cos(pitch)])
    target = np.array([0., rng.uniform(0., .3), 0.])
    camera = Camera.looking(eye, target, rng.uniform(-.06, .06),
                            rng.uniform(1.1, 1.5) * size[0], size)
    light = Light.random(rng)
    backdrop = (
        room(rng, camera, light,
             (3., 5.)) if rng.random() < .5 else outdoors(rng, camera, light))
    names = [str(n) for n in rng.choice(CLASSES, rng.integers(3, 8))]
    names += ['clutter'] * int(rng.integers(0, 4))
    placed: list[Placed] = []
    for name in names:
        scale = rng.uniform(.55, 1.15)
        scale *= .4 if name == 'clutter' else 1.
        for _ in range(20):  # tries; a crowded scene does without it
            spot = np.array(
                [rng.uniform(-1.8, 1.8), 0.,
                 rng.uniform(-1.6, 2.2)])
            spot[0] *= 1 + .25 * spot[2] / 2  # one sees more of the distance
            if _free(spot, scale, placed):
                solid = build_solid(name, rng)
                placed.append(_place(rng, name, solid, scale, spot, backdrop))
                break
    return _without_hidden(rng, placed, camera, backdrop, light)


def street_scene(rng: Rng, size: tuple[int, int]) -> Scene:
    """A street with cars, houses, trees and objects of the other classes.

    Args:
        rng (Rng): Draws all of it.
        size (tuple[int, int]): Width and height in pixels.
    """
    half = rng.uniform(1.8, 2.6)  # of the road, as wide as two or three cars
    eye = np.array([rng.uniform(-.4, .4) * half, rng.uniform(1.3, 2.1), -5.])
    target = np.array([rng.uniform(-.8, .8), rng.uniform(.4, .8), 3.])
    camera = Camera.looking(eye, target, rng.uniform(-.02, .02),
                            rng.uniform(.7, .95) * size[0], size)
    light = Light.random(rng)
    backdrop = outdoors(rng, camera, light, street=half)
    others = [n for n in CLASSES if n not in ('car', 'house', 'tree')]
    names = ['car'] * int(rng.integers(1, 4))
    names += ['house'] * int(rng.integers(1, 4))
    names += ['tree'] * int(rng.integers(1, 4))
    names += [str(n) for n in rng.choice(others, rng.integers(3, 6))]
    names += ['clutter'] * int(rng.integers(0, 3))
    placed: list[Placed] = []
    for name in names:
        scale, reach = {
            'car': (rng.uniform(1.5, 1.9), (0., .75)),
            'house': (rng.uniform(2.6, 3.6), (2.1, 3.2)),
            'tree': (rng.uniform(1.7, 2.8), (1.55, 2.2)),
            'clutter': (rng.uniform(.3, .6), (0., 2.)),
        }.get(name, (rng.uniform(.7, 1.2), (.1, 1.6)))
        for _ in range(20):
            side = rng.choice([-1., 1.])
            spot = np.array(
                [side * half * rng.uniform(*reach), 0.,
                 rng.uniform(-2., 7.)])
            if _free(spot, scale, placed):
                solid = build_solid(name, rng)
                placed.append(_place(rng, name, solid, scale, spot, backdrop))
                break
    return _without_hidden(rng, placed, camera, backdrop, light)


def _place(rng: Rng,
           name: str,
           solid: Solid,
           scale: float,
           position: Array,
           backdrop: Backdrop,
           patterns: tuple[str, ...] = SOLID_PATTERNS) -> Placed:
    """A solid on its spot, in colours that stand out from the backdrop."""
    textures = [random_texture(rng, patterns, (3., 9.), avoid=backdrop.tones)]
    used = int(solid.mesh.material.max())
    for patterns in (('plain', 'wood', 'stripes'), ('plain', ))[:used]:
        before = (textures[0].colours[0], )
        textures.append(random_texture(rng, patterns, (4., 9.), avoid=before))
    return Placed(name, solid, textures, scale, position)


def _free(spot: Array, scale: float, placed: list[Placed]) -> bool:
    """Whether nothing else stands there."""
    return all(
        np.linalg.norm(spot - other.position) > .5 * (scale + other.scale)
        for other in placed)


def _buffers(placed: list[Placed], camera: Camera) -> Buffers:
    buffers = Buffers(camera.oversampled(OVERSAMPLING))
    for each in placed:
        buffers.add(each.solid.mesh, *each.pose)
    return buffers


def _visible(buffers: Buffers) -> Array:
    """Share of each solid that nothing hides."""
    owner = buffers.owner[buffers.owner >= 0]
    counts = np.bincount(owner, minlength=len(buffers.covered))
    return counts / np.maximum(buffers.covered, 1)


def _without_hidden(rng: Rng, placed: list[Placed], camera: Camera,
                    backdrop: Backdrop, light: Light) -> Scene:
    """Finish a scene, less what is too hidden or too small to be named."""
    least = 90 * OVERSAMPLING**2  # pixels: about 10 x 10 in the picture
    while True:
        buffers = _buffers(placed, camera)
        seen = _visible(buffers) * buffers.covered
        enough = (seen > least) & (_visible(buffers) > .35)
        enough[seen.argmax()] = True  # a picture shows something
        if all(enough):
            return _finish(rng, placed, buffers, backdrop, light)
        placed = [p for p, keep in zip(placed, enough) if keep]


def _finish(rng: Rng, placed: list[Placed], buffers: Buffers,
            backdrop: Backdrop, light: Light) -> Scene:
    """Shade, develop and label a scene."""
    colour = with_shadows(rng, placed, backdrop, light)
    if rng.random() < .4:  # out of focus
        colour = cv2.GaussianBlur(colour, (0, 0), rng.uniform(.5, 1.3))
    shade(colour, placed, buffers, light)
    # Of the pixels that become one, the label is that of the last: a mean of
    # labels is none.
    keep = slice(OVERSAMPLING - 1, None, OVERSAMPLING)
    owner = buffers.owner[keep, keep]
    masks = [owner == number for number in range(len(placed))]
    objects = tuple(
        SceneObject(p.name, mask) for p, mask in zip(placed, masks)
        if mask.any())
    return Scene(developed(rng, colour), objects, backdrop.surface)
