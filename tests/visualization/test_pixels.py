# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import torch

import mmregioncl.register  # noqa: F401
from mmregioncl.visualization import to_pixels


def test_gives_back_what_went_in() -> None:
    from mmselfsup.models.utils import SelfSupDataPreprocessor
    images = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)  # BGR
    for settings in (dict(
            mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)), {}):
        preprocessor = SelfSupDataPreprocessor(bgr_to_rgb=True, **settings)
        (view, ), _ = preprocessor(dict(inputs=[images], samples=[]))
        pixels = to_pixels(view, preprocessor)
        assert pixels.dtype == torch.uint8
        assert torch.equal(pixels, images.flip(1))  # RGB


def test_never_wraps_around() -> None:
    wild = torch.tensor([-3., 260., 254.6]).view(1, 3, 1, 1)
    assert to_pixels(wild, None).flatten().tolist() == [0, 255, 255]
