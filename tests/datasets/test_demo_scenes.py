# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import numpy as np
import pytest

from mmregioncl.datasets.demo_raster import Buffers, Camera
from mmregioncl.datasets.demo_scenes import (CLASSES, SURFACES, Scene,
                                             group_scene, object_scene,
                                             street_scene)
from mmregioncl.datasets.demo_shading import Placed
from mmregioncl.datasets.demo_solids import build_solid
from mmregioncl.datasets.demo_textures import (FLOOR_PATTERNS, SOLID_PATTERNS,
                                               WALL_PATTERNS, random_texture)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


SCENES = [
    pytest.param(lambda seed: object_scene(_rng(seed), 'car', 48), (48, 48),
                 id='object'),
    pytest.param(lambda seed: group_scene(_rng(seed), (96, 72)), (72, 96),
                 id='group'),
    pytest.param(lambda seed: street_scene(_rng(seed), (96, 48)), (48, 96),
                 id='street'),
]


@pytest.mark.parametrize('render, shape', SCENES)
def test_seed_tells_every_pixel(render, shape):
    one, same, other = render(3), render(3), render(4)
    assert one.image.shape == (*shape, 3) and one.image.dtype == np.uint8
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.surface, same.surface)
    assert [o.name for o in one.objects] == [o.name for o in same.objects]
    for ours, theirs in zip(one.objects, same.objects):
        np.testing.assert_array_equal(ours.mask, theirs.mask)
    assert (one.image != other.image).mean() > .5


@pytest.mark.parametrize('render, shape', SCENES)
def test_labels_fit_the_picture(render, shape):
    for seed in range(4):
        scene: Scene = render(seed)
        assert scene.surface.shape == shape
        assert scene.surface.max() < len(SURFACES)
        assert scene.objects
        seen = np.zeros(shape, int)
        for thing in scene.objects:
            assert thing.name in (*CLASSES, 'clutter')
            assert thing.mask.any()
            seen += thing.mask
        assert seen.max() == 1  # no pixel is of two objects
        # neither black nor white nor flat
        assert 30 < scene.image.mean() < 225 and scene.image.std() > 8


@pytest.mark.parametrize('name', CLASSES)
def test_object_is_large_and_alone_of_a_class(name):
    for seed in range(4):
        scene = object_scene(_rng(seed), name, 48)
        things = [o for o in scene.objects if o.name in CLASSES]
        assert [o.name for o in things] == [name]
        # a chair seen from the side covers least
        assert things[0].mask.mean() > .04


def test_street_has_every_surface_of_a_street():
    found = set()
    for seed in range(6):
        scene = street_scene(_rng(seed), (96, 48))
        found |= {SURFACES[i] for i in np.unique(scene.surface)}
    assert found == set(SURFACES)


def test_nothing_labelled_is_too_small_to_name():
    for seed in range(4):
        scene = group_scene(_rng(seed), (160, 120))
        # 90 pixels, less what sampling the oversampled mask may lose; where
        # all are too small, the largest stays
        areas = [o.mask.sum() for o in scene.objects]
        assert len(areas) == 1 or min(areas) > 75


def _cast(ray, eye, corners):
    """Depth along a ray of the nearest triangle (F, 3, 3) it meets."""
    a, ab, ac = (corners[:, 0], corners[:, 1] - corners[:, 0],
                 corners[:, 2] - corners[:, 0])
    p = np.cross(ray, ac)
    with np.errstate(divide='ignore', invalid='ignore'):
        inverse = 1 / (ab * p).sum(1)
        u = ((eye - a) * p).sum(1) * inverse
        q = np.cross(eye - a, ab)
        v = (q @ ray) * inverse
        depth = (ac * q).sum(1) * inverse
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0)
    return depth[hit].min() if hit.any() else np.inf


@pytest.mark.parametrize('name', [*CLASSES, 'clutter'])
def test_rasteriser_sees_what_a_ray_meets(name):
    rng = _rng(7)
    solid = build_solid(name, rng)
    eye = np.array([.4, 1.1, -2.4])
    camera = Camera.looking(eye, np.array([0., .4, 0.]), .1, 60., (64, 48))
    buffers = Buffers(camera)
    buffers.add(solid.mesh, solid.turn, 1., solid.shift)
    points = solid.mesh.points @ solid.turn.T + solid.shift
    assert abs(points[:, 1].min()) < 1e-9  # stands on the ground
    corners = points[solid.mesh.faces]
    rays = camera.rays().astype(float)
    hits, edges = 0, 0
    for row in range(1, 47, 3):
        for column in range(1, 63, 3):
            seen = float(buffers.depth[row, column])
            assert np.isfinite(seen) == (buffers.owner[row, column] == 0)
            truth = _cast(rays[row, column], eye, corners)
            if truth == seen or abs(truth - seen) < .01:
                hits += np.isfinite(seen)
                continue
            # OpenCV paints up to a pixel over an edge: then a neighbour has
            # the triangle, at about that depth
            around = np.array([
                _cast(rays[row + r, column + c], eye, corners)
                for r in (-1, 0, 1) for c in (-1, 0, 1)
            ])
            around = around[np.isfinite(around)]
            assert around.min() - .3 < seen < around.max() + .3
            edges += 1
    assert hits > 5 and edges < hits


def test_surface_of_a_ball_is_round():
    rng = _rng(1)
    camera = Camera.looking(np.array([0., 1., -3.]), np.array([0., .5, 0.]),
                            0., 80., (64, 64))
    buffers = Buffers(camera)
    middles = [np.array([-.6, .5, 0.]), np.array([.6, 1., .5])]
    for middle, size in zip(middles, (1., 2.)):
        ball = build_solid('ball', rng)
        shift = ball.shift * size + middle - [0., size / 2, 0.]
        buffers.add(ball.mesh, ball.turn, size, shift)
    rows, columns = np.nonzero(buffers.owner >= 0)
    surface = buffers.surface(rows, columns)
    assert set(surface.owner) == {0, 1}
    away = surface.point - np.array(middles)[surface.owner]
    radius = np.linalg.norm(away, axis=1)
    # a ball of flat triangles, and a little off at the edges
    expected = np.array([.5, 1.])[surface.owner]
    np.testing.assert_allclose(radius, expected, rtol=.15)
    assert np.abs(radius / expected - 1).mean() < .02
    cosine = (surface.normal * away).sum(1) / radius
    assert np.quantile(cosine, .1) > .97 and cosine.mean() > .97


def test_own_coordinates_undo_the_pose():
    solid = build_solid('house', _rng(4))
    placed = Placed('house', solid, [], 1.7, np.array([.3, 0., -2.]))
    turn, scale, shift = placed.pose
    scene = solid.mesh.points @ turn.T * scale + shift
    np.testing.assert_allclose(
        placed.own(scene.astype(np.float32)), solid.mesh.points, atol=1e-5)
    assert abs(scene[:, 1].min()) < 1e-9


@pytest.mark.parametrize(
    'pattern', sorted({*SOLID_PATTERNS, *FLOOR_PATTERNS, *WALL_PATTERNS}))
def test_textures_blend_their_two_colours(pattern):
    texture = random_texture(_rng(2), (pattern, ), (3., 4.), flat=True)
    points = _rng(3).uniform(-1, 1, (4000, 3)).astype(np.float32)
    points[:, 2] = 0
    share = texture.blend(points, .002)
    assert share.shape == (4000, ) and share.min() >= -.2 and share.max() < 1.1
    # plain has one colour, all others show both
    assert (share.std() < 1e-6) == (pattern == 'plain')
    colours = texture(points, np.full(4000, .002, np.float32))
    assert colours.shape == (4000, 3) and np.isfinite(colours).all()


def test_unknown_pattern_is_an_error():
    texture = random_texture(_rng(), ('paisley', ), (1., 2.))
    with pytest.raises(ValueError, match='paisley'):
        texture.blend(np.zeros((1, 3), np.float32), 0.)
