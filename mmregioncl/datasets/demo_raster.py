# Copyright (c) mmregioncl contributors. All rights reserved.
"""A small rasteriser: what is seen at each pixel, and where shadows fall.

Triangles are painted by OpenCV as numbers, far ones first; from the number
the point in space follows exactly, and a depth buffer joins the parts.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from mmregioncl.datasets.demo_shapes import Mesh, cross

Array = np.ndarray
NEAR = .05  # nothing closer to the eye is drawn, in units of the scene
SHIFT = 4  # OpenCV takes corners in 1/16 pixel


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Args:
        eye (Array): Position, (3,).
        axes (Array): Rows right, down and forward, (3, 3).
        focal (float): Focal length in pixels.
        size (tuple[int, int]): Width and height in pixels.
    """
    eye: Array
    axes: Array
    focal: float
    size: tuple[int, int]

    @classmethod
    def looking(cls, eye: Array, target: Array, roll: float, focal: float,
                size: tuple[int, int]) -> Camera:
        """A camera that looks at a target, rolled by so many radians."""
        forward = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(np.array([0., 1., 0.]), forward)
        right /= np.linalg.norm(right)
        down = np.cross(right, forward)
        right, down = (right * np.cos(roll) + down * np.sin(roll),
                       down * np.cos(roll) - right * np.sin(roll))
        return cls(eye, np.stack([right, down, forward]), focal, size)

    def oversampled(self, times: int) -> Camera:
        """The same view in a picture with more pixels."""
        width, height = self.size
        return replace(
            self,
            focal=self.focal * times,
            size=(width * times, height * times))

    def seen(self, points: Array) -> Array:
        """Points (P, 3) of the scene in the camera's own axes."""
        return (points - self.eye) @ self.axes.T

    def pixels(self, seen: Array) -> Array:
        """Where points in the camera's axes fall, (P, 2) in pixels."""
        depth = np.maximum(seen[:, 2:], NEAR)
        middle = np.array(self.size) / 2 - .5
        return seen[:, :2] / depth * self.focal + middle

    def rays(self) -> Array:
        """Directions (H, W, 3) of depth 1 in the scene's axes."""
        width, height = self.size
        x = (np.arange(width) - width / 2 + .5) / self.focal
        y = (np.arange(height) - height / 2 + .5) / self.focal
        right, down, forward = self.axes
        rays = (x[None, :, None] * right + y[:, None, None] * down + forward)
        return rays.astype(np.float32)


@dataclass(frozen=True)
class Surface:
    """What is seen at P pixels.

    Args:
        owner (Array): Number of the solid, (P,).
        point (Array): Where it is in the scene, (P, 3).
        normal (Array): Outward normal in the scene, (P, 3).
        material (Array): (P,).
        openness (Array): (P,).
    """
    owner: Array
    point: Array
    normal: Array
    material: Array
    openness: Array


class Buffers:
    """What is seen at each pixel.

    ``depth`` (H, W); ``owner`` (H, W), the solid's number, -1 where none is;
    ``face`` (H, W), its triangle; ``covered``, for each solid, the number of
    pixels that it would cover were it alone.
    """

    def __init__(self, camera: Camera) -> None:
        width, height = camera.size
        self.camera = camera
        self.depth = np.full((height, width), np.inf, np.float32)
        self.owner = np.full((height, width), -1, np.int32)
        self.face = np.zeros((height, width), np.int32)
        self.covered: list[int] = []
        # x and y of the ray of depth 1 through each column and row
        x, y = ((np.arange(n) - (n - 1) / 2) / camera.focal
                for n in camera.size)
        self._x, self._y = x.astype(np.float32), y.astype(np.float32)
        self._solids: list[tuple[Mesh, Array]] = []

    def add(self, mesh: Mesh, turn: Array, scale: float, shift: Array) -> None:
        """Draw one more solid, turned, scaled and shifted into the scene."""
        scene = mesh.points @ turn.T * scale + shift
        seen = self.camera.seen(scene)
        a, b, c = (seen[mesh.faces[:, i]] for i in range(3))
        # Rows that turn a ray into barycentric weights, times a determinant.
        weights = np.stack([cross(b, c), cross(c, a), cross(a, b)], 1)
        facing = np.einsum('fi,fi->f', weights[:, 0], a)
        # The camera's y points down: it mirrors the scene, and with it the
        # sense in which a triangle turns that faces the eye.
        depth = np.stack([a[:, 2], b[:, 2], c[:, 2]], 1)
        front = (facing > 0) & (depth.min(1) > NEAR)
        far_first = np.argsort(-depth.sum(1), kind='stable')
        part = np.searchsorted(mesh.ends, far_first, side='right')
        # 1 / depth is linear in the pixel, and so are normals over depth.
        weights[front] /= facing[front, None, None]
        weights[~front] = 0.
        depth = np.maximum(depth, NEAR)
        inverse = np.column_stack(
            [weights.sum(1), 1 / depth.max(1), 1 / depth.min(1)])
        inverse = inverse.astype(np.float32)
        flat = self.camera.pixels(seen)
        alone = np.zeros(self.depth.size, bool)
        far_first, part = far_first[front[far_first]], part[front[far_first]]
        for number in range(len(mesh.ends)):
            faces = far_first[part == number]
            if len(faces):
                self._paint(flat[mesh.faces[faces]], faces, inverse, alone)
        self.covered.append(int(np.count_nonzero(alone)))
        normals = (mesh.normals @ turn.T)[mesh.faces]
        slopes = np.einsum('fkj,fki->jfi', weights, normals)
        self._solids.append((mesh, slopes.astype(np.float32)))

    def _paint(self, corners: Array, faces: Array, inverse: Array,
               alone: Array) -> None:
        """Paint triangles (F, 3, 2), far ones first, where nothing is
        nearer."""
        window = _window(corners, self.camera.size)
        if window is None:
            return
        left, top, right, bottom = window
        painted = np.zeros((bottom - top, right - left), np.int32)
        fixed = np.rint((corners - [left, top]) * 2**SHIFT).astype(np.int32)
        for number, triangle in enumerate(fixed, 1):
            cv2.fillConvexPoly(painted, triangle, number, cv2.LINE_8, SHIFT)
        rows, columns = np.nonzero(painted)
        face = faces.take(painted[rows, columns] - 1)
        rows += top
        columns += left
        pixels = rows * self.camera.size[0] + columns
        alone[pixels] = True
        terms = inverse.take(face, 0)
        value = terms[:, 0] * self._x.take(columns)
        value += terms[:, 1] * self._y.take(rows)
        value += terms[:, 2]
        # Not beyond the corners: OpenCV paints a little over the edge.
        depth = 1 / np.clip(value, terms[:, 3], terms[:, 4])
        wins = np.flatnonzero(depth < self.depth.ravel().take(pixels))
        pixels = pixels.take(wins)
        # ravel() of these makes no copy
        self.depth.ravel()[pixels] = depth.take(wins)
        self.owner.ravel()[pixels] = len(self.covered)
        self.face.ravel()[pixels] = face.take(wins)

    def surface(self, rows: Array, columns: Array) -> Surface:
        """What is seen at pixels (P,) that solids cover."""
        meshes = [mesh for mesh, _ in self._solids]
        slopes = np.concatenate([each for _, each in self._solids], 1)
        firsts = np.cumsum([0] + [len(mesh.faces) for mesh in meshes])
        owner = self.owner[rows, columns]
        face = self.face[rows, columns] + firsts[owner]
        ray = np.ones((len(face), 3), np.float32)
        ray[:, 0], ray[:, 1] = self._x[columns], self._y[rows]
        normal = slopes[0].take(face, 0) * ray[:, :1]
        normal += slopes[1].take(face, 0) * ray[:, 1:2]
        normal += slopes[2].take(face, 0)  # its length is of no account
        normal /= np.sqrt((normal**2).sum(1, keepdims=True)) + 1e-9
        ray *= self.depth[rows, columns][:, None]
        camera = self.camera
        point = ray @ camera.axes.astype(np.float32) + camera.eye.astype(
            np.float32)
        material = np.concatenate([mesh.material for mesh in meshes])[face]
        openness = np.concatenate([mesh.openness for mesh in meshes])[face]
        return Surface(owner, point, normal, material,
                       openness.astype(np.float32))


def _window(flat: Array, size: tuple[int,
                                     int]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the pixels that triangles may touch."""
    low = np.floor(flat.min((0, 1))).astype(int) - 1
    high = np.ceil(flat.max((0, 1))).astype(int) + 2
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, size)
    # 1/16 pixel in 32 bits: what reaches so far is next to the eye
    if left >= right or top >= bottom or (high - low).max() > 2**20:
        return None
    return int(left), int(top), int(right), int(bottom)


def cast_shadow(mask: Array, camera: Camera, mesh: Mesh, turn: Array,
                scale: float, shift: Array, light: Array) -> None:
    """Paint the shadow of a solid on the ground y = 0 into a mask.

    Args:
        mask (Array): (H, W) uint8 in the camera's size; 255 in shadow.
        camera (Camera): Who looks.
        mesh (Mesh): The solid.
        turn (Array): As in :meth:`Buffers.add`.
        scale (float): As there.
        shift (Array): As there.
        light (Array): Direction towards the light, (3,), its y positive.
    """
    scene = mesh.points @ turn.T * scale + shift
    seen = camera.seen(scene - scene[:, 1:2] / light[1] * light)
    a, b, c = (scene[mesh.faces[:, i]] for i in range(3))
    toward = cross(b - a, c - a) @ light > 0
    visible = (seen[mesh.faces, 2] > NEAR).all(1)
    fixed = np.rint(camera.pixels(seen) * 2**SHIFT)
    fixed = np.clip(fixed, -2**20, 2**20).astype(np.int32)
    for triangle in fixed[mesh.faces[toward & visible]]:
        cv2.fillConvexPoly(mask, triangle, 255, cv2.LINE_8, SHIFT)
