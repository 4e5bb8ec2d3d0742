# Copyright (c) mmregioncl contributors. All rights reserved.
"""A sampler that can begin inside an epoch."""
from __future__ import annotations

import itertools
import logging
from typing import Any, Iterator

from mmengine.dataset import DefaultSampler
from mmengine.logging import print_log

from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from mmselfsup.registry import DATA_SAMPLERS  # noqa: E402


@DATA_SAMPLERS.register_module()
class ResumableSampler(DefaultSampler):
    """MMEngine's ``DefaultSampler``, in the same order, from any place on.

    It tells the data set which epoch begins: an :class:`ImageFolder` then
    draws the views of image i from (seed, epoch, i), whichever worker makes
    them and whatever was drawn before. Other data sets draw from the streams
    of the workers, which depend on their number and begin anew when a run is
    resumed.

    Args:
        args: Those of ``DefaultSampler``.
        kwargs: Those of ``DefaultSampler``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.start = 0
        if not all(hasattr(each, 'seed_views') for each in self._datasets()):
            print_log(
                f'{type(self.dataset).__name__} does not draw its views from '
                '(seed, epoch, image) as ImageFolder does: a resumed run goes '
                'on at the right image, but its views are not those of a run '
                'that was left alone',
                logger='current',
                level=logging.WARNING)

    def start_at(self, position: int) -> None:
        """Leave out the first images of each epoch; nothing loads them.

        Args:
            position (int): Number of images, of this rank.
        """
        self.start = position

    def __iter__(self) -> Iterator[int]:
        """Numbers of the images that are left, in the order of the epoch."""
        return itertools.islice(super().__iter__(), self.start, None)

    def set_epoch(self, epoch: int) -> None:
        """Choose order and views; MMEngine's DistSamplerSeedHook calls it.

        Args:
            epoch (int): Number of the epoch, from 0.
        """
        super().set_epoch(epoch)
        for each in self._datasets():
            if hasattr(each, 'seed_views'):
                each.seed_views(self.seed, epoch)

    def _datasets(self) -> list[Any]:
        # Not those of a RepeatDataset: each repetition would have the same
        # views.
        return getattr(self.dataset, 'datasets', [self.dataset])
