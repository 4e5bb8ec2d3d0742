# Copyright (c) mmregioncl contributors. All rights reserved.
"""Views from one decoding, finished later on the device."""
from __future__ import annotations

import io
import math
from types import SimpleNamespace
from typing import Any, NamedTuple, Sequence

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmselfsup.datasets.transforms import RandomResizedCrop
from mmselfsup.registry import TRANSFORMS
from torch import Tensor
from torch.nn import functional

from ..image_header import open_header
from .view_steps import ViewSteps

_DECODE = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 lie on their side
# Of nearly every JPEG; a smaller file has no pixels to spare.
_BITS_PER_PIXEL = 2
Box = tuple[int, int, int, int]  # y, x, height, width


class UnfinishedViews(NamedTuple):
    """Crops, and what is still to be done to them.

    No list of arrays, on purpose: MMSelfSup's PackSelfSupInputs would take
    that, and drop the steps.

    Args:
        images (list[Tensor]): Crops, (H, W, 3), BGR, uint8.
        steps (Tensor): Rows of :class:`ViewSteps`, (V, COLUMNS).
    """
    images: list[Tensor]
    steps: Tensor


@TRANSFORMS.register_module()
class LoadViews(BaseTransform):
    """Load an image once and crop several views from it.

    Stands for LoadImageFromFile and MultiView, takes what MultiView takes,
    and draws the same random numbers: with the same seed the views are those
    of MMSelfSup's pipeline, but for rounding. Only reading, decoding and
    cropping is done here. The transforms after the crop are drawn, and done
    by :class:`DeviceViewsPreprocessor`; follow it by :class:`PackViews`.

    A large JPEG is decoded at half, a quarter or an eighth of its size where
    every crop keeps ``reducing_gap`` times the pixels that it needs: the
    smaller the gap, the less is decoded, and the softer are these views.

    Required Keys:

    - img_path

    Added Keys:

    - img (an :class:`UnfinishedViews`)
    - ori_shape

    Args:
        transforms (list[list[dict]]): One pipeline per kind of view, of
            MMSelfSup's transforms: RandomResizedCrop first, then those of
            :class:`ViewSteps`.
        num_views (int | list[int]): Views of each kind. Defaults to 2.
        reducing_gap (float): Decode no smaller than this, in units of the
            view's side; infinity: always decode all. Defaults to 1.5.
        backend_args (dict, optional): Of :func:`mmengine.fileio.get`.
            Defaults to None.

    Raises:
        ValueError: If a transform or setting is not supported.
    """

    def __init__(self,
                 transforms: Sequence[Sequence[dict]],
                 num_views: int | Sequence[int] = 2,
                 reducing_gap: float = 1.5,
                 backend_args: dict | None = None) -> None:
        counts = [num_views] if isinstance(num_views, int) else list(num_views)
        if len(counts) != len(transforms) or min(counts, default=0) < 1:
            raise ValueError(
                f'LoadViews.num_views={num_views!r} must give a count from 1 '
                f'for each of the {len(transforms)} lists of transforms')
        if reducing_gap < 1:
            raise ValueError('LoadViews.reducing_gap must be 1 or more, got '
                             f'{reducing_gap!r}')
        self.reducing_gap = reducing_gap
        self.backend_args = backend_args
        self.views: list[tuple[RandomResizedCrop, ViewSteps]] = []
        for pipeline, count in zip(transforms, counts):
            built = [TRANSFORMS.build(each) for each in pipeline]
            crop = built[0] if built else None
            _check_crop(crop)
            self.views += [(crop, ViewSteps(built[1:]))] * count
        # what a file needs for a view to get by with half of its size
        self.large = min(
            math.prod(crop.size) * (2 * reducing_gap)**2 * _BITS_PER_PIXEL / 8
            for crop, _ in self.views)

    def transform(self, results: dict) -> dict:
        """Read, decode, crop.

        Args:
            results (dict): Holds ``img_path``.

        Returns:
            dict: The same, with ``img`` and ``ori_shape``.

        Raises:
            ValueError: If the file is no image.
        """
        path = results['img_path']
        content = fileio.get(path, backend_args=self.backend_args)
        factor, height, width = 1, 0, 0
        shape = jpeg_shape(content) if len(content) > self.large else None
        if shape:
            height, width = shape
            boxes, steps = self._draw(height, width)
            factor = self._reduction(boxes)
        image = _decode(content, factor, path)
        if factor > 1 and image.shape[:2] != (-(-height // factor),
                                              -(-width // factor)):
            factor, image = 1, _decode(content, 1, path)
        if factor == 1 and image.shape[:2] != (height, width):
            # the header was not read, or says something else
            height, width = image.shape[:2]
            boxes, steps = self._draw(height, width)
        images = [
            _resized(_cut(image, box, factor), crop)
            for box, (crop, _) in zip(boxes, self.views)
        ]
        results['img'] = UnfinishedViews(images, torch.tensor(steps))
        results['ori_shape'] = (height, width)
        return results

    def _draw(self, height: int,
              width: int) -> tuple[list[Box], list[list[float]]]:
        """Draw all numbers, view after view, as MultiView would."""
        image = SimpleNamespace(shape=(height, width))  # all that is looked at
        boxes, steps = [], []
        for crop, finish in self.views:
            top, left, bottom, right = crop.get_params(image, crop.scale,
                                                       crop.ratio,
                                                       crop.max_attempts)
            boxes.append((top, left, bottom - top + 1, right - left + 1))
            steps.append(finish.draw())
        return boxes, steps

    def _reduction(self, boxes: list[Box]) -> int:
        """The largest factor that leaves each crop enough pixels."""
        spare = min(
            min(height / crop.size[0], width / crop.size[1])
            for (_, _, height, width), (crop, _) in zip(boxes, self.views))
        return max(f for f in _DECODE
                   if f == 1 or spare >= f * self.reducing_gap)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(num_views={len(self.views)}, '
                f'reducing_gap={self.reducing_gap})')


def jpeg_shape(content: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG as it is to be shown, from its header.

    Args:
        content (bytes): The file.

    Returns:
        tuple[int, int] | None: None if this is no JPEG, or a damaged one.
    """
    if content[:2] != b'\xff\xd8':
        return None
    try:
        with open_header(io.BytesIO(content), formats=('JPEG', )) as image:
            width, height = image.size
            if image.getexif().get(_ORIENTATION, 1) >= 5:
                width, height = height, width
    except (OSError, ValueError, SyntaxError):
        return None  # whether it can be read, the decoder decides
    return height, width


def _check_crop(crop: Any) -> None:
    if type(crop) is not RandomResizedCrop or crop.interpolation != 'bilinear':
        raise ValueError('LoadViews.transforms must begin with '
                         "RandomResizedCrop(interpolation='bilinear'), got "
                         f'{crop}')


def _decode(content: bytes, factor: int, path: str) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), _DECODE[factor])
    if image is None:
        raise ValueError(f'{path!r} is no image that OpenCV can read')
    return image


def _cut(image: np.ndarray, box: Box, factor: int) -> np.ndarray:
    top, left, height, width = box
    if factor == 1:
        return image[top:top + height, left:left + width]
    rows, columns = (slice(
        round(start / factor),
        max(round((start + size) / factor),
            round(start / factor) + 1))
                     for start, size in ((top, height), (left, width)))
    return image[rows, columns]


def _resized(image: np.ndarray, crop: RandomResizedCrop) -> Tensor:
    """Resize as the crop's backend would."""
    height, width = crop.size
    if crop.backend == 'cv2':
        return torch.from_numpy(cv2.resize(image, (width, height)))
    # Pillow's filter (to 1 of 255), but vectorised where torch can see that
    # the channels are innermost: in a copy of the crop
    batch = torch.from_numpy(np.ascontiguousarray(image))[None]
    view = functional.interpolate(
        batch.permute(0, 3, 1, 2), (height, width),
        mode='bilinear',
        antialias=True)
    return view[0].permute(1, 2, 0)
