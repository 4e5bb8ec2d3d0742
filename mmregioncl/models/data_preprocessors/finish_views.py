# Copyright (c) mmregioncl contributors. All rights reserved.
"""The augmentations that a batch of crops still lacks, on its device."""
from __future__ import annotations

from typing import Callable

import torch
from kornia.enhance import (adjust_brightness_accumulative,
                            adjust_contrast_with_mean_subtraction,
                            adjust_saturation_with_gray_subtraction)
from kornia.filters import filter2d_separable
from torch import Tensor
from torch.nn import functional

from mmregioncl.datasets.transforms.view_steps import (FACTORS, FLIP, GREY,
                                                       ORDER, SIGMA)

Adjust = Callable[[Tensor, Tensor], Tensor]


def shift_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of each image, and keep its value and saturation.

    What kornia's adjust_hue gives, without its way through HSV and back,
    which would take longer than all other steps.

    Args:
        images (Tensor): RGB from 0 to 1, of shape (N, 3, H, W).
        turns (Tensor): Shares of a full turn, of shape (N, ).

    Returns:
        Tensor: Of shape (N, 3, H, W).
    """
    top = images.amax(1, keepdim=True)
    chroma = top - images.amin(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    divisor = chroma.clamp_min(1e-12)  # greys have no hue, and keep none
    hue = torch.where(
        top == red, (green - blue) / divisor,
        torch.where(top == green, (blue - red) / divisor + 2,
                    (red - green) / divisor + 4))  # in sixths of a turn
    hue += 6 * turns[:, None, None, None]
    return torch.cat([
        top + chroma *
        ((hue + start).remainder(6) - 3).abs().sub_(2).clamp_(-1, 0)
        for start in (0, 4, 2)
    ], 1)


# In the order of FACTORS; kornia has several of each, these blend as Pillow.
_ADJUST: list[Adjust] = [
    adjust_brightness_accumulative, adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction, shift_hue
]


def finish_views(images: Tensor, steps: Tensor) -> Tensor:
    """Jitter, grey, blur and flip, each image by steps of its own.

    Only those images that a step is drawn for are touched. All decisions are
    made on the host, and it never waits for the device.

    Args:
        images (Tensor): RGB from 0 to 1, of shape (N, 3, H, W); changed in
            place.
        steps (Tensor): Rows of :class:`ViewSteps` on the CPU, (N, COLUMNS).

    Returns:
        Tensor: The finished views, of shape (N, 3, H, W).
    """
    order = steps[:, ORDER]
    chosen = [(order[:, place] == which).nonzero()[:, 0] for place in range(4)
              for which in range(4)]
    chosen.append(steps[:, GREY].any(1).nonzero()[:, 0])
    chosen.append(steps[:, SIGMA].nonzero()[:, 0])
    chosen.append(steps[:, FLIP].nonzero()[:, 0])
    rows = _sent(torch.cat(chosen), images).split([len(c) for c in chosen])
    numbers = _sent(steps, images)
    *adjusted, grey, blurred, flipped = rows
    for index, part in enumerate(adjusted):
        if len(part):
            which = index % 4
            factors = numbers[part][:, FACTORS][:, which]
            _replace(images, part, _ADJUST[which](_taken(images, part),
                                                  factors))
    if len(grey):
        weights = numbers[grey][:, GREY, None, None]
        shade = (_taken(images, grey) * weights).sum(1, keepdim=True)
        _replace(images, grey, shade.expand(-1, 3, -1, -1))
    if len(blurred):
        sigma = steps[chosen[-2], SIGMA]
        kernels = _sent(pillow_kernels(sigma), images)
        _replace(
            images, blurred,
            filter2d_separable(
                _taken(images, blurred), kernels, kernels, 'replicate'))
    if len(flipped):
        _replace(images, flipped, _taken(images, flipped).flip(-1))
    return images


def pillow_kernels(sigma: Tensor) -> Tensor:
    """What Pillow's GaussianBlur, and so MMSelfSup's, weighs neighbours by.

    Three passes of a box with soft ends, whose variance is exact. A Gaussian
    taken at whole pixels is not the same: for a sigma of 0.3 it blurs by
    0.09.

    Args:
        sigma (Tensor): Standard deviations in pixels, of shape (N, ).

    Returns:
        Tensor: Of shape (N, taps); taps is odd, and follows the largest.
    """
    variance = sigma[:, None].double()**2 / 3  # of one box
    whole = ((12 * variance + 1).sqrt() / 2 - .5).floor()
    end = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    end /= 6 * (variance - (whole + 1)**2)
    reach = int(whole.max()) + 1
    distance = torch.arange(-reach, reach + 1).abs()
    box = torch.where(distance <= whole, 1., (distance == whole + 1) * end)
    box /= box.sum(1, keepdim=True)
    kernels = box[None]
    for _ in range(2):
        kernels = functional.conv1d(
            kernels, box[:, None], padding=2 * reach, groups=len(box))
    return kernels[0].to(sigma.dtype)


def _taken(images: Tensor, rows: Tensor) -> Tensor:
    return images.index_select(0, rows)


def _replace(images: Tensor, rows: Tensor, values: Tensor) -> None:
    if images.device.type == 'cpu':  # faster there than index_copy_
        for row, value in zip(rows.tolist(), values):
            images[row].copy_(value)
    else:
        images.index_copy_(0, rows, values)


def _sent(small: Tensor, images: Tensor) -> Tensor:
    """To the device of the images, without waiting for it."""
    if images.is_cuda:
        small = small.pin_memory()
    return small.to(images.device, non_blocking=True)
