# Copyright (c) mmregioncl contributors. All rights reserved.
"""A folder of everything that lies about in folders of images."""
from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path
from typing import Any, Callable

import numpy as np
from PIL import Image

Writer = Callable[[Path], Any]


def picture(mode: str = 'RGB', size: tuple[int, int] = (40, 30)) -> Any:
    """Smooth shades, so that a truncated JPEG lacks something."""
    rows, columns = np.mgrid[:size[1], :size[0]]
    shades = np.stack((rows * 4, columns * 4, (rows + columns) * 2), 2)
    return Image.fromarray(shades.astype(np.uint8)).convert(mode)


def encoded(kind: str, image: Any = None, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, kind, **settings)
    return buffer.getvalue()


def written(content: bytes) -> Writer:
    return lambda path: path.write_bytes(content)


def cut(kind: str, share: float, **settings: Any) -> Writer:
    content = encoded(kind, picture(size=(400, 300)), **settings)
    return written(content[:int(len(content) * share)])


def png(width: int, height: int, pixels: bytes) -> bytes:
    """By hand: grey, 1 bit, whatever the header says."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + name + data + struct.pack(
            '>I', zlib.crc32(name + data))

    return b'\x89PNG\r\n\x1a\n' + chunk(
        b'IHDR', struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0,
                             0)) + chunk(b'IDAT', pixels) + chunk(
                                 b'IEND', b'')


def bomb(width: int, height: int) -> bytes:
    """A valid PNG, all black, 1000 times smaller than its pixels' bits."""
    return png(width, height, zlib.compress(bytes((width // 8 + 1) * height)))


def flipped_bytes(kind: str) -> Writer:
    content = bytearray(encoded(kind, picture(size=(400, 300))))
    for place in range(len(content) // 2, len(content) // 2 + 200):
        content[place] ^= 0xA5
    return written(bytes(content))


def huge_file(path: Path) -> None:
    with open(path, 'wb') as file:
        file.write(encoded('JPEG'))
        file.truncate(2**33)  # sparse: takes no room


def listening(path: Path) -> None:
    here = os.open('.', os.O_RDONLY)
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as each:
            each.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


ANIMATED = dict(
    save_all=True, append_images=[picture().rotate(180),
                                  picture()])

# Odd, but images: they are trained on.
GOOD: dict[str, Writer] = {
    'plain.jpg':
    written(encoded('JPEG')),
    'progressive.jpg':
    written(encoded('JPEG', progressive=True)),
    'cmyk.jpg':
    written(encoded('JPEG', picture('CMYK'))),
    'grey.jpg':
    written(encoded('JPEG', picture('L'))),
    'turned by exif.jpg':
    written(
        encoded(
            'JPEG',
            exif=b'Exif\0\0MM\0*\0\0'
            b'\0\x08\0\x01\x01\x12\0\x03\0\0\0'
            b'\x01\0\x06\0\0\0\0\0\0')),
    'bytes after the end.jpg':
    written(encoded('JPEG') + b'more' * 99),
    '16 bits.png':
    written(encoded('PNG', Image.new('I;16', (40, 30), 40000))),
    'palette.png':
    written(encoded('PNG', picture('P'))),
    'one bit.png':
    written(encoded('PNG', picture('1'))),
    'alpha.png':
    written(encoded('PNG', picture('RGBA'))),
    'one pixel.png':
    written(encoded('PNG', picture(size=(1, 1)))),
    'a line.png':
    written(encoded('PNG', picture(size=(500, 1)))),
    'lossless.webp':
    written(encoded('WEBP', lossless=True)),
    'animated.webp':
    written(encoded('WEBP', **ANIMATED)),
    'animated.png':
    written(encoded('PNG', **ANIMATED)),
    'two pages.tiff':
    written(encoded('TIFF', **ANIMATED)),
    'cmyk.tif':
    written(encoded('TIFF', picture('CMYK'))),
    'grey.pgm':
    written(encoded('PPM', picture('L'))),
    'png named.jpg':
    written(encoded('PNG')),
    'jpeg named.PNG':
    written(encoded('JPEG')),
    'animated gif named.png':
    written(encoded('GIF', **ANIMATED)),
    ' blanks  in\tthe name .jpg':
    written(encoded('JPEG')),
    '猫と犬.jpg':
    written(encoded('JPEG')),
    'кошка.jpg':
    written(encoded('JPEG')),
    'قطة.jpg':
    written(encoded('JPEG')),
    'é, composed and not: e\u0301.jpg':
    written(encoded('JPEG')),
    '🐈.jpg':
    written(encoded('JPEG')),
    'latin\udce9.jpg':
    written(encoded('JPEG')),  # bytes that are no UTF-8
    "quote's \"and\" $(dollars);&.jpg":
    written(encoded('JPEG')),
    '-dash.jpg':
    written(encoded('JPEG')),
    'a folder.jpg/inside.jpg':
    written(encoded('JPEG')),
    'linked.jpg':
    lambda path: path.symlink_to('plain.jpg'),
}
# They are skipped, counted and listed.
BAD: dict[str, Writer] = {
    'empty.jpg': written(b''),
    'cut in the header.jpg': cut('JPEG', 0.02),
    'cut in half.jpg': cut('JPEG', 0.5),
    'cut at the end.jpg': cut('JPEG', 0.98),
    'cut, progressive.jpg': cut('JPEG', 0.9, progressive=True),
    'cut.png': cut('PNG', 0.9),
    'cut.webp': cut('WEBP', 0.9),
    'cut.tif': cut('TIFF', 0.9),
    'cut.bmp': cut('BMP', 0.9),
    'spoilt.png': flipped_bytes('PNG'),
    'text named.jpg': written(b'not an image, a letter\n' * 20),
    'web page named.png': written(b'<!DOCTYPE html><title>404</title>'),
    'zeros.jpg': written(bytes(5000)),
    'magic alone.jpg': written(b'\xff\xd8\xff\xe0' + bytes(200)),
    'no width.png': written(png(0, 10, zlib.compress(b''))),
    'floats.tif': written(encoded('TIFF',
                                  picture('L').convert('F'))),
    'bomb.png': written(bomb(12_000, 12_000)),
    'larger bomb.png': written(bomb(30_000, 20_000)),
    'header of a bomb.png': written(png(2**31 - 1, 2**31 - 1, b'')),
    'huge file.jpg': huge_file,
    'dangling.jpg': lambda path: path.symlink_to('gone.jpg'),
    'link to itself.jpg': lambda path: path.symlink_to(path.name),
    'pipe.jpg': lambda path: os.mkfifo(path),
    'socket.jpg': listening,
    'device.jpg': lambda path: path.symlink_to('/dev/zero'),
}
# They are no images by their names, and not looked at.
IGNORED: dict[str, Writer] = {
    'notes.txt': written(b'no image'),
    'jpg': written(b'no ending'),
    '.hidden.jpg': written(b'a resource fork'),
    '.thumbs/small.jpg': written(encoded('JPEG')),
    'Thumbs.db': written(b'\xd0\xcf\x11\xe0'),
    'an empty folder/': lambda path: path.mkdir(),
}


def write_set(root: Path) -> Path:
    """One file of each kind.

    Args:
        root (Path): Gets them; made if there is none.

    Returns:
        Path: The folder.
    """
    for kinds in (GOOD, BAD, IGNORED):
        for name, write in kinds.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
    return root
