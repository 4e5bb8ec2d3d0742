# Copyright (c) mmregioncl contributors. All rights reserved.
"""One look for every picture: canvas blue, paste orange."""
from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from mmregioncl.core import SwappedRegions

CANVAS, PASTE = 'tab:blue', 'tab:orange'


def show_image(ax: Axes, image: Tensor) -> None:
    """Show an image without ticks.

    Args:
        ax (Axes): Where.
        image (Tensor): RGB, uint8.

    Shape:
        image: (3, H, W)
    """
    ax.imshow(image.permute(1, 2, 0).numpy())
    ax.set_xticks([])
    ax.set_yticks([])


def outline_box(ax: Axes, box: Any, colour: str, **style: Any) -> None:
    """Draw the outline of a box.

    Args:
        ax (Axes): Where.
        box (Sequence[float]): ``x, y, w, h`` in pixels.
        colour (str): Of the line.
        **style: Further arguments of matplotlib's ``Rectangle``.
    """
    x, y, w, h = map(float, box)
    # pixel i is drawn from i - 0.5 to i + 0.5
    ax.add_patch(
        Rectangle(
            (x - .5, y - .5),
            w,
            h,
            fill=False,
            ec=colour,
            clip_on=False,  # a line on the border is seen as a whole
            **{
                'lw': 2.5,
                'ls': '-',
                **style
            }))


def outline_composite(ax: Axes, regions: SwappedRegions, row: int,
                      size: tuple[int, int]) -> None:
    """Outline what counts as canvas and what counts as paste.

    Args:
        ax (Axes): Where the composite is shown.
        regions (SwappedRegions): Of its batch.
        row (int): Which composite of the batch.
        size (tuple[int, int]): Its height and width in pixels.
    """
    height, width = size
    outline_box(ax, (0, 0, width, height), CANVAS)
    outline_box(ax, regions.boxes[row] * regions.stride, PASTE)
