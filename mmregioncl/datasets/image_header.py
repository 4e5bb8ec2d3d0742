# Copyright (c) mmregioncl contributors. All rights reserved.
"""What can be known of an image file before it is decoded."""
from __future__ import annotations

import os
import stat
import warnings

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


def _size(path: str) -> tuple[int, int]:
    try:
        with warnings.catch_warnings():
            # of large images, which are compared with max_pixels instead
            warnings.simplefilter('ignore')
            with Image.open(path) as image:
                return image.size
    except Image.DecompressionBombError as error:
        raise ValueError(f'it is a decompression bomb: {error}') from error
    except Exception as error:  # hostile bytes raise just about anything
        raise ValueError(f'it has no header of an image: {error}') from error
