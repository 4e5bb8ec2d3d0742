# Copyright (c) mmregioncl contributors. All rights reserved.
"""Masks as polygons, the way COCO's annotations hold them."""
from __future__ import annotations

import cv2
import numpy as np


def mask_polygons(mask: np.ndarray) -> list[list[float]]:
    """Outline a mask along the edges of its pixels.

    COCO's polygons have no holes: a piece with a hole is cut in two through
    the hole.

    Args:
        mask (np.ndarray): (H, W) bool.

    Returns:
        list[list[float]]: Polygons ``x0, y0, x1, y1, ...`` in pixels, pixel 0
        reaching from 0 to 1. Together they cover the mask and nothing else.
    """
    count, pieces = cv2.connectedComponents(
        mask.astype(np.uint8), connectivity=4)
    found = []
    for number in range(1, count):
        found += _piece_polygons(pieces == number)
    return found


def _piece_polygons(piece: np.ndarray) -> list[list[float]]:
    # Three times as large, the outline through the middles of the outermost
    # pixels runs 1/6 pixel inside the edge, which rounds to the right pixels.
    large = np.repeat(np.repeat(piece.astype(np.uint8), 3, 0), 3, 1)
    outlines, tree = cv2.findContours(large, cv2.RETR_CCOMP,
                                      cv2.CHAIN_APPROX_SIMPLE)
    holes = [
        o for o, (_, _, _, around) in zip(outlines, tree[0]) if around >= 0
    ]
    if not holes:
        points = (outlines[0][:, 0] + .5) / 3  # (K, 2)
        return [[round(float(v), 3) for v in points.ravel()]]
    x, _, width, _ = cv2.boundingRect(holes[0])
    cut = (x + width // 2) // 3
    left, right = piece.copy(), piece.copy()
    left[:, cut:], right[:, :cut] = False, False
    return mask_polygons(left) + mask_polygons(right)
