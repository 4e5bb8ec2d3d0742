# Copyright (c) mmregioncl contributors. All rights reserved.
"""Ground, walls, sky and skyline of the demo scenes, and their light."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmregioncl.datasets.demo_raster import Camera
from mmregioncl.datasets.demo_textures import (FLOOR_PATTERNS, WALL_PATTERNS,
                                               Texture, noise, random_colour,
                                               random_texture)

Array = np.ndarray
Rng = np.random.Generator

SURFACES = ('sky', 'building', 'road', 'sidewalk', 'terrain')
SKY, BUILDING, ROAD, SIDEWALK, TERRAIN = range(len(SURFACES))


@dataclass(frozen=True)
class Light:
    """A lamp far away, and what comes from all around.

    Args:
        toward (Array): Direction towards the lamp, (3,), of length 1.
        lamp (Array): Its colour, (3,).
        around (Array): Colour of the light from above, (3,).
    """
    toward: Array
    lamp: Array
    around: Array

    @classmethod
    def random(cls, rng: Rng) -> Light:
        """From the sides or from behind who looks, never from straight up."""
        azimuth = rng.uniform(-2.2, 2.2)  # 0: from behind who looks
        height = np.radians(rng.uniform(28, 65))
        toward = np.array([
            np.sin(azimuth) * np.cos(height),
            np.sin(height), -np.cos(azimuth) * np.cos(height)
        ])
        tint = np.array([1., .95, .88]) * (
            1 - rng.uniform(0, .25) * np.array([0., .4, 1.]))
        strength = rng.uniform(.55, 1.1)
        blue = np.array([.85, .95, 1.1])**rng.uniform(0, 1)
        return cls(toward, (tint * strength).astype(np.float32),
                   (blue * rng.uniform(.3, .5)).astype(np.float32))

    def on(self, normal: Array) -> Array:
        """Light on a plane with a normal (3,), as a colour (3,)."""
        lit = max(0., float(normal @ self.toward))
        return self.lamp * lit + self.around * (.7 + .3 * float(normal[1]))


@dataclass(frozen=True)
class Backdrop:
    """What is behind the solids.

    Args:
        camera (Camera): Who looks.
        colour (Array): Linear RGB, (H, W, 3).
        ground (Array): Where the ground y = 0 is seen, (H, W) bool.
        surface (Array): Index into ``SURFACES``, (H, W) uint8.
        tones (tuple[Array, ...]): Main colours, for solids to differ from.
    """
    camera: Camera
    colour: Array
    ground: Array
    surface: Array
    tones: tuple[Array, ...]


def room(rng: Rng, camera: Camera, light: Light,
         wall: tuple[float, float]) -> Backdrop:
    """A floor and a wall.

    Args:
        rng (Rng): Draws all of it.
        camera (Camera): Who looks.
        light (Light): Lights both.
        wall (tuple[float, float]): Range of the z at which the wall stands.
    """
    rays, eye = camera.rays(), camera.eye.astype(np.float32)
    depth = rng.uniform(*wall)
    wall_texture = random_texture(
        rng, WALL_PATTERNS, (.8, 4.), flat=True, saturation=(0., .25))
    floor_texture = random_texture(
        rng,
        FLOOR_PATTERNS, (.8, 5.),
        flat=True,
        avoid=(wall_texture.colours[0], ),
        saturation=(0., .3))
    with np.errstate(divide='ignore', invalid='ignore'):
        away = (depth - eye[2]) / rays[..., 2]
        ground = rays[..., 1] * away + eye[1] < 0
    colour = np.empty_like(rays)
    surface = np.full(ground.shape, BUILDING, np.uint8)
    surface[ground] = TERRAIN
    colour[ground] = _floor(rays[ground], camera, floor_texture, light)
    behind = ~ground
    point = eye + rays[behind] * away[behind, None]
    flat = np.column_stack([point[:, :2], np.zeros(len(point), np.float32)])
    painted = wall_texture(flat, away[behind] / camera.focal)
    board = random_colour(rng, (0., .4))
    if rng.random() < .6:
        painted[point[:, 1] < rng.uniform(.05, .16)] = board
    colour[behind] = painted * light.on(np.array([0., 0., -1.]))
    # the lamp is not equally near everywhere
    centre, reach = rng.uniform(-.5, .5), rng.uniform(3., 8.)
    fall = 1 / (1 + ((point[:, 0] - centre)**2 +
                     (point[:, 1] - 1.)**2) / reach)
    colour[behind] *= fall[:, None]
    return Backdrop(camera, colour, ground, surface,
                    (floor_texture.colours[0], wall_texture.colours[0]))


def _floor(rays: Array, camera: Camera, texture: Texture,
           light: Light) -> Array:
    eye = camera.eye.astype(np.float32)
    away = -eye[1] / rays[:, 1]
    x, z = eye[0] + rays[:, 0] * away, eye[2] + rays[:, 2] * away
    flat = np.column_stack([x, z, np.zeros_like(x)])
    # a pixel is longer on the ground the lower one looks
    blur = away / camera.focal * np.minimum(1 / -rays[:, 1], 4.)
    return texture(flat, blur) * light.on(np.array([0., 1., 0.]))


def outdoors(rng: Rng,
             camera: Camera,
             light: Light,
             street: float | None = None) -> Backdrop:
    """Ground to the horizon, hills or houses on it, a sky with clouds.

    Args:
        rng (Rng): Draws all of it.
        camera (Camera): Who looks.
        light (Light): Lights the ground.
        street (float | None): Half the width of a road along z, with a
            sidewalk on either side; None for open ground. Defaults to None.
    """
    rays = camera.rays()
    level = np.sqrt(rays[..., 0]**2 + rays[..., 2]**2)
    rise = rays[..., 1] / level
    around = np.arctan2(rays[..., 0], rays[..., 2])
    sky_tone = random_colour(rng, (.1, .55), (.7, 1.))
    if rng.random() < .6:  # blue after all
        sky_tone = np.array([.25, .45, .9], np.float32) * rng.uniform(.7, 1.2)
    haze = (sky_tone * .35 + .6).astype(np.float32)
    height = np.clip(rise * rng.uniform(1., 2.5), 0., 1.)[..., None]
    colour = haze + height * (sky_tone - haze)
    shift, cover = rng.uniform(0, 1, 2), rng.uniform(.45, .75)
    above = np.maximum(rise, .03)
    cloud = noise(around * .25 + shift[0], .05 / above + shift[1])
    cloud = np.clip((cloud - cover) * 4, 0., .9)[..., None]
    colour = colour * (1 - cloud) + cloud
    surface = np.full(rise.shape, SKY, np.uint8)
    _skyline(rng, colour, surface, rise, around, haze, street is not None)
    ground = rise < -.004  # a little below the horizon, or points run away
    low = (rise < 0) & ~ground
    colour[low], surface[low] = haze, TERRAIN
    texture = random_texture(
        rng, ('grass', 'blotches', 'bricks', 'grass'),
        (.5, 3.),
        flat=True,
        saturation=(.05, .35))
    painted = _floor(rays[ground], camera, texture, light)
    surface[ground] = TERRAIN
    if street is not None:
        _street(rng, camera, rays[ground], painted, surface, ground, light,
                street)
    far = -camera.eye[1] / rays[..., 1][ground]
    fade = (1 - np.exp(-far / rng.uniform(30., 120.)))[:, None]
    colour[ground] = painted * (1 - fade) + haze * fade
    return Backdrop(camera, colour.astype(np.float32), ground, surface,
                    (texture.colours[0], haze))


def _skyline(rng: Rng, colour: Array, surface: Array, rise: Array,
             around: Array, haze: Array, town: bool) -> None:
    """Paint hills or houses where they hide the sky."""
    tone = random_colour(rng, (.05, .5), (.2, .7)) * .6 + haze * .3
    if not town and rng.random() < .6:  # hills
        knots = np.linspace(-3.2, 3.2, 24)
        tops = np.interp(around, knots, rng.uniform(.02, .22, 24))
        hill = (rise < tops) & (rise >= 0)
        shade = noise(around[hill], rise[hill] * 2)[:, None]
        colour[hill] = tone * (.7 + .6 * shade)
        surface[hill] = TERRAIN
        return
    edges = np.cumsum(rng.uniform(.05, .22, 96)) - 3.3
    index = np.clip(np.searchsorted(edges, around.ravel()), 0, 95)
    index = index.reshape(around.shape)
    tops = rng.uniform(.03, .3, 96) * (rng.random(96) < .8)
    block = (rise < tops[index]) & (rise >= 0)
    tones = tone * rng.uniform(.5, 1.3, (96, 1))
    pitch = rng.uniform(.018, .03)
    window = ((around[block] / pitch % 1 < .5) &
              (rise[block] / pitch % 1.4 < .7))
    colour[block] = tones[index[block]] * np.where(window, rng.uniform(
        .3, 1.6), 1.)[:, None]
    surface[block] = BUILDING


def _street(rng: Rng, camera: Camera, rays: Array, painted: Array,
            surface: Array, ground: Array, light: Light, half: float) -> None:
    """Paint a road and its sidewalks over the ground."""
    away = -camera.eye[1] / rays[:, 1]
    x = camera.eye[0] + rays[:, 0] * away
    z = camera.eye[2] + rays[:, 2] * away
    lit = light.on(np.array([0., 1., 0.]))
    speck = .8 + .4 * noise(x * .3, z * .3)[:, None]
    kinds = surface[ground]
    side = (np.abs(x) >= half) & (np.abs(x) < half * 1.45)
    kinds[side] = SIDEWALK
    slab = (np.abs(z % 1. - .5) > .47)[:, None]
    grey = rng.uniform(.2, .5) * random_colour(rng, (0., .15), (.9, 1.))
    painted[side] = (grey * speck * np.where(slab, .7, 1.) * lit)[side]
    road = np.abs(x) < half
    kinds[road] = ROAD
    dark = rng.uniform(.04, .16) * random_colour(rng, (0., .15), (.9, 1.))
    line = ((np.abs(x) < .06) & (z % 2. < 1.1)) | (
        np.abs(np.abs(x) - half * .94) < .04)
    tar = np.where(line[:, None], .6, dark) * speck * lit
    painted[road] = tar[road]
    surface[ground] = kinds
