# Copyright (c) mmregioncl contributors. All rights reserved.
"""What can be known of an image file before it is decoded."""
from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import Any, Iterator

from PIL import Image

# 16 bits in four channels take 8; beyond that a file is no image of its size
_MAX_BYTES_PER_PIXEL = 16


def check_header(path: str, max_pixels: int) -> None:
    """Raise ValueError for a file that should not be decoded.

    OpenCV decodes whatever it is given up to 2**30 pixels, 3 GiB, which a
    PNG of a few kilobytes can hold; and it reads a pipe until that ends. Here
    the file is looked at first, and of its contents the header only.

    Args:
        path (str): The file.
        max_pixels (int): Largest width times height.

    Raises:
        ValueError: If it is no regular file, is empty, has no header of an
            image, or is too large.
        OSError: If it cannot be opened.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # a pipe, a device, a socket
        raise ValueError('it is no regular file')
    if status.st_size == 0:
        raise ValueError('it is empty')
    if status.st_size > max_pixels * _MAX_BYTES_PER_PIXEL:
        raise ValueError(f'its {status.st_size} bytes are more than '
                         f'max_pixels={max_pixels} pixels can take')
    width, height = _size(path)
    if width * height > max_pixels:
        raise ValueError(f'its header says {width} x {height} pixels, more '
                         f'than max_pixels={max_pixels}')


@contextmanager
def open_header(*args: Any, **kwargs: Any) -> Iterator[Image.Image]:
    """``PIL.Image.open`` for what stands in the header alone.

    Without PIL's own limit of pixels, which no setting of a config moves.

    Args:
        args: Those of ``PIL.Image.open``.
        kwargs: Those of ``PIL.Image.open``.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(*args, **kwargs) as image:
            yield image
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _size(path: str) -> tuple[int, int]:
    try:
        with open_header(path) as image:
            return image.size
    except Exception as error:  # hostile bytes raise just about anything
        raise ValueError(f'it has no header of an image: {error}') from error
