# Copyright (c) mmregioncl contributors. All rights reserved.
"""Solids of the demo scenes as triangle meshes: eight classes and clutter.

A solid is a list of parts in its own coordinates: x to the right, y up, z
away from who looks at its front, about one unit large. The parts of a class
vary in proportion and number, so that a class is a family of shapes.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

Array = np.ndarray
Rng = np.random.Generator

BODY, ACCENT, DETAIL = 0, 1, 2  # materials: each solid draws three


@dataclass(frozen=True)
class Part:
    """A piece of surface whose visible faces hide none of each other, or
    which is tessellated finely enough to be painted from far to near.

    Args:
        points (Array): Corners, (V, 3).
        normals (Array): Outward normals at the corners, (V, 3), of any length.
        faces (Array): Corner indices of each triangle, (F, 3).
        material (int): ``BODY``, ``ACCENT`` or ``DETAIL``. Defaults to
            ``BODY``.
        openness (float): Share of the light that reaches it, less inside a
            hollow. Defaults to 1.0.
        flat (bool): Whether each triangle has corners of its own, and
            ``normals`` say no more than which side is out. Defaults to
            False.
    """
    points: Array
    normals: Array
    faces: Array
    material: int = BODY
    openness: float = 1.0
    flat: bool = False

    def moved(
        self,
        *,
        turn: Array | None = None,
        scale: float = 1.,
        shift: tuple[float, float, float] | Array = (0., 0., 0.)
    ) -> Part:
        """The part turned about the origin, scaled, then shifted."""
        turn = np.eye(3) if turn is None else turn
        points = self.points @ turn.T * scale + np.asarray(shift)
        return replace(self, points=points, normals=self.normals @ turn.T)

    def painted(self, material: int) -> Part:
        """The part in another material."""
        return replace(self, material=material)


def cross(a: Array, b: Array) -> Array:
    """Cross product of (N, 3) and (N, 3); NumPy's takes far longer."""
    ax, ay, az = a.T
    bx, by, bz = b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx],
                    1)


@dataclass(frozen=True)
class Mesh:
    """Parts in one piece: their corners and triangles in a row.

    Args:
        points (Array): (V, 3).
        normals (Array): Of length 1, (V, 3).
        faces (Array): (F, 3), part after part; all turn the same way.
        ends (Array): Number of triangles up to each part's end, (P,).
        material (Array): Of each triangle, (F,).
        openness (Array): Of each triangle, (F,).
    """
    points: Array
    normals: Array
    faces: Array
    ends: Array
    material: Array
    openness: Array

    @classmethod
    def of(cls, parts: list[Part]) -> Mesh:
        """Join parts."""
        starts = np.cumsum([0] + [len(part.points) for part in parts])
        counts = [len(part.faces) for part in parts]
        points = np.concatenate([part.points for part in parts])
        normals = np.concatenate([part.normals for part in parts])
        faces = np.concatenate(
            [part.faces + start for part, start in zip(parts, starts)])
        a, b, c = (points[faces[:, i]] for i in range(3))
        across = cross(b - a, c - a)
        wrong = (across * normals[faces].sum(1)).sum(1) < 0
        across[wrong] *= -1
        faces[wrong] = faces[wrong][:, ::-1]
        flat = np.repeat([part.flat for part in parts], counts)
        normals[faces[flat]] = across[flat][:, None]
        normals /= np.sqrt((normals**2).sum(1, keepdims=True)) + 1e-12
        return cls(points, normals, faces, np.cumsum(counts),
                   np.repeat([part.material for part in parts], counts),
                   np.repeat([part.openness for part in parts], counts))


def rotation(x: float = 0., y: float = 0., z: float = 0.) -> Array:
    """Rotation about z, then x, then y (radians), as a (3, 3) matrix."""
    cx, sx, cy, sy, cz, sz = (np.cos(x), np.sin(x), np.cos(y), np.sin(y),
                              np.cos(z), np.sin(z))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


@lru_cache(maxsize=64)
def _sheet_faces(rows: int, columns: int) -> Array:
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, 1:].ravel(), index[1:, :-1].ravel()
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def _sheet(points: Array, normals: Array) -> Part:
    """A grid of corners (rows, columns, 3) as triangles."""
    return Part(
        points.reshape(-1, 3), normals.reshape(-1, 3),
        _sheet_faces(*points.shape[:2]))


@lru_cache(maxsize=64)
def _prism_triangles(rings: int, count: int) -> Array:
    """Corner numbers of rings of corners, closed by a lid at either end."""
    index = np.arange(rings * count).reshape(rings, count)
    following = np.roll(index, -1, 1)
    near, far = index[:-1].ravel(), index[1:].ravel()
    near_next, far_next = following[:-1].ravel(), following[1:].ravel()
    lids = [
        np.column_stack([np.full(count - 2, lid[0]), lid[1:-1], lid[2:]])
        for lid in (index[0], index[-1])
    ]
    return np.concatenate(lids + [
        np.column_stack([near, near_next, far_next]),
        np.column_stack([near, far_next, far])
    ])


def prism(outline: Array,
          front: float,
          back: float,
          bevel: float = 1.) -> Part:
    """A convex outline (K, 2) in x and y, drawn out along z.

    ``bevel`` scales the outline at the front and at the back about its
    middle; 1 leaves a plain prism.
    """
    step = (back - front) * .2
    rings = [(front, 1.), (back, 1.)] if bevel == 1. else [(front, bevel),
                                                           (front + step, 1.),
                                                           (back - step, 1.),
                                                           (back, bevel)]
    middle = outline.mean(0)
    loops = np.empty((len(rings), len(outline), 3))
    for loop, (z, size) in zip(loops, rings):
        loop[:, :2] = middle + (outline - middle) * size
        loop[:, 2] = z
    points = loops.reshape(-1, 3)[_prism_triangles(*loops.shape[:2])]
    outward = points.mean(1) - [*middle, (front + back) / 2]
    faces = np.arange(points.size // 3).reshape(-1, 3)
    return Part(
        points.reshape(-1, 3), np.repeat(outward, 3, 0), faces, flat=True)


def box(
    size: tuple[float, float, float],
    centre: tuple[float, float, float] = (0., 0., 0.)
) -> Part:
    """A box of the given width, height and depth."""
    w, h, d = (each / 2 for each in size)
    x, y, z = centre
    return prism(
        np.array([[x - w, y - h], [x + w, y - h], [x + w, y + h],
                  [x - w, y + h]]), z - d, z + d)


def revolved(profile: Array, segments: int = 20, inward: bool = False) -> Part:
    """A profile (K, 2) of radius and height, turned about the y axis."""
    slope = np.gradient(profile, axis=0)
    out = np.stack([slope[:, 1], -slope[:, 0]], 1)
    if inward != (out[len(out) // 2, 0] < 0):
        out = -out
    sine, cosine = _circle(segments)
    points, normals = np.empty((2, segments + 1, len(profile), 3))
    for turned, values in ((points, profile), (normals, out)):
        turned[..., 0] = cosine * values[:, 0]
        turned[..., 1] = values[:, 1]
        turned[..., 2] = sine * values[:, 0]
    return _sheet(points, normals)


@lru_cache(maxsize=8)
def _circle(segments: int) -> tuple[Array, Array]:
    angle = np.linspace(0, 2 * np.pi, segments + 1)[:, None]
    return np.sin(angle), np.cos(angle)


def disc(radius: float,
         height: float,
         up: bool = True,
         hole: float = 0.) -> Part:
    """A flat disc, or an annulus, that faces up or down."""
    part = revolved(np.array([[hole, height], [radius, height]]))
    normals = np.zeros_like(part.points)
    normals[:, 1] = 1. if up else -1.
    return replace(part, normals=normals)


def cylinder(radius: float,
             bottom: float,
             top: float,
             taper: float = 1.) -> list[Part]:
    """Wall and lids; the top has ``taper`` times the radius of the bottom."""
    wall = revolved(np.array([[radius, bottom], [radius * taper, top]]))
    return [wall, disc(radius * taper, top), disc(radius, bottom, up=False)]


def sphere(radius: float, bumps: Array | None = None) -> Part:
    """A ball; ``bumps`` (13, 21), relative, makes it a bush."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
    part = revolved(np.column_stack([np.cos(angle), np.sin(angle)]) * radius)
    # at the poles the profile's slope says nothing
    part = replace(part, normals=part.points)
    if bumps is None:
        return part
    swell = np.repeat(bumps.reshape(-1, 1), 3, 1)
    return replace(part, points=part.points * (1 + swell))


def torus(radius: float,
          thickness: float,
          start: float = 0.,
          end: float = 2 * np.pi,
          segments: int = 28) -> Part:
    """A ring about the z axis, or the arc of it from start to end."""
    around = np.linspace(start, end, segments + 1)[:, None]
    tube = np.linspace(0, 2 * np.pi, 15)[None]
    out = np.stack([
        np.cos(around) * np.cos(tube),
        np.sin(around) * np.cos(tube),
        np.broadcast_to(np.sin(tube), (segments + 1, 15))
    ], -1)
    ring = np.stack([np.cos(around), np.sin(around), 0 * around], -1) * radius
    return _sheet(ring + out * thickness, out)
