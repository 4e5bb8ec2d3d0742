# Copyright (c) mmregioncl contributors. All rights reserved.
"""Procedural textures: a pattern in space that blends two colours.

A pattern is a function of points in space, so that the same few serve solids
and planes alike, without unwrapping.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

Array = np.ndarray
Rng = np.random.Generator

SOLID_PATTERNS = ('plain', 'stripes', 'checks', 'dots', 'blotches', 'marble',
                  'wood')
# Calm ones: where every ground has a pattern of its own, that is what tells
# pictures apart, and a short run learns nothing else.
FLOOR_PATTERNS = ('plain', 'plain', 'planks', 'bricks', 'grass')
WALL_PATTERNS = ('plain', 'plain', 'planks', 'bricks')

TILE = 512  # texels across the noise tile, a power of two


@lru_cache(maxsize=1)
def _noise_tile() -> Array:
    """Noise in [0, 1] that repeats, from a seed of its own."""
    rng = np.random.default_rng(20211122)
    tile = np.zeros((TILE, TILE), np.float32)
    for octave in range(6):
        cells = 4 << octave
        lattice = rng.random((cells, cells), dtype=np.float32)
        # two cells on every side, cut off again, make the ends meet
        padded = np.pad(lattice, 2, mode='wrap')
        step = TILE // cells
        large = cv2.resize(
            padded, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        tile += large[2 * step:-2 * step, 2 * step:-2 * step] * .6**octave
    tile = (tile - tile.mean()) / (tile.std() * 4) + .5
    return np.clip(tile, 0., 1.)


def noise(u: Array, v: Array) -> Array:
    """Noise in [0, 1] at points of a plane; it repeats every unit."""
    x = (u * TILE).astype(np.int32) & (TILE - 1)
    y = (v * TILE).astype(np.int32) & (TILE - 1)
    return _noise_tile().ravel().take(y * TILE + x)


def random_colour(
    rng: Rng,
    saturation: tuple[float, float] = (.1, .9),
    value: tuple[float, float] = (.25, 1.)
) -> Array:
    """A colour of any hue, (3,), in linear RGB."""
    hue, sat, val = rng.random(), rng.uniform(*saturation), rng.uniform(*value)
    ramp = np.abs((hue * 6 + np.array([0., 4., 2.])) % 6 - 3) - 1
    rgb = val * (1 - sat * (1 - np.clip(ramp, 0, 1)))
    return (rgb**2).astype(np.float32)  # the screen shows the square root


def _edge(value: Array, width: Array | float) -> Array:
    """A step at 0, smooth over ``width``, so that it does not flicker."""
    return np.clip(.5 + value / width, 0., 1.)


def _cell(value: Array) -> Array:
    """Position inside a cell of length 1, from -0.5 to 0.5."""
    return value - np.floor(value) - .5


@dataclass(frozen=True)
class Texture:
    """A pattern of two colours.

    Args:
        pattern (str): One of the names above.
        colours (Array): Two colours in linear RGB, (2, 3).
        frequency (float): Repeats per unit of length.
        turn (Array): Rotation of the pattern in space, (3, 3).
        shift (Array): Where it begins, (3,).
        grain (float): Strength of the fine noise on top.
        gloss (float): Strength of the highlight, 0 for matt.
    """
    pattern: str
    colours: Array
    frequency: float
    turn: Array
    shift: Array
    grain: float
    gloss: float

    def blend(self, points: Array, blur: Array | float) -> Array:
        """Share of the second colour at points (P, 3), as (P,).

        ``blur`` is the length of one pixel there, in units of the points.
        """
        p = (points @ self.turn.T + self.shift) * self.frequency
        x, y, z = p[:, 0], p[:, 1], p[:, 2]
        soft = .05 + blur * self.frequency * 2
        kind = self.pattern
        if kind == 'plain':
            return np.zeros_like(x)
        if kind == 'stripes':
            return _edge(.25 - np.abs(_cell(x)), soft)
        if kind == 'checks':
            sides = [_edge(.25 - np.abs(_cell(a * .5 + .25)), soft)
                     for a in p.T]
            odd = sides[0] + sides[1] - 2 * sides[0] * sides[1]
            return odd + sides[2] - 2 * odd * sides[2]
        if kind == 'dots':
            square = _cell(x)**2 + _cell(y)**2 + _cell(z)**2
            return _edge(.36 - np.sqrt(square), soft)
        # a plane has z = 0: the noise must vary in x and y alone
        fog = noise(x * .11 + z * .07, y * .11 - z * .05)
        if kind == 'blotches':
            return _edge(fog - .5, .12 + soft * .2)
        if kind == 'grass':
            return np.clip(noise(x * .4, y * .4) * 1.6 - .3, 0., 1.)
        if kind == 'marble':
            return _edge(np.sin(x * 3 + fog * 14), 1.6)
        if kind == 'wood':
            rings = np.sqrt((x * .15)**2 + y**2) + fog * 1.5
            return _edge(.3 - np.abs(_cell(rings)), .5)
        if kind == 'planks':
            board = np.floor(x)
            tone = noise(board * .37, board * .61)
            gap = _edge(np.abs(_cell(x)) - .46, soft)
            grain = noise(x * .3 + tone, y * .02)
            return np.maximum(tone * .5 + grain * .3 - .1, gap)
        if kind == 'bricks':
            row = np.floor(y * 2)
            across = _cell(x + row * .5)
            gap = np.maximum(
                _edge(np.abs(across) - .46, soft),
                _edge(np.abs(_cell(y * 2)) - .42, soft * 2))
            tone = noise(np.floor(x + row * .5) * .23, row * .31)
            return np.maximum(tone * .4, gap)
        raise ValueError(f'no pattern {kind!r}')

    def __call__(self, points: Array, blur: Array | float) -> Array:
        """Colours at points (P, 3), as (P, 3)."""
        share = self.blend(points, blur)
        if isinstance(blur, np.ndarray):  # what is far loses its pattern
            fade = 1 / (1 + (blur * self.frequency * 2.5)**2)
            share = share * fade + .35 * (1 - fade) * (self.pattern != 'plain')
        low, high = self.colours
        colour = low + share[:, None] * (high - low)
        fine = noise(points[:, 0] * 1.3 + points[:, 2] * .7,
                     points[:, 1] * 1.3 - points[:, 2] * 1.1)
        return colour * (1 + self.grain * (fine - .5))[:, None]


def random_texture(
    rng: Rng,
    patterns: tuple[str, ...],
    frequency: tuple[float, float],
    flat: bool = False,
    avoid: tuple[Array, ...] = (),
    saturation: tuple[float, float] = (.1, .9)
) -> Texture:
    """Draw a texture.

    Args:
        rng (Rng): Draws all of it.
        patterns (tuple[str, ...]): Names to choose from.
        frequency (tuple[float, float]): Range of repeats per unit.
        flat (bool): Whether it is for a plane z = 0. Defaults to False.
        avoid (tuple[Array, ...]): Colours to differ from, (3,) each.
            Defaults to ().
        saturation (tuple[float, float]): Range of the saturation. Defaults
            to (.1, .9).
    """
    first = random_colour(rng, saturation)
    for _ in range(8):  # enough to find one; if not, the last is taken
        # apart as the screen shows it, that is after the square root
        gaps = [np.abs(np.sqrt(first) - np.sqrt(c)).sum() for c in avoid]
        if min(gaps, default=1.) > .5:
            break
        first = random_colour(rng, saturation)
    second = random_colour(rng, saturation)
    if rng.random() < .5:  # a lighter or a darker tone of the same
        second = first * np.float32((.3, .5, 1.8)[rng.integers(3)])
    angle = (0., np.pi / 2, rng.uniform(0, np.pi))[rng.integers(3)]
    turn = np.array([[np.cos(angle), -np.sin(angle), 0],
                     [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    shift = rng.uniform(-3, 3, 3)
    if flat:
        shift[2] = .5  # through the middle of dots and checks
    elif rng.random() < .5:
        turn = turn[rng.permutation(3)]
    repeats = rng.uniform(*frequency)
    if flat:
        shift[2] /= repeats
    return Texture(
        patterns[rng.integers(len(patterns))],
        np.clip(np.stack([first, second]), 0.01, 1.).astype(np.float32),
        repeats, turn.astype(np.float32), shift.astype(np.float32),
        rng.uniform(.1, .7), max(0., rng.uniform(-.3, .6)))
