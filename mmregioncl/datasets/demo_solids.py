# Copyright (c) mmregioncl contributors. All rights reserved.
"""Solids of the demo scenes, each in a pose in which a person names it."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmregioncl.datasets.demo_classes import BUILDERS
from mmregioncl.datasets.demo_shapes import Mesh, Rng, rotation

CLASSES = tuple(name for name in BUILDERS if name != 'clutter')


def _pose(name: str, rng: Rng) -> np.ndarray:
    """A turn that keeps the class visible from the -z side, from above."""
    lean = rng.uniform(-.09, .09, 2)
    if name == 'ball':
        return rotation(*rng.uniform(-np.pi, np.pi, 3))
    if name == 'mug':  # the handle stays in sight
        return rotation(lean[0], rng.uniform(-.3, np.pi + .3), lean[1])
    if name == 'star':
        return rotation(
            rng.uniform(-.1, .5), rng.uniform(-.85, .85),
            rng.uniform(-np.pi, np.pi))
    if name == 'ring':
        if rng.random() < .45:  # on its side, so that the hole is seen
            return rotation(np.pi / 2 - rng.uniform(.25, .7),
                            rng.uniform(-.6, .6))
        return rotation(rng.uniform(-.1, .5), rng.uniform(-.95, .95))
    if name == 'chair':  # not its back alone
        return rotation(lean[0], rng.uniform(-2.3, 2.3), lean[1])
    if name == 'house':  # the gable in sight
        return rotation(lean[0] / 3, rng.uniform(-1.1, 1.1), lean[1] / 3)
    if name == 'clutter':
        return rotation(
            rng.choice([0., np.pi / 2]), rng.uniform(-np.pi, np.pi), lean[1])
    return rotation(lean[0], rng.uniform(-np.pi, np.pi), lean[1])


@dataclass(frozen=True)
class Solid:
    """A solid in its own coordinates, and how it stands on the ground.

    Args:
        mesh (Mesh): About one unit large.
        turn (np.ndarray): Its pose, a rotation (3, 3).
        shift (np.ndarray): What, after the turn, brings its lowest point to
            y = 0 and its middle over the origin, (3,).
        extent (np.ndarray): Width, height and depth after the turn, (3,).
    """
    mesh: Mesh
    turn: np.ndarray
    shift: np.ndarray
    extent: np.ndarray


def build_solid(name: str, rng: Rng) -> Solid:
    """A solid of a class, in a pose in which it is recognised.

    Args:
        name (str): One of ``CLASSES``, or 'clutter'.
        rng (Rng): Draws its proportions and its pose.
    """
    mesh = Mesh.of(BUILDERS[name](rng))
    turn = _pose(name, rng)
    points = mesh.points @ turn.T
    low, high = points.min(0), points.max(0)
    middle = (low + high) / 2
    shift = -np.array([middle[0], low[1], middle[2]])
    return Solid(mesh, turn, shift, high - low)
