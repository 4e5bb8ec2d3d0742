# Copyright (c) mmregioncl contributors. All rights reserved.
"""Where the feature of a region finds its match in another feature map.

Boxes are ``x, y, w, h`` in shares of the image, so that they mean the same
in pixels and in cells.
"""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import functional

Box = tuple[float, float, float, float]


class SecondView(NamedTuple):
    """Another view of an image, of which it is known what is where.

    Args:
        image (Tensor): RGB, uint8. Shape (3, H, W).
        crop (Box): What of the image it shows.
        flipped (bool): Whether left and right changed places.
    """

    image: Tensor
    crop: Box
    flipped: bool

    def where(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the image is in this view.

        Outside of 0 to 1 it is not in the view.

        Example:
            >>> view = SecondView(torch.zeros(3, 4, 4), (.2, 0., .5, 1.), True)
            >>> view.where(.2, .5)
            (1.0, 0.5)
        """
        left, top, width, height = self.crop
        x, y = (x - left) / width, (y - top) / height
        return 1 - x if self.flipped else x, y


def draw_second_view(image: Tensor, generator: torch.Generator) -> SecondView:
    """Crop, flip and recolour an image as pretraining does.

    Args:
        image (Tensor): RGB, uint8. Shape (3, H, W).
        generator (torch.Generator): Decides.

    Returns:
        SecondView: Of the same size.
    """
    side, left, top, light, satiety, hue = torch.rand(
        6, generator=generator).tolist()
    side = .6 + .2 * side  # of both sides: a third to two thirds of the area
    crop = left * (1 - side), top * (1 - side), side, side
    height, width = image.shape[-2:]
    view = functional.resized_crop(
        image,
        round(crop[1] * height),
        round(crop[0] * width),
        round(side * height),
        round(side * width), [height, width],
        antialias=True)
    view = functional.adjust_brightness(view, .7 + .6 * light)
    view = functional.adjust_saturation(view, .7 + .6 * satiety)
    view = functional.adjust_hue(view, .1 * (hue - .5))
    return SecondView(functional.hflip(view), crop, True)


def region_feature(features: Tensor, box: Box) -> Tensor:
    """Average of the features in a box, by the share of each cell in it.

    Args:
        features (Tensor): Unit length in each cell. Shape (C, h, w).
        box (Box): A width or height of 0 makes it a point: its cell.

    Returns:
        Tensor: Of unit length. Shape (C, ).

    Raises:
        ValueError: If the box is not within the image.

    Example:
        >>> region_feature(torch.eye(2)[:, None], (0., 0., .4, 1.))
        tensor([1., 0.])
    """
    x, y, w, h = box
    if min(box) < 0 or x + w > 1 or y + h > 1:
        raise ValueError(f'the box {box} leaves the image; x, y, w, h are '
                         'shares of it, from 0 to 1')
    rows = _overlap(y, h, features.shape[1])
    columns = _overlap(x, w, features.shape[2])
    mean = torch.einsum('chw,h,w->c', features, rows, columns)
    return torch.nn.functional.normalize(mean, dim=0)


def _overlap(start: float, length: float, cells: int) -> Tensor:
    """How much of each cell along an axis lies in the interval."""
    low, high = start * cells, (start + length) * cells
    edges = torch.arange(cells, dtype=torch.float)
    if length == 0:
        return (edges == min(int(low), cells - 1)).float()
    inside = (edges + 1).clamp(max=high) - edges.clamp(min=low)
    return inside.clamp(min=0)


def similarity_map(feature: Tensor, features: Tensor) -> Tensor:
    """Cosine of a feature with each cell of a map.

    Shape:
        feature: (C, ), features: (C, h, w) -> (h, w)
    """
    return torch.einsum('c,chw->hw', feature, features)


def best_place(similarity: Tensor) -> tuple[float, float]:
    """Middle of the most similar cell, in shares of the image.

    Example:
        >>> best_place(torch.tensor([[0., 1.], [0., 0.]]))
        (0.75, 0.25)
    """
    row, column = divmod(int(similarity.argmax()), similarity.shape[1])
    return ((column + .5) / similarity.shape[1],
            (row + .5) / similarity.shape[0])


def share_found(features: Tensor, other: Tensor, view: SecondView) -> float:
    """Share of cells that find their place in the second view.

    Every cell of the image whose middle the view shows looks for the most
    similar cell there. It is found within one cell along both axes.

    Args:
        features (Tensor): Of the image. Shape (C, h, w).
        other (Tensor): Of the view. Shape (C, h', w').
        view (SecondView): Knows the truth.

    Returns:
        float: From 0 to 1.
    """
    found = total = 0
    rows, columns = features.shape[1:]
    for row in range(rows):
        for column in range(columns):
            x, y = view.where((column + .5) / columns, (row + .5) / rows)
            if not (0 <= x <= 1 and 0 <= y <= 1):
                continue
            match = best_place(similarity_map(features[:, row, column], other))
            total += 1
            found += (
                abs(match[0] - x) * other.shape[2] <= 1
                and abs(match[1] - y) * other.shape[1] <= 1)
    return found / max(total, 1)
