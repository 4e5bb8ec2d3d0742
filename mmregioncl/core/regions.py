# Copyright (c) mmregioncl contributors. All rights reserved.
"""Swap one region between the images of a batch, and pool what was swapped.

RegionCL (https://arxiv.org/abs/2111.12309). With ``M`` = 1 inside the box of
composite ``i`` and ``pi(i)`` its donor::

    composite_i = (1 - M) * image_i + M * image_pi(i)
    canvas_i    = mean of the composite's features where M = 0
    paste_i     = mean of the composite's features where M = 1

so that ``canvas_i`` belongs to image ``i`` and ``paste_i`` to image
``pi(i)``. Everything stays in the order of the composites, which is right for
any pairing; the authors' order is right for involutions only.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SwappedRegions:
    """What was pasted where, for a batch of N composites.

    Args:
        boxes (Tensor): Box of each composite, ``x, y, w, h`` in feature
            cells. Shape (N, 4), long.
        donors (Tensor): Composite ``i`` is the canvas of image ``i`` plus the
            paste of image ``donors[i]``. Shape (N, ), long. A permutation
            without fixed points.
        stride (int): Pixels per feature cell, along both axes.

    Raises:
        ValueError: If a shape, a dtype or the stride is wrong.

    Example:
        >>> regions = SwappedRegions(
        ...     boxes=torch.tensor([[0, 0, 1, 1], [1, 0, 1, 2]]),
        ...     donors=torch.tensor([1, 0]), stride=4)
        >>> len(regions)
        2
    """
    boxes: Tensor
    donors: Tensor
    stride: int

    def __post_init__(self) -> None:
        num = self.donors.numel()
        if self.donors.shape != (num, ) or self.boxes.shape != (num, 4):
            raise ValueError(
                'SwappedRegions takes boxes (N, 4) and donors (N, ), got '
                f'{tuple(self.boxes.shape)} and {tuple(self.donors.shape)}')
        for name in ('boxes', 'donors'):
            dtype = getattr(self, name).dtype
            if dtype != torch.long:
                raise ValueError(f'SwappedRegions.{name} must be torch.long, '
                                 f'got {dtype}')
        if self.stride < 1:
            raise ValueError(
                f'SwappedRegions.stride must be positive, got {self.stride}')

    def __len__(self) -> int:
        return self.donors.numel()

    def to(self, device: torch.device | str) -> SwappedRegions:
        """Copy to a device, without waiting for it."""
        return SwappedRegions(
            self.boxes.to(device, non_blocking=True),
            self.donors.to(device, non_blocking=True), self.stride)


def swap_regions(images: Tensor, regions: SwappedRegions) -> Tensor:
    """Paste into each image the box of its donor, at the same place.

    Args:
        images (Tensor): Views of one batch, of any dtype.
        regions (SwappedRegions): Boxes in cells; pixels follow from the
            stride.

    Returns:
        Tensor: The composites; ``images`` stay as they are.

    Shape:
        (N, C, H, W) -> (N, C, H, W)

    Raises:
        ValueError: If H or W is no multiple of the stride or N differs; for
            boxes and donors on the CPU also if a box leaves the image, or
            leaves no canvas or no paste, or a donor is out of range or the
            image itself. (On an accelerator reading them would cost a
            synchronisation in every step; RegionSwap never draws such.)

    Example:
        >>> images = torch.arange(2.).view(2, 1, 1, 1).expand(2, 1, 1, 2)
        >>> regions = SwappedRegions(
        ...     torch.tensor([[0, 0, 1, 1]] * 2), torch.tensor([1, 0]), 1)
        >>> swap_regions(images, regions).flatten(1)
        tensor([[1., 0.],
                [0., 1.]])
    """
    height, width = images.shape[-2:]
    stride = regions.stride
    if height % stride or width % stride:
        raise ValueError(
            f'an image of {height} x {width} pixels is no multiple of the '
            f'stride {stride}; crop the views to a multiple of {stride}')
    check_regions(regions, len(images), height // stride, width // stride)
    return paste_boxes(images, regions.boxes * stride, regions.donors)


def paste_boxes(images: Tensor, boxes: Tensor, donors: Tensor) -> Tensor:
    """Paste boxes given in pixels.

    Args:
        images (Tensor): Shape (N, C, H, W).
        boxes (Tensor): ``x, y, w, h`` in pixels. Shape (N, 4), long.
        donors (Tensor): Shape (N, ), long.

    Returns:
        Tensor: The composites, shape (N, C, H, W).
    """
    height, width = images.shape[-2:]
    boxes = boxes.to(images.device, non_blocking=True)
    donors = donors.to(images.device, non_blocking=True)
    inside = box_masks(boxes, height, width)  # (N, H, W)
    return torch.where(inside[:, None], images[donors], images)


def box_masks(boxes: Tensor, height: int, width: int) -> Tensor:
    """True inside each box.

    Args:
        boxes (Tensor): ``x, y, w, h`` in the unit of the grid. Shape (N, 4).
        height (int): Height of the grid.
        width (int): Width of the grid.

    Returns:
        Tensor: Shape (N, height, width), bool.
    """
    x, y, w, h = boxes[:, :, None].unbind(1)  # 4 x (N, 1)
    rows = torch.arange(height, device=boxes.device)  # (H, )
    columns = torch.arange(width, device=boxes.device)  # (W, )
    in_rows = (rows >= y) & (rows < y + h)  # (N, H)
    in_columns = (columns >= x) & (columns < x + w)  # (N, W)
    return in_rows[:, :, None] & in_columns[:, None, :]


def pool_regions(features: Tensor,
                 regions: SwappedRegions) -> tuple[Tensor, Tensor]:
    """Average the features of each composite over canvas and paste.

    One batched product with two 0/1 rows per composite gives both sums; the
    division by the areas is in fp32 under autocast too.

    Args:
        features (Tensor): Feature maps of the composites.
        regions (SwappedRegions): As :func:`swap_regions` took them.

    Returns:
        tuple[Tensor, Tensor]: ``canvas`` and ``paste``, in the order of the
        composites: ``canvas[i]`` belongs to image ``i``, ``paste[i]`` to
        image ``donors[i]``.

    Shape:
        (N, C, h, w) -> (N, C), (N, C)

    Raises:
        ValueError: As for :func:`swap_regions`, for the grid of the features.

    Example:
        >>> features = torch.tensor([[[[1., 2., 3.]]]] * 2)
        >>> regions = SwappedRegions(
        ...     torch.tensor([[0, 0, 1, 1]] * 2), torch.tensor([1, 0]), 32)
        >>> pool_regions(features, regions)[0].flatten()
        tensor([2.5000, 2.5000])
    """
    height, width = features.shape[-2:]
    check_regions(regions, len(features), height, width)
    boxes = regions.boxes.to(features.device, non_blocking=True)
    paste = box_masks(boxes, height, width).flatten(1)  # (N, h*w)
    cells = torch.stack((~paste, paste), dim=2)  # (N, h*w, 2)
    areas = cells.sum(1)  # (N, 2)
    sums = torch.bmm(features.flatten(2), cells.to(features.dtype))
    exact = torch.promote_types(sums.dtype, torch.float32)
    canvas_mean, paste_mean = (sums.to(exact) / areas[:, None]).unbind(2)
    return canvas_mean, paste_mean  # 2 x (N, C)


def check_regions(regions: SwappedRegions, num: int, height: int,
                  width: int) -> None:
    """Raise ValueError unless the regions fit ``num`` grids of this size.

    Args:
        regions (SwappedRegions): What to check.
        num (int): Number of images.
        height (int): Height of the grid in feature cells.
        width (int): Width of the grid in feature cells.
    """
    if len(regions) != num:
        raise ValueError(f'regions of {len(regions)} composites do not go '
                         f'with a batch of {num}')
    if regions.boxes.device.type == 'cpu':
        x, y, w, h = regions.boxes.unbind(1)
        fits = ((x >= 0) & (y >= 0) & (w >= 1) & (h >= 1) & (x + w <= width)
                & (y + h <= height) & (w * h < height * width))
        if not fits.all():
            box = regions.boxes[~fits][0].tolist()
            raise ValueError(
                f'the box (x, y, w, h) = {box} leaves no canvas, no paste or '
                f'the grid of {height} x {width} cells; choose smaller cells, '
                'larger images or a smaller stride')
    if regions.donors.device.type == 'cpu':
        itself = torch.arange(num)
        if not torch.equal(regions.donors.sort().values, itself):
            raise ValueError('donors must be a permutation of the batch, got '
                             f'{regions.donors.tolist()}')
        if (regions.donors == itself).any():
            raise ValueError('an image cannot be its own donor, got '
                             f'{regions.donors.tolist()}')
