# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from kornia.enhance import adjust_hue
from kornia.filters import filter2d_separable
from PIL import Image, ImageFilter

from mmregioncl.datasets.transforms.view_steps import COLUMNS, ORDER
from mmregioncl.models.data_preprocessors.finish_views import (finish_views,
                                                               pillow_kernels,
                                                               shift_hue)


def test_hue_is_kornias() -> None:
    images = torch.rand(5, 3, 16, 16)
    images[1] = images[1, :1]  # grey
    images[2] = 0
    images[3, 1] = images[3, 0]  # two channels are the largest
    images[4] = images[4].round()  # corners of the cube
    for turns in (torch.rand(5) - .5, torch.zeros(5), torch.full((5, ), .5)):
        expected = adjust_hue(images, turns * 2 * math.pi)
        torch.testing.assert_close(
            shift_hue(images, turns), expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize('sigma', [.1, .3, .5, .8, .816, 1., 1.5, 2., 3.3])
def test_kernel_is_pillows(sigma: float) -> None:
    """Inside, but that Pillow rounds to bytes after each of six passes."""
    image = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    blurred = Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma))
    kernel = pillow_kernels(torch.tensor([sigma]))
    mine = filter2d_separable(
        torch.from_numpy(image)[None, None].float(), kernel, kernel)[0, 0]
    reach = kernel.shape[1] // 2
    inside = slice(reach, -reach)
    difference = mine.numpy() - np.asarray(blurred, np.float32)
    assert np.abs(difference[inside, inside]).max() < 3
    assert np.abs(difference[inside, inside]).mean() < 1.1


def test_kernels_have_the_variance_asked_for() -> None:
    sigma = torch.linspace(.05, 2.5, 60)
    kernels = pillow_kernels(sigma)
    assert kernels.shape[1] % 2
    offset = torch.arange(kernels.shape[1]) - kernels.shape[1] // 2
    torch.testing.assert_close(kernels.sum(1), torch.ones(60))
    torch.testing.assert_close((kernels * offset**2).sum(1), sigma**2)
    assert (kernels > -1e-7).all()
    torch.testing.assert_close(kernels, kernels.flip(1))


def test_each_image_has_its_own_order() -> None:
    """Darker then more contrast is not more contrast then darker."""
    images = torch.rand(3, 3, 8, 8)
    steps = torch.zeros(3, COLUMNS)
    steps[:, ORDER] = -1
    steps[0, :2], steps[1, 2:4] = torch.tensor([[0., 1.], [1., 0.]])
    steps[:, 4], steps[:, 5] = .5, 3.
    out = finish_views(images.clone(), steps)
    luma = torch.tensor([.299, .587, .114])[:, None, None]

    def contrast(image: torch.Tensor) -> torch.Tensor:
        mean = (image * luma).sum(0).mean()
        return (3 * image - 2 * mean).clamp(0, 1)

    torch.testing.assert_close(out[0], contrast(images[0] * .5))
    torch.testing.assert_close(out[1], contrast(images[1]) * .5)
    assert (out[2] == images[2]).all()


def test_nothing_to_do() -> None:
    images = torch.rand(2, 3, 8, 8)
    steps = torch.zeros(2, COLUMNS)
    steps[:, ORDER] = -1
    assert (finish_views(images.clone(), steps) == images).all()


def test_never_waits_for_the_device() -> None:
    """Nothing can be read from the meta device: it would raise."""
    steps = torch.tensor([[0., 1, 2, 3, .8, 1.2, .9, .1, .3, .6, .1, 1.5, 1.],
                          [3., 2, 1, 0, .8, 1.2, .9, .1, 0., 0., 0., .2, 0.]])
    out = finish_views(torch.empty(2, 3, 8, 8, device='meta'), steps)
    assert out.is_meta and out.shape == (2, 3, 8, 8)
