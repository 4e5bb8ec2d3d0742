# Copyright (c) mmregioncl contributors. All rights reserved.
"""The registered transform that turns a batch into composites."""
from __future__ import annotations

import torch
from mmcv.transforms import BaseTransform
from mmengine.dist import get_rank
from mmselfsup.registry import TRANSFORMS
from torch import Tensor

from mmregioncl.core import (SwappedRegions, pair_flip, pair_random,
                             paste_boxes, sample_grid, sample_legacy,
                             swap_regions)


@TRANSFORMS.register_module()
class RegionSwap(BaseTransform):
    """Swap one region between the images of a batch.

    RegionCL (https://arxiv.org/abs/2111.12309). It works on a batch, after
    the views are finished and normalised, and is therefore a part of the
    algorithm (``model.region_swap``), not of a data pipeline.

    Args:
        stride (int): Pixels per feature cell of the backbone's last stage.
            Defaults to 32, that of ResNet.
        cells (tuple[int, int]): Smallest and largest side of the box in
            cells, both included. Defaults to (3, 5), of 7 at 224 px (the
            authors' cutMixLower=3 and cutMixUpper=6, excluded).
        sampler (str): ``'grid'``: every start that fits, aligned to the
            cells. ``'legacy'``: the authors' distribution, of which 87 % is
            not aligned: it pastes at their pixel box, and the boxes returned
            hold the cells that they pool. Defaults to ``'grid'``.
        scope (str): ``'batch'``: one box for the whole batch, as the authors
            do. ``'image'``: a box for each composite. Defaults to
            ``'batch'``.
        pairing (str): ``'flip'``: image i gives to image N-1-i, as the
            authors do. ``'random'``: any permutation without fixed points.
            Defaults to ``'flip'``.

    Attributes:
        last_regions (SwappedRegions | None): What was swapped last, for
            those who watch a run.
        last_grid (tuple[int, int]): Rows and columns of cells then.
        rank (int | None): Whose boxes are drawn; None for those of this
            process. For who repeats a step of another one.

    Raises:
        ValueError: If a setting is out of its range.
    """

    last_regions: SwappedRegions | None = None
    last_grid = (0, 0)
    rank: int | None = None

    def __init__(self,
                 stride: int = 32,
                 cells: tuple[int, int] = (3, 5),
                 sampler: str = 'grid',
                 scope: str = 'batch',
                 pairing: str = 'flip') -> None:
        for name, value, choices in (('sampler', sampler, ('grid', 'legacy')),
                                     ('scope', scope, ('batch', 'image')),
                                     ('pairing', pairing, ('flip', 'random'))):
            if value not in choices:
                raise ValueError(f'region_swap.{name} must be one of '
                                 f'{choices}, got {value!r}')
        if not isinstance(stride, int) or stride < 1:
            raise ValueError('region_swap.stride must be a positive number of '
                             f'pixels, got {stride!r}')
        if (not isinstance(cells, (tuple, list)) or len(cells) != 2
                or not all(isinstance(side, int) for side in cells)
                or not 1 <= cells[0] <= cells[1]):
            raise ValueError(
                'region_swap.cells must be (smallest, largest) side in cells '
                f'with 1 <= smallest <= largest, got {cells!r}')
        self.stride = stride
        self.cells = (cells[0], cells[1])
        self.sampler = sampler
        self.scope = scope
        self.pairing = pairing

    def transform(self, images: Tensor) -> tuple[Tensor, SwappedRegions]:
        """Draw boxes and donors, and paste.

        Args:
            images (Tensor): One view of a batch, on any device.

        Returns:
            tuple[Tensor, SwappedRegions]: Composites of shape (N, C, H, W)
            and what was pasted where, on the device of the images.

        Raises:
            ValueError: If there are fewer than two images, if the image size
                is no multiple of the stride, if the largest box leaves no
                canvas, or if this is no batch at all.
        """
        num, rows, columns = self.check(images)
        generator = self._generator()
        boxes_drawn = num if self.scope == 'image' else 1
        if self.sampler == 'grid':
            boxes = sample_grid(boxes_drawn, rows, columns, self.cells,
                                generator)
        else:
            height, width = images.shape[-2:]
            pasted, boxes = sample_legacy(boxes_drawn, height, width,
                                          self.stride, self.cells, generator)
        if self.pairing == 'flip':
            donors = pair_flip(num)
        else:
            donors = pair_random(num, generator)
        regions = SwappedRegions(boxes.expand(num, 4), donors,
                                 self.stride).to(images.device)
        self.last_regions, self.last_grid = regions, (rows, columns)
        if self.sampler == 'grid':
            return swap_regions(images, regions), regions
        composites = paste_boxes(images, pasted.expand(num, 4), regions.donors)
        return composites, regions

    def check(self, images: Tensor) -> tuple[int, int, int]:
        """Raise ValueError unless this batch can be swapped.

        Returns:
            tuple[int, int, int]: Number of images, rows and columns of cells.
        """
        if not isinstance(images, Tensor) or images.ndim != 4:
            raise ValueError(
                'RegionSwap takes a batch of shape (N, C, H, W), got '
                f'{type(images).__name__}. It swaps between images and has no '
                'place in a per-image pipeline: take it out of train_pipeline '
                'and set model.region_swap=dict(...)')
        num, _, height, width = images.shape
        if num < 2:
            raise ValueError(
                'RegionSwap needs at least two images to swap between, got a '
                'batch of one; set train_dataloader.batch_size to 2 or more '
                'and drop_last=True')
        stride, largest = self.stride, self.cells[1]
        if height % stride or width % stride:
            raise ValueError(
                f'an image of {height} x {width} pixels is no multiple of '
                f'region_swap.stride={stride}; change the size of '
                'RandomResizedCrop or the stride')
        rows, columns = height // stride, width // stride
        # The authors' clamp needs one pixel beyond the box, hence the >=.
        legacy = self.sampler == 'legacy'
        if (largest > min(rows, columns) or largest == rows == columns
                or legacy and largest >= min(rows, columns)):
            raise ValueError(
                f'region_swap.cells={self.cells} does not fit an image of '
                f'{height} x {width} pixels, that is {rows} x {columns} cells '
                f'of stride {stride}, with sampler={self.sampler!r}: the '
                'largest box would leave no canvas; use smaller cells, larger '
                'images or a smaller stride')
        return num, rows, columns

    def _generator(self) -> torch.Generator:
        """A random stream that follows torch's seed, and differs by rank.

        MMEngine seeds all ranks alike. One number from the common stream,
        plus the rank, gives each rank boxes of its own that repeat from the
        seed; and as nothing is kept here, a resumed run needs torch's random
        state only.
        """
        seed = int(torch.randint(2**62, ()))
        rank = get_rank() if self.rank is None else self.rank
        return torch.Generator().manual_seed(seed + rank)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(stride={self.stride}, '
                f'cells={self.cells}, sampler={self.sampler!r}, '
                f'scope={self.scope!r}, pairing={self.pairing!r})')
