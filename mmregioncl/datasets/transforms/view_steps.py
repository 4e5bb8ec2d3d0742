# Copyright (c) mmregioncl contributors. All rights reserved.
"""What is still to be done to a view after its crop, as a row of numbers.

The numbers are drawn where the image is loaded, by MMSelfSup's own transforms
and in their order: with the same seed they are those that the stock pipeline
draws. What they ask for is done later, to a batch on the device.
"""
from __future__ import annotations

import random
from typing import Any, Callable, Iterator, Sequence

import numpy as np
from mmcv.transforms import RandomApply, RandomFlip, RandomGrayscale
from mmselfsup.datasets.transforms import ColorJitter, RandomGaussianBlur

# The columns. Which adjustment comes first, second, third and fourth: 0
# brightness, 1 contrast, 2 saturation, 3 hue, -1 none; and their factors.
ORDER, FACTORS = slice(0, 4), slice(4, 8)
# Shares of R, G and B in the grey that replaces them; 0, 0, 0: stays coloured.
GREY = slice(8, 11)
SIGMA = 11  # of the blur in pixels; 0: none
FLIP = 12  # 1: mirrored left to right
COLUMNS = 13

# The device keeps to this order; a flip fits anywhere.
_IN_ORDER = (ColorJitter, RandomGrayscale, RandomGaussianBlur)


class ViewSteps:
    """Draws the steps that finish a view.

    Args:
        transforms (Sequence): MMSelfSup's transforms, built: ColorJitter,
            RandomGrayscale, RandomGaussianBlur (in this order) and RandomFlip,
            each within RandomApply or not. Any of them may be missing.

    Raises:
        ValueError: If there is another transform, another order, or a
            setting that is not supported.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.transforms = list(transforms)
        flat = list(_flattened(self.transforms))
        for each in flat:
            _check(each)
        ranks = [
            _IN_ORDER.index(type(each)) for each in flat
            if type(each) in _IN_ORDER
        ]
        if ranks != sorted(set(ranks)):
            raise ValueError(
                'LoadViews.transforms has '
                f'{[type(each).__name__ for each in flat]}; on the device '
                'come ColorJitter, RandomGrayscale, RandomGaussianBlur, in '
                f'this order and each at most once. {_CURE}')

    def draw(self) -> list[float]:
        """Draw the steps of one view.

        Returns:
            list[float]: COLUMNS numbers.
        """
        row = [-1.] * 4 + [0.] * (COLUMNS - 4)
        for transform in self.transforms:
            _draw(transform, row)
        return row


_CURE = ('Or take MMSelfSup\'s pipeline of LoadImageFromFile and MultiView '
         'instead of LoadViews')


def _flattened(transforms: Sequence[Any]) -> Iterator[Any]:
    for each in transforms:
        if type(each) is RandomApply:
            yield from _flattened(each.transforms.transforms)
        else:
            yield each


def _check(transform: Any) -> None:
    name = type(transform).__name__
    if type(transform) not in (*_IN_ORDER, RandomFlip):
        raise ValueError(
            f'LoadViews.transforms has {name}, which is not one of those '
            'that are done on the device: ColorJitter, RandomGrayscale, '
            f'RandomGaussianBlur, RandomFlip. {_CURE}')
    if isinstance(transform, RandomGrayscale) and not (
            transform.keep_channels and transform.color_format == 'bgr'
            and len(transform.channel_weights) == 3):
        raise ValueError(
            'LoadViews takes RandomGrayscale with keep_channels=True, '
            "color_format='bgr' and three channel_weights, got "
            f'{transform}')
    if isinstance(transform, RandomFlip) and not (isinstance(
            transform.prob, float) and transform.direction == 'horizontal'):
        raise ValueError('LoadViews takes RandomFlip with one prob and '
                         f"direction='horizontal', got {transform}")
    if isinstance(transform, RandomGaussianBlur) and not (
            0 <= transform.sigma_min <= transform.sigma_max):
        raise ValueError('LoadViews takes RandomGaussianBlur with 0 <= '
                         f'sigma_min <= sigma_max, got {transform}')


def _draw(transform: Any, row: list[float]) -> None:
    """Draw as the transform itself would, number for number."""
    _DRAW[type(transform)](transform, row)


def _draw_some(apply: RandomApply, row: list[float]) -> None:
    if apply.random_apply():
        for each in apply.transforms.transforms:
            _draw(each, row)


def _draw_jitter(jitter: ColorJitter, row: list[float]) -> None:
    *factors, order = jitter.get_params(jitter.brightness, jitter.contrast,
                                        jitter.saturation, jitter.hue)
    for place, which in enumerate(order):
        if factors[which] is not None:
            row[place] = which
            row[FACTORS.start + which] = factors[which]


def _draw_grey(grey: RandomGrayscale, row: list[float]) -> None:
    if random.random() < grey.prob:
        whole = sum(grey.channel_weights)
        row[GREY] = [each / whole for each in grey.channel_weights[::-1]]


def _draw_blur(blur: RandomGaussianBlur, row: list[float]) -> None:
    if np.random.rand() <= blur.prob:
        row[SIGMA] = np.random.uniform(blur.sigma_min, blur.sigma_max)


def _draw_flip(flip: RandomFlip, row: list[float]) -> None:
    row[FLIP] = np.random.rand() < flip.prob


_DRAW: dict[type, Callable[[Any, list[float]], None]] = {
    RandomApply: _draw_some,
    ColorJitter: _draw_jitter,
    RandomGrayscale: _draw_grey,
    RandomGaussianBlur: _draw_blur,
    RandomFlip: _draw_flip,
}
