# Copyright (c) mmregioncl contributors. All rights reserved.
"""Whose keys are in the queue."""
from __future__ import annotations

import hashlib
import math
from collections import deque
from typing import Iterable

import torch
from mmengine.dist import get_world_size

from mmregioncl.core import gather_rows


class QueueImages:
    """Names of the images whose keys the queue holds, kept beside it.

    Each process notes its own; they come together when they are counted.

    Args:
        length (int): K of the queue.
    """

    def __init__(self, length: int) -> None:
        own = math.ceil(length / get_world_size())
        self._names: deque[int] = deque(maxlen=own)

    def add(self, names: Iterable[str]) -> None:
        """Note the images of a batch.

        Args:
            names (Iterable[str]): Whatever tells them apart.
        """
        self._names.extend(_number(name) for name in names)

    def duplicates(self, device: torch.device | str = 'cpu') -> float:
        """Share of the keys that are one more key of an image.

        That is 1 - images / keys, over all processes: 0 where every key is of
        another image, 1/2 where each image is there twice. Keys that were in
        the queue before the first :meth:`add` do not count.

        Args:
            device (torch.device | str): Of the queue, on which processes
                talk. Defaults to 'cpu'.
        """
        own = torch.tensor(list(self._names), dtype=torch.long, device=device)
        names = gather_rows(own)
        return (len(names) - len(names.unique())) / max(1, len(names))


def _number(name: str) -> int:
    """The same number in every process, which ``hash`` is not."""
    digest = hashlib.blake2b(
        name.encode(errors='surrogateescape'), digest_size=8)
    return int.from_bytes(digest.digest(), 'little', signed=True)
