# Copyright (c) mmregioncl contributors. All rights reserved.
"""Views of MMSelfSup's pipeline and ours, side by side, to be compared."""
from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any, Sequence

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.dataset import default_collate
from mmengine.registry import DefaultScope
from torch import Tensor

from mmregioncl.models.data_preprocessors import DeviceViewsPreprocessor

JITTER = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
GREY = dict(
    type='RandomGrayscale',
    prob=0.2,
    keep_channels=True,
    channel_weights=(0.114, 0.587, 0.2989))
BLUR = dict(type='RandomGaussianBlur', sigma_min=0.1, sigma_max=2.0, prob=0.5)
FLIP = dict(type='RandomFlip', prob=0.5)


def crop(size: int = 32, **settings: Any) -> dict:
    """The stock's crop; all of a square image with ``scale=(1, 1)``."""
    return dict(
        type='RandomResizedCrop', size=size, scale=(0.2, 1.),
        backend='pillow') | settings


def jitter(prob: float = 0.8, **settings: float) -> dict:
    """The stock's colour jitter, or some of it."""
    return dict(
        type='RandomApply',
        transforms=[dict(type='ColorJitter', **settings or JITTER)],
        prob=prob)


def whole(**crop_settings: Any) -> list[dict]:
    """The augmentations of MoCo v2."""
    return [crop(**crop_settings), jitter(), GREY, BLUR, FLIP]


def write_photos(folder: Path, count: int, height: int, width: int,
                 ending: str) -> list[str]:
    """Smooth coloured blobs and grain, each of another tint; light is left."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    light = np.linspace(40, 0, width)[:, None]
    tint = 0, 15, 40  # blue, green, red
    paths = []
    for number in range(count):
        coarse = rng.integers(0, 256, (4, 5, 3)).astype(np.float32)
        image = cv2.resize(coarse, (width, height)) * .4 + light
        image = image + rng.integers(20, 100, 3) + tint + rng.normal(
            0, 12, (height, width, 3))
        paths.append(str(folder / f'{number:03}.{ending}'))
        cv2.imwrite(paths[-1], np.clip(image, 0, 255).astype(np.uint8))
    return paths


def seed(number: int) -> None:
    """The streams that MMSelfSup's transforms draw from."""
    random.seed(number)
    np.random.seed(number)


def stock(view_pipeline: Sequence[dict]) -> Compose:
    """MMSelfSup's pipeline of two views."""
    return composed(
        dict(type='LoadImageFromFile'),
        dict(type='MultiView', num_views=2, transforms=[view_pipeline]),
        dict(type='PackSelfSupInputs', meta_keys=['img_path']))


def ours(view_pipeline: Sequence[dict],
         reducing_gap: float = math.inf) -> Compose:
    """The same views, unfinished; decoded in full unless asked otherwise."""
    return composed(
        dict(
            type='LoadViews',
            num_views=2,
            transforms=[view_pipeline],
            reducing_gap=reducing_gap),
        dict(type='PackViews', meta_keys=['img_path']))


def composed(*pipeline: dict) -> Compose:
    """As a run builds it."""
    with DefaultScope.overwrite_default_scope('mmselfsup'):
        return Compose(list(pipeline))


def batch(pipeline: Compose, paths: Sequence[str]) -> dict:
    """What a data loader would give."""
    return default_collate([pipeline(dict(img_path=path)) for path in paths])


def finished(unfinished: dict) -> Tensor:
    """Both views of our batch in one, BGR from 0 to 255, not normalised."""
    return torch.cat(DeviceViewsPreprocessor()(unfinished, True)[0])
