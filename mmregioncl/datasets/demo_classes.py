# Copyright (c) mmregioncl contributors. All rights reserved.
"""What the eight classes of the demo scenes look like, and the clutter.

Each builder returns the parts of a solid of random proportions.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Callable

import numpy as np

from mmregioncl.datasets.demo_shapes import (ACCENT, DETAIL, Part, Rng, box,
                                             cylinder, disc, prism, revolved,
                                             rotation, sphere, torus)


def _ball(rng: Rng) -> list[Part]:
    return [sphere(.5)]


def _car(rng: Rng) -> list[Part]:
    length, width = 1.1, rng.uniform(.44, .52)
    floor, waist, roof = .1, rng.uniform(.28, .33), rng.uniform(.46, .56)
    side = width / 2
    nose, tail = rng.uniform(.04, .1), rng.uniform(.01, .06)
    half = length / 2
    body = prism(
        np.array([[-half, floor], [half, floor], [half, waist - nose],
                  [half - .14, waist], [-half + .05, waist],
                  [-half, waist - tail]]), -side, side)
    # an estate's cabin reaches the rear, a saloon's leaves a boot
    rear = rng.choice([-half + .03, -half + .2])
    front, rake = half - rng.uniform(.3, .4), rng.uniform(.1, .18)

    def cabin(low: float, high: float, inset: float) -> np.ndarray:
        return np.array([[rear + inset, low], [front - inset, low],
                         [front - rake - inset, high],
                         [rear + rake * .5 + inset, high]])

    parts = [
        body,
        prism(cabin(waist, roof, 0.), -side + .04, side - .04),
        # windows stand out by a hair so that they are seen
        prism(cabin(waist + .02, roof - .035, .05), -side + .033,
              side - .033).painted(DETAIL),
    ]
    for at, lean in ((front, rake), (rear, -rake * .5)):
        pane = box((.012, (roof - waist) * .72, width - .16))
        parts.append(
            pane.painted(DETAIL).moved(
                turn=rotation(z=np.arctan2(lean, roof - waist)),
                shift=(at - lean / 2, (waist + roof) / 2, 0.)))
    radius = rng.uniform(.105, .13)
    for x in (-half + .24, half - .24):
        for z in (-side + .01, side - .01):
            out = 1. if z > 0 else -1.
            for part in cylinder(radius, -.045, .045):
                parts.append(
                    part.painted(ACCENT).moved(
                        turn=rotation(x=np.pi / 2), shift=(x, radius, z)))
            parts.append(
                disc(radius * .5, 0.).painted(DETAIL).moved(
                    turn=rotation(x=out * np.pi / 2),
                    shift=(x, radius, z + out * .05)))
    for z in (-side * .66, side * .66):
        for x, y in ((half, waist - nose - .05), (-half, waist - tail - .06)):
            parts.append(box((.02, .06, .09), (x, y, z)).painted(DETAIL))
    return parts


def _chair(rng: Rng) -> list[Part]:
    width, seat = rng.uniform(.42, .52), rng.uniform(.38, .46)
    top = seat + rng.uniform(.42, .55)
    leg = rng.uniform(.045, .07)
    reach = width / 2 - leg / 2
    parts = [
        box((leg, seat, leg), (x, seat / 2, z)).painted(ACCENT)
        for x in (-reach, reach) for z in (-reach, reach)
    ]
    parts.append(box((width, .07, width), (0., seat, 0.)))
    height = top - seat
    style = rng.integers(3)
    if style < 2:  # posts with a board, or with slats
        parts += [
            box((leg, height, leg),
                (x, seat + height / 2, reach)).painted(ACCENT)
            for x in (-reach, reach)
        ]
    if style == 0:
        parts.append(
            box((width, height * .55, .045), (0., top - height * .3, reach)))
    elif style == 1:
        count = int(rng.integers(2, 4))
        parts += [
            box((width, height * .5 / count, .04),
                (0., seat + height * (i + .8) / count, reach))
            for i in range(count)
        ]
    else:
        parts.append(box((width, height, .06), (0., seat + height / 2, reach)))
    return parts


def _house(rng: Rng) -> list[Part]:
    width, depth = rng.uniform(.62, .78), rng.uniform(.6, .85)
    wall, ridge = rng.uniform(.38, .5), rng.uniform(.26, .4)
    half, z = width / 2, depth / 2
    eaves = rng.uniform(.05, .09)
    drop = eaves * ridge / half
    parts = [
        prism(
            np.array([[-half, 0], [half, 0], [half, wall], [0, wall + ridge],
                      [-half, wall]]), -z, z)
    ]
    for sign in (-1., 1.):
        parts.append(
            prism(
                np.array([[0, wall + ridge],
                          [sign * (half + eaves), wall - drop],
                          [sign * (half + eaves), wall - drop + .05],
                          [0, wall + ridge + .06]]), -z - .05,
                z + .05).painted(ACCENT))
    door = rng.choice([-.18, 0., .18]) * width
    parts.append(box((.15, .27, .02), (door, .135, -z)).painted(DETAIL))
    for x in (-.3, .3):
        if abs(x * width - door) > .2:
            parts.append(
                box((.13, .13, .02),
                    (x * width, wall * .58, -z)).painted(DETAIL))
    if rng.random() < .6:
        parts.append(
            box((.11, .13, .02), (0., wall + .06, -z)).painted(DETAIL))
    for side in (-half, half):
        for at in (-.22, .22):
            parts.append(
                box((.02, .14, .15),
                    (side, wall * .55, at * depth)).painted(DETAIL))
    if rng.random() < .75:
        parts.append(
            box((.1, .3, .1), (half * rng.choice([-.5, .5]),
                               wall + ridge * .6 + .08, z * .3)))
    return parts


def _mug(rng: Rng) -> list[Part]:
    radius, height = rng.uniform(.3, .37), rng.uniform(.68, .85)
    foot = radius * rng.uniform(.78, 1.)
    lip = radius * .86
    inside = revolved(
        np.array([[foot * .84, .08], [lip, height]]), inward=True)
    content = height * rng.uniform(.2, .8)
    level = foot + (lip - foot) * content / height
    arc = torus(height * .27, rng.uniform(.045, .06), -np.pi * .6, np.pi * .6)
    shift = ((foot + radius) / 2 + .05, height * .5, 0.)
    return [
        revolved(np.array([[foot, 0.], [radius, height]]), 24),
        disc(foot, 0., up=False),
        disc(radius, height, hole=lip),
        _hollow(inside.painted(DETAIL)),
        _hollow(disc(level * .97, content).painted(ACCENT)),
        arc.moved(shift=shift).painted(ACCENT),
    ]


def _hollow(part: Part) -> Part:
    return replace(part, openness=.6)


def _ring(rng: Rng) -> list[Part]:
    thickness = rng.uniform(.11, .18)
    return [torus(.5 - thickness, thickness)]


def _star(rng: Rng) -> list[Part]:
    notch = rng.uniform(.4, .5) * .5
    depth = rng.uniform(.12, .2)
    angle = np.pi / 2 + np.arange(11) * np.pi / 5
    radius = np.where(np.arange(11) % 2 == 0, .5, notch)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None]
    parts = []
    for tip in range(0, 10, 2):
        arm = np.array([[0., 0.], ring[tip - 1 if tip else 9], ring[tip],
                        ring[tip + 1]])
        part = prism(arm, -depth / 2, depth / 2)
        # less the walls between the arms, which shine through at the seams
        parts.append(
            replace(part, faces=np.delete(part.faces, [4, 7, 8, 11], 0)))
    return parts


def _tree(rng: Rng) -> list[Part]:
    trunk = rng.uniform(.2, .34)
    parts = [
        part.painted(ACCENT)
        for part in cylinder(rng.uniform(.05, .08), 0., trunk + .15, .8)
    ]
    if rng.random() < .5:  # a fir: cones, each over the one below
        tiers = int(rng.integers(2, 5))
        radius, height = rng.uniform(.3, .38), (1.05 - trunk) / (tiers + .5)
        for tier in range(tiers):
            low = trunk + tier * height
            wide = radius * (1 - .62 * tier / tiers)
            parts.append(
                revolved(np.array([[wide, low], [0., low + height * 1.6]])))
            parts.append(disc(wide, low, up=False))
        return parts
    crown = rng.uniform(.22, .27)  # a leafy tree: bumpy balls
    for _ in range(int(rng.integers(4, 7))):
        x, z = rng.uniform(-.17, .17, 2)
        bumps = rng.uniform(-.1, .1, (13, 21))
        bumps[:, -1] = bumps[:, 0]
        bumps[[0, -1]] = 0.
        parts.append(
            sphere(crown * rng.uniform(.75, 1.1),
                   bumps).moved(shift=(x, trunk + rng.uniform(.2, .55), z)))
    return parts


def _clutter(rng: Rng) -> list[Part]:
    kind = rng.integers(4)
    if kind == 0:  # a brick
        return [box((1., rng.uniform(.3, .6), rng.uniform(.3, .6)))]
    if kind == 1:  # a rod
        return cylinder(rng.uniform(.05, .09), -.5, .5)
    if kind == 2:  # a wedge
        tip = rng.uniform(-.4, .4)
        return [prism(np.array([[-.5, 0.], [.5, 0.], [tip, .5]]), -.2, .2)]
    sides = int(rng.integers(5, 8))  # a pebble with flat faces
    angle = np.sort(rng.uniform(
        0, 2 * np.pi, sides)) * .3 + np.arange(sides) * 2 * np.pi / sides * .7
    return [
        prism(
            np.column_stack([np.cos(angle), np.sin(angle) * .7]) * .5,
            -.2,
            .2,
            bevel=.7)
    ]


BUILDERS: dict[str, Callable[[Rng], list[Part]]] = {
    'ball': _ball,
    'car': _car,
    'chair': _chair,
    'house': _house,
    'mug': _mug,
    'ring': _ring,
    'star': _star,
    'tree': _tree,
    'clutter': _clutter,
}
