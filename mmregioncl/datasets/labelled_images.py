# Copyright (c) mmregioncl contributors. All rights reserved.
"""Images and their labels: of a list file, or by the folders they are in."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

from .image_listing import find_images, missing_images, read_image_list

Samples = list[tuple[str, int]]  # path below the folder, label


def listed_images(ann_file: str, folder: str, extensions: Sequence[str],
                  with_label: bool, classes: Sequence[str] | None) -> Samples:
    """The images of a list file.

    Args:
        ann_file (str): The list.
        folder (str): What its paths start from.
        extensions (Sequence[str]): Endings of image names.
        with_label (bool): Whether it has labels; they are -1 otherwise.
        classes (Sequence[str], optional): Names of the labels.

    Returns:
        list[tuple[str, int]]: Path and label, in the order of the list.

    Raises:
        ValueError: If list, images or classes are missing.
    """
    if not Path(ann_file).is_file():
        raise ValueError(
            f'ImageFolder found no list file {ann_file!r}; ann_file '
            'is looked up below data_root. Leave it out to take every '
            'image of the folder')
    samples = read_image_list(ann_file, with_label, extensions)
    missing = missing_images(folder, (name for name, _ in samples))
    if missing:
        raise ValueError(
            f'{len(missing)} of the {len(samples)} images listed in '
            f'{ann_file!r} are not below {folder!r}, first '
            f'{missing[:5]}; correct the list, data_root or data_prefix')
    if not with_label:
        return [(name, -1) for name, _ in samples]
    largest = max(label for _, label in samples)
    if classes and largest >= len(classes):
        raise ValueError(f'the list {ann_file!r} has the label {largest}, but '
                         f'classes names {len(classes)}; labels count from 0')
    return samples


def found_images(
        folder: str, extensions: Sequence[str], with_label: bool,
        classes: Sequence[str] | None
) -> tuple[Samples, tuple[str, ...] | None]:
    """All images of a folder; with labels, its folders are the classes.

    Args:
        folder (str): The folder.
        extensions (Sequence[str]): Endings of image names.
        with_label (bool): Whether to give labels; they are -1 otherwise.
        classes (Sequence[str], optional): The folders in the order of their
            labels, all of them in sorted order if None.

    Returns:
        tuple: Path and label of each, and the classes, None without labels.

    Raises:
        ValueError: If there are no images, or some of no class.
    """
    names = find_images(folder, extensions)
    if not names:
        raise ValueError(
            f'ImageFolder found no images below {folder!r} with the '
            f'endings {tuple(extensions)}; set data_root to the folder that '
            'holds them, or extensions to their endings')
    if not with_label:
        return [(name, -1) for name in names], None
    bare = [name for name in names if '/' not in name]
    if bare:
        raise ValueError(
            f'with_label=True takes the first folder below {folder!r} as '
            f'the class, but {len(bare)} images are in none, first '
            f'{bare[:5]}; use <class>/<image>, a list file with labels, '
            'or with_label=False')
    folders = [name.split('/', 1)[0] for name in names]
    if classes is None:
        classes = sorted(set(folders))
    unknown = sorted(set(folders) - set(classes))
    if unknown:
        raise ValueError(
            f'the folders {unknown[:5]} below {folder!r} are not among '
            f'the {len(classes)} classes; add them to classes, or leave '
            'classes out to take every folder as one')
    label = {name: i for i, name in enumerate(classes)}
    return [(name, label[first])
            for name, first in zip(names, folders)], tuple(classes)
