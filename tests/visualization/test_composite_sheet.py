# Copyright (c) mmregioncl contributors. All rights reserved.
"""Each outline is where it should be, and the right one."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mmregioncl.core import SwappedRegions, swap_regions
from mmregioncl.visualization import (CANVAS, PASTE, draw_composites,
                                      figure_image)


def batch(num: int = 4) -> tuple[Any, Any, SwappedRegions]:
    images = torch.randint(0, 256, (num, 3, 16, 24), dtype=torch.uint8)
    boxes = torch.tensor([[i % 3, i % 2, 1, 1 + i % 2] for i in range(num)])
    boxes[:, 3].clamp_(max=1)
    regions = SwappedRegions(boxes, torch.arange(num).roll(1), 8)
    return images, swap_regions(images, regions), regions


def outlines(ax: Any, colour: str, style: str) -> list[list[float]]:
    """Boxes in pixels, of this colour and kind of line."""
    return [[
        each.get_x() + .5,
        each.get_y() + .5,
        each.get_width(),
        each.get_height()
    ] for each in ax.patches if each.get_edgecolor() == to_rgba(colour)
            and each.get_linestyle() == style]


def test_outlines_and_names() -> None:
    images, composites, regions = batch()
    axes = draw_composites(Figure(), [('query', images), ('key', images)],
                           composites, regions)
    assert axes.shape == (3, 4)
    assert [line[0].get_ylabel()
            for line in axes] == ['query', 'key', 'composite']
    for row in range(4):
        donor = int(regions.donors[row])
        box = (regions.boxes[row] * 8).tolist()
        ax = axes[2, row]
        assert outlines(ax, PASTE, '-') == [box]
        assert outlines(ax, CANVAS, '-') == [[0, 0, 24, 16]]
        assert ax.get_xlabel() == f'{row + 1} with a part of {donor + 1}'
        # the giver shows what it gave: the same pixels
        assert outlines(axes[0, donor], PASTE, '--') == [box]
        assert not axes[1, donor].patches
        shown = ax.images[0].get_array()
        x, y, w, h = box
        np.testing.assert_array_equal(
            shown[y:y + h, x:x + w],
            axes[0, donor].images[0].get_array()[y:y + h, x:x + w])


def test_a_few_with_their_donors() -> None:
    images, composites, _ = batch(6)
    regions = SwappedRegions(
        torch.tensor([[0, 0, 1, 1]] * 6),
        torch.arange(6).flip(0), 8)
    axes = draw_composites(Figure(), [('view', images)], composites, regions,
                           4)
    assert [ax.get_title() for ax in axes[0]] == ['1', '2', '5', '6']
    assert [ax.get_xlabel() for ax in axes[1]] == [
        '1 with a part of 6', '2 with a part of 5', '5 with a part of 2',
        '6 with a part of 1'
    ]
    np.testing.assert_array_equal(axes[1, 2].images[0].get_array(),
                                  composites[4].permute(1, 2, 0).numpy())


def test_pasted_elsewhere_than_pooled() -> None:
    images, composites, regions = batch()
    pasted = regions.boxes * 8
    pasted[1, 0] += 5
    axes = draw_composites(
        Figure(), [('view', images)], composites, regions, pasted=pasted)
    assert outlines(axes[1, 1], 'white', ':') == [pasted[1].tolist()]
    assert outlines(axes[0, 0], PASTE, '--') == [pasted[1].tolist()]
    assert not outlines(axes[1, 2], 'white', ':')


def test_figure_image() -> None:
    figure = Figure(figsize=(2, 1), dpi=50, facecolor='lime')
    image = figure_image(figure)
    assert image.shape == (50, 100, 3) and image.dtype == np.uint8
    assert (image == [0, 255, 0]).all()
