# Copyright (c) mmregioncl contributors. All rights reserved.
"""Light, shadow and the camera's film for the demo scenes."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mmregioncl.datasets.demo_backdrops import Backdrop, Light
from mmregioncl.datasets.demo_raster import Buffers, cast_shadow
from mmregioncl.datasets.demo_solids import Solid
from mmregioncl.datasets.demo_textures import Texture

Array = np.ndarray
Rng = np.random.Generator

OVERSAMPLING = 2  # pixels rasterised per pixel kept, in x and in y


@dataclass(frozen=True)
class Placed:
    """A solid on its spot in the scene.

    Args:
        name (str): Its class, or 'clutter'.
        solid (Solid): The solid.
        textures (list[Texture]): One for each of its materials.
        scale (float): Its size, in units of the scene.
        position (Array): Its spot on the ground, (3,).
    """
    name: str
    solid: Solid
    textures: list[Texture]
    scale: float
    position: Array

    @property
    def pose(self) -> tuple[Array, float, Array]:
        """Turn, scale and shift from the solid's own coordinates."""
        shift = self.solid.shift * self.scale + self.position
        return self.solid.turn, self.scale, shift

    def own(self, points: Array) -> Array:
        """Points (P, 3) of the scene in the solid's own coordinates."""
        turn, scale, shift = self.pose
        return ((points - shift.astype(np.float32)) / scale) @ turn.astype(
            np.float32)


def with_shadows(rng: Rng, placed: list[Placed], backdrop: Backdrop,
                 light: Light) -> Array:
    """The backdrop, with the shadows of the solids on its ground."""
    mask: Array = np.zeros(backdrop.ground.shape, np.uint8)
    for each in placed:
        cast_shadow(mask, backdrop.camera, each.solid.mesh, *each.pose,
                    light.toward)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(.6, 1.8))
    around = light.around.mean()
    lit = around + light.lamp.mean() * light.toward[1]
    dark = np.float32(.95 / 255 * (1 - around / lit)) * mask
    return backdrop.colour * (1 - dark * backdrop.ground)[..., None]


def shade(colour: Array, placed: list[Placed], buffers: Buffers,
          light: Light) -> None:
    """Paint the solids, lit from the lamp and from all around.

    Each pixel is shaded once, where its nearest part is; the oversampled
    buffers tell how much of it is covered.
    """
    times = OVERSAMPLING
    height, width = colour.shape[:2]
    blocks = buffers.depth.reshape(height, times, width, times)
    blocks = blocks.transpose(0, 2, 1, 3).reshape(height, width, -1)
    cover = np.isfinite(blocks).mean(-1, dtype=np.float32)
    rows, columns = np.nonzero(cover)
    nearest = blocks[rows, columns].argmin(1)
    surface = buffers.surface(rows * times + nearest // times,
                              columns * times + nearest % times)
    normal, toward = surface.normal, light.toward.astype(np.float32)
    paint = np.empty_like(normal)
    gloss = np.empty_like(normal[:, 0])
    kind = surface.owner * 3 + surface.material
    for number in np.unique(kind):
        chosen = np.flatnonzero(kind == number)
        each = placed[number // 3]
        texture = each.textures[number % 3]
        away = float(np.linalg.norm(each.position - buffers.camera.eye))
        paint[chosen] = texture(
            each.own(surface.point[chosen]),
            away * times / buffers.camera.focal / each.scale)
        gloss[chosen] = texture.gloss
    lamp = np.maximum(normal @ toward, 0)[:, None] * light.lamp
    # from below comes less: the ground swallows some of it
    above = (.65 + .35 * normal[:, 1:2]) * light.around
    half = toward - buffers.camera.axes[2].astype(np.float32)
    shine = np.maximum(normal @ (half / np.linalg.norm(half)), 0)**24 * gloss
    paint = paint * (lamp + above) + shine[:, None] * light.lamp
    paint *= surface.openness[:, None]
    share = cover[rows, columns][:, None]
    colour[rows, columns] += share * (paint - colour[rows, columns])


def developed(rng: Rng, image: Array) -> Array:
    """What a camera makes of it: exposure, vignette, noise, 8 bits."""
    bright = float(image.mean())
    image = image * np.float32(rng.uniform(.18, .36) / max(bright, 1e-3))
    height, width = image.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    image *= (1 - rng.uniform(0, .3) * (x * x + y * y) / 2)[..., None]
    image = np.sqrt(np.maximum(image, 0))
    grain = rng.standard_normal((height, width), dtype=np.float32)
    image += (grain * np.float32(rng.uniform(0, .022)))[..., None]
    return np.clip(image * 255 + .5, 0, 255).astype(np.uint8)
