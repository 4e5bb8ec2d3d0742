# Copyright (c) mmregioncl contributors. All rights reserved.
"""What a run is fed, straight from its config."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import FUNCTIONS
from mmselfsup.registry import DATASETS, MODELS
from torch import Tensor

from mmregioncl.core import SwappedRegions
from mmregioncl.models.algorithms.region_parts import region_parts
from .pixels import to_pixels


@dataclass(frozen=True)
class Composites:
    """Composites as pixels, and what is where in them.

    Args:
        images (Tensor): RGB, uint8. Shape (N, 3, H, W).
        regions (SwappedRegions): What is pooled as paste, and whose it is.
        pasted (Tensor): Box of the donor's pixels, ``x, y, w, h``. Shape
            (N, 4), long. The legacy sampler pastes elsewhere than is pooled.
    """

    images: Tensor
    regions: SwappedRegions
    pasted: Tensor


class TrainingViews:
    """The images of a training config, as views and as composites.

    Args:
        cfg (Config): A pretraining config.

    Raises:
        ValueError: If there are fewer than two images, or regions cannot be
            swapped as the config says.
    """

    def __init__(self, cfg: Config) -> None:
        self._regions = None
        if cfg.model.get('region_swap') is not None:
            self._regions = region_parts(cfg.model.region_swap,
                                         cfg.model.get('region_budget'))
        self.dataset = DATASETS.build(cfg.train_dataloader.dataset)
        if len(self.dataset) < 2:
            raise ValueError('train_dataloader.dataset holds '
                             f'{len(self.dataset)} image(s); two are needed')
        collate = cfg.train_dataloader.get('collate_fn')
        self._collate = FUNCTIONS.get(
            collate.type if collate else 'default_collate')
        self._preprocessor: Any = MODELS.build({
            'type':
            'SelfSupDataPreprocessor',
            **cfg.model.get('data_preprocessor', {})
        })

    def views(self, picks: list[int]) -> list[Tensor]:
        """Views of some images, as the network gets them.

        Args:
            picks (list[int]): Numbers of the images in the data set.

        Returns:
            list[Tensor]: One per view, RGB, (N, 3, H, W), uint8.
        """
        batch = self._collate([self.dataset[i] for i in picks])
        views, _ = self._preprocessor(batch, True)
        return [to_pixels(view, self._preprocessor) for view in views]

    def composites(self, view: Tensor) -> Composites:
        """Swap regions in a view, as the algorithm does.

        Args:
            view (Tensor): RGB, (N, 3, H, W), uint8.

        Returns:
            Composites: What came of it, at the size of the region budget.

        Raises:
            ValueError: If the config has no ``model.region_swap``.
        """
        if self._regions is None:
            raise ValueError('the config swaps no regions: it sets no '
                             'model.region_swap')
        swap, budget = self._regions
        view = budget.shrunk(view.float()).round().byte()
        num, _, height, width = view.shape
        # a fourth channel, the image's number, tells whose each pixel is
        numbers = torch.arange(num).view(num, 1, 1, 1)
        marked = torch.cat(
            (view.long(), numbers.expand(num, 1, height, width)), dim=1)
        composites, regions = swap(marked)
        pasted = bounding_boxes(composites[:, 3] != numbers[:, 0])
        return Composites(composites[:, :3].byte(), regions, pasted)


def bounding_boxes(masks: Tensor) -> Tensor:
    """The smallest box around what is True, none of them empty.

    Args:
        masks (Tensor): Shape (N, H, W), bool.

    Returns:
        Tensor: ``x, y, w, h`` in pixels. Shape (N, 4), long.

    Example:
        >>> bounding_boxes(torch.tensor([[[0, 0, 0], [0, 1, 1]]]) > 0)
        tensor([[1, 1, 2, 1]])
    """
    sides = []
    for axis in (1, 2):  # columns, then rows
        hit = masks.any(axis).byte()  # (N, W), (N, H)
        first = hit.argmax(1)
        sides.append((first, hit.shape[1] - hit.flip(1).argmax(1) - first))
    (x, w), (y, h) = sides
    return torch.stack((x, y, w, h), dim=1)


def spread(images: int, count: int, start: int = 0) -> list[int]:
    """Numbers of images that are spread evenly over a data set.

    Args:
        images (int): How many there are.
        count (int): How many to take.
        start (int): Shifts all of them. Defaults to 0.

    Returns:
        list[int]: Each between 0 and ``images``, excluded.

    Example:
        >>> spread(100, 4)
        [0, 25, 50, 75]
    """
    return [(start + i * images // count) % images for i in range(count)]
