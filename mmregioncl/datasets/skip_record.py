# Copyright (c) mmregioncl contributors. All rights reserved.
"""Which images of a data set could not be read."""
from __future__ import annotations

import os

import torch


class SkipRecord:
    """One byte per image, shared between the workers of a data loader.

    Setting a byte twice does no harm, so no lock is needed; and the memory is
    torch's, which reaches forked and spawned workers alike.

    Args:
        size (int): Number of images in the data set.
    """

    def __init__(self, size: int) -> None:
        self.bad = torch.zeros(size, dtype=torch.uint8).share_memory_()

    def add(self, index: int) -> bool:
        """Note that an image is bad.

        Args:
            index (int): Its number in the data set.

        Returns:
            bool: Whether that is news.
        """
        if self.bad[index]:
            return False
        self.bad[index] = 1
        return True

    @property
    def count(self) -> int:
        """int: Number of bad images that this process and its workers met."""
        return int(self.bad.sum())


def append_path(skip_file: str, path: str) -> None:
    """Add a line to the file of skipped images unless it is there.

    One ``write`` to a file opened for appending: lines of several workers do
    not mix.

    Args:
        skip_file (str): The file, made if it does not exist.
        path (str): Path of the bad image.
    """
    line = os.fsencode(path) + b'\n'
    handle = os.open(skip_file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    with os.fdopen(handle, 'r+b', buffering=0) as file:
        # another rank, or the run before this was resumed, may have met it
        if line not in file.readlines():
            file.write(line)
