# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmregioncl.visualization import region_matching as matching


def unit_map(channels: int, rows: int, columns: int) -> Tensor:
    return torch.nn.functional.normalize(
        torch.randn(channels, rows, columns), dim=0)


def slow_region_feature(features: Tensor, box: tuple) -> Tensor:
    """The average over a fine grid of points in the box."""
    x, y, w, h = box
    _, rows, columns = features.shape
    total = torch.zeros(len(features))
    fine = 200
    for i in range(fine):
        for j in range(fine):
            at_x = min(x + w * (i + .5) / fine, 1 - 1e-6)
            at_y = min(y + h * (j + .5) / fine, 1 - 1e-6)
            total += features[:, int(at_y * rows), int(at_x * columns)]
    return total / total.norm()


@pytest.mark.parametrize('box', [(.13, .2, .5, .31), (0., 0., 1., 1.),
                                 (.7, .9, .05, .1)])
def test_region_feature(box: tuple) -> None:
    features = unit_map(6, 4, 5)
    torch.testing.assert_close(
        matching.region_feature(features, box),
        slow_region_feature(features, box),
        atol=0.02,
        rtol=0)


def test_a_point_is_its_cell() -> None:
    features = unit_map(6, 4, 5)
    for x, y, row, column in ((.5, .5, 2, 2), (0., .99, 3, 0), (1., 1., 3, 4)):
        torch.testing.assert_close(
            matching.region_feature(features, (x, y, 0., 0.)),
            features[:, row, column])


@pytest.mark.parametrize('box', [(-.1, 0., .2, .2), (.9, 0., .2, .2),
                                 (.1, .9, .1, .2)])
def test_a_box_that_leaves_the_image(box: tuple) -> None:
    with pytest.raises(ValueError, match='leaves the image; x, y, w, h are'):
        matching.region_feature(unit_map(2, 3, 3), box)


def test_similarity_and_best_place() -> None:
    features = unit_map(8, 3, 4)
    similarity = matching.similarity_map(features[:, 2, 1], features)
    assert similarity.shape == (3, 4)
    for row in range(3):
        for column in range(4):
            assert similarity[row, column].item() == pytest.approx(
                float(features[:, 2, 1] @ features[:, row, column]), abs=1e-6)
    assert matching.best_place(similarity) == (1.5 / 4, 2.5 / 3)


def test_second_view_knows_what_is_where() -> None:
    """A bright dot is found where the view says that it is."""
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        x, y = .3 + .05 * seed, .62 - .03 * seed
        image = torch.full((3, 100, 100), 40, dtype=torch.uint8)
        row, column = round(y * 100), round(x * 100)
        image[:, row - 1:row + 2, column - 1:column + 2] = 255
        view = matching.draw_second_view(image, generator)
        assert view.image.shape == image.shape
        assert view.image.dtype == torch.uint8
        where = view.where(x + .005, y + .005)
        if not all(.05 < each < .95 for each in where):
            continue
        bright = view.image.float().sum(0)
        found = divmod(int(bright.argmax()), 100)
        assert abs(found[1] / 100 - where[0]) < .03
        assert abs(found[0] / 100 - where[1]) < .03


def test_share_found() -> None:
    """All cells find themselves, none in noise, and only what is seen."""
    features = unit_map(64, 6, 6)
    whole = matching.SecondView(torch.zeros(3, 1, 1), (0., 0., 1., 1.), False)
    assert matching.share_found(features, features, whole) == 1
    mirrored = whole._replace(flipped=True)
    assert matching.share_found(features, features.flip(2), mirrored) == 1
    assert matching.share_found(features, features, mirrored) < .5
    assert matching.share_found(features, unit_map(64, 6, 6), whole) < .6
    # the right half alone: cells of the left one do not count
    half = matching.SecondView(torch.zeros(3, 1, 1), (.5, 0., .5, 1.), False)
    assert matching.share_found(features, features[:, :, 3:], half) == 1
