# Copyright (c) mmregioncl contributors. All rights reserved.
"""Which images a folder or a list file holds. Plain Python."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterable, Iterator, Sequence

# What OpenCV reads without further libraries.
IMAGE_EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff',
                    '.ppm', '.pgm')


def find_images(folder: str,
                extensions: Sequence[str] = IMAGE_EXTENSIONS) -> list[str]:
    """Every image below a folder, sorted.

    Symbolic links are followed, to folders too. Names that begin with a dot
    are left out: they hold thumbnails and resource forks, no images.

    Args:
        folder (str): Where to look.
        extensions (Sequence[str]): Endings of image names, in any case.
            Defaults to those that OpenCV reads.

    Returns:
        list[str]: Paths relative to the folder.

    Raises:
        ValueError: If a folder in it may not be read.
    """
    endings = tuple(each.lower() for each in extensions)
    above = frozenset((os.path.realpath(folder), ))
    return sorted(_walk(folder, '', endings, above))


def _walk(folder: str, prefix: str, endings: tuple[str, ...],
          above: frozenset[str]) -> Iterator[str]:
    for entry in _scan(folder):
        if entry.name.startswith('.'):
            continue
        if not _is_dir(entry):  # a dangling link too: reading it tells
            if entry.name.lower().endswith(endings):
                yield prefix + entry.name
            continue
        real = os.path.realpath(entry.path)
        if real not in above:  # else a link to a folder that we are in
            yield from _walk(entry.path, f'{prefix}{entry.name}/', endings,
                             above | {real})


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except PermissionError as error:
        raise ValueError(
            f'the folder {folder!r} may not be read: change its rights, or '
            'choose a data_root without it (the top of a disk has a '
            'lost+found)') from error


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def read_image_list(
        list_file: str,
        with_label: bool,
        extensions: Sequence[str] = IMAGE_EXTENSIONS) -> list[tuple[str, int]]:
    """Read a list file, ``path`` or ``path label`` per line.

    That is the form of ImageNet's ``meta/train.txt``. Paths may hold spaces:
    only a whole number at the end of a line is a label, and where none is
    asked for, only one that follows an image's ending.

    Args:
        list_file (str): A text file in UTF-8.
        with_label (bool): Whether every line must have a label.
        extensions (Sequence[str]): Endings of image names, in any case.
            Defaults to those that OpenCV reads.

    Returns:
        list[tuple[str, int]]: Path and label, -1 where there is none.

    Raises:
        ValueError: If the list is empty, or a line has no label though
            labels are asked for.
    """
    endings = tuple(each.lower() for each in extensions)
    found = []
    # utf-8-sig: editors on Windows put a byte order mark at the start
    with open(
            list_file, encoding='utf-8-sig', errors='surrogateescape') as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line:
                continue
            match = re.fullmatch(r'(.*\S)\s+(\d+)', line)
            if match and (with_label or match[1].lower().endswith(endings)):
                found.append((match[1], int(match[2])))
            elif with_label:
                raise ValueError(
                    f'line {number} of {list_file!r} has no label: {line!r}; '
                    'write "path label" with a whole number from 0, or set '
                    'with_label=False')
            else:
                found.append((line, -1))
    if not found:
        raise ValueError(f'the list file {list_file!r} is empty; write one '
                         'image path per line, or leave ann_file out to take '
                         'every image of the folder')
    return found


def missing_images(folder: str, names: Iterable[str]) -> list[str]:
    """Those names that are not in the folder.

    Each directory is listed once: a look at every one of ImageNet's 1.28
    million files takes minutes on a network disk.

    Args:
        folder (str): What the names are relative to.
        names (Iterable[str]): Paths of images.

    Returns:
        list[str]: The missing ones, in the order given.
    """
    present: dict[str, set[str]] = {}
    missing = []
    for name in names:
        directory, base = os.path.split(os.path.join(folder, name))
        if directory not in present:
            present[directory] = _entries(directory)
        if base not in present[directory]:
            missing.append(name)
    return missing


def _entries(directory: str) -> set[str]:
    if not Path(directory).is_dir():
        return set()
    return set(os.listdir(directory))
