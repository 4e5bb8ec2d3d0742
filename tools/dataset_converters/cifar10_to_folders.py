# Copyright (c) mmregioncl contributors. All rights reserved.
"""CIFAR-10 as class folders: train/<class>/*.png and test/<class>/*.png.

    python tools/dataset_converters/cifar10_to_folders.py data/cifar10
    python tools/dataset_converters/cifar10_to_folders.py data/cifar10 \
        --source /folder/that/holds/cifar-10-batches-py
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets import CIFAR10


def write_split(images: np.ndarray, labels: list[int], classes: list[str],
                folder: Path) -> int:
    """Write one PNG per image, lossless, below the folder of its class.

    Args:
        images (np.ndarray): RGB, uint8.
        labels (list[int]): Their classes.
        classes (list[str]): Names of the classes.
        folder (Path): ``train`` or ``test``; must be new or empty.

    Returns:
        int: Number of files.

    Raises:
        ValueError: If the folder holds something already.

    Shape:
        images: (N, 32, 32, 3)
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f'{folder} is not empty; remove it, or name another '
                         'folder to write to')
    for name in classes:
        (folder / name).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels)):
        # the number is that of the official batches, across all classes
        Image.fromarray(image).save(folder / classes[label] /
                                    f'{number:05}.png')
    return len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        'out', type=Path, help='gets train/<class>/ and test/<class>/')
    parser.add_argument(
        '--source',
        type=Path,
        help='folder that holds cifar-10-batches-py (or the archive '
        'cifar-10-python.tar.gz); checked by md5. Without it the archive is '
        'downloaded, 170 MB, into the folder OUT')
    args = parser.parse_args()
    for split, train in (('train', True), ('test', False)):
        try:
            data = CIFAR10(
                args.source or args.out,
                train=train,
                # with a source: unpacks an archive, downloads nothing else
                download=args.source is None
                or (args.source / CIFAR10.filename).is_file())
            count = write_split(data.data, data.targets, data.classes,
                                args.out / split)
        except (RuntimeError, ValueError) as error:
            parser.exit(1, f'{parser.prog}: {error}\n')
        print(f'{count} images in {args.out / split}')


if __name__ == '__main__':
    main()
