# Copyright (c) mmregioncl contributors. All rights reserved.
"""Rows of images: views above, their composites below."""
from __future__ import annotations

from typing import Sequence

import numpy as np
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from mmregioncl.core import SwappedRegions
from .outlines import PASTE, outline_box, outline_composite, show_image


def draw_views(figure: Figure | SubFigure,
               rows: Sequence[tuple[str, Tensor]]) -> np.ndarray:
    """One row of images per name, one column per image.

    Args:
        figure (Figure | SubFigure): Where; empty.
        rows (Sequence[tuple[str, Tensor]]): Names and images, uint8.

    Returns:
        np.ndarray: The axes, (number of rows, N).

    Shape:
        each of rows: (N, 3, H, W)
    """
    count = len(rows[0][1])
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (name, images) in zip(axes, rows):
        for ax, image in zip(line, images):
            show_image(ax, image)
        line[0].set_ylabel(name)
    for column, ax in enumerate(axes[0]):
        ax.set_title(str(column + 1))
    return axes


def draw_composites(figure: Figure | SubFigure,
                    rows: Sequence[tuple[str, Tensor]],
                    composites: Tensor,
                    regions: SwappedRegions,
                    columns: int | None = None,
                    pasted: Tensor | None = None) -> np.ndarray:
    """Views, below them the composites of the first, with outlines.

    In the first view of an image the part that it gives away is dashed; it is
    found again in the composite that names it. Where other pixels were pasted
    than are pooled as paste, as by the legacy sampler, they are dotted.

    Args:
        figure (Figure | SubFigure): Where; empty.
        rows (Sequence[tuple[str, Tensor]]): Names and views, uint8; the first
            is the one that was swapped.
        composites (Tensor): Shape (N, 3, H, W), uint8.
        regions (SwappedRegions): What was swapped.
        columns (int, optional): How many images of the batch to show.
            Defaults to None, all.
        pasted (Tensor, optional): Boxes of the pasted pixels, (N, 4). Defaults
            to None, the boxes of the regions.

    Returns:
        np.ndarray: The axes, those of the composites last.
    """
    columns = min(columns or len(composites), len(composites))
    shown = _with_donors(regions, columns)
    rows = [(name, views[shown]) for name, views in rows]
    axes = draw_views(figure, [*rows, ('composite', composites[shown])])
    donors, pooled = regions.donors.tolist(), regions.boxes * regions.stride
    pasted = pooled if pasted is None else pasted
    for column, row in enumerate(shown):
        axes[0, column].set_title(str(row + 1))
        ax = axes[-1, column]
        size = composites.shape[-2], composites.shape[-1]
        outline_composite(ax, regions, row, size)
        ax.set_xlabel(f'{row + 1} with a part of {donors[row] + 1}')
        if pasted[row].tolist() != pooled[row].tolist():
            outline_box(ax, pasted[row], 'white', ls=':', lw=2)
        if donors[row] in shown:
            giver = axes[0, shown.index(donors[row])]
            outline_box(giver, pasted[row], PASTE, ls='--')
    return axes


def _with_donors(regions: SwappedRegions, columns: int) -> list[int]:
    """So many rows of the batch, chosen so that donors are among them."""
    chosen: list[int] = []
    donors = regions.donors.tolist()
    for row in range(len(donors)):
        for each in (row, donors[row]):
            if each not in chosen and len(chosen) < columns:
                chosen.append(each)
    return sorted(chosen)


def figure_image(figure: Figure) -> np.ndarray:
    """Pixels of a figure.

    Args:
        figure (Figure): Drawn, not shown.

    Returns:
        np.ndarray: RGB, (H, W, 3), uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
