# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import random
from collections import Counter

import pytest
import torch

from mmregioncl.engine.health import QueueImages, queue_images


def slow_duplicates(names: list[str]) -> float:
    """One key after the other."""
    seen: Counter = Counter()
    again = 0
    for name in names:
        again += seen[name] > 0
        seen[name] += 1
    return again / len(names)


def test_share_of_duplicates() -> None:
    """Against counting, while the queue fills and after it wrapped around."""
    draw = random.Random(0)
    images, stream = QueueImages(50), []
    for _ in range(30):
        batch = [f'{draw.randrange(60)}.png' for _ in range(7)]
        images.add(batch)
        stream += batch
        assert images.duplicates() == pytest.approx(
            slow_duplicates(stream[-50:]))


def test_ends_of_the_scale() -> None:
    images = QueueImages(8)
    assert images.duplicates() == 0  # nothing known yet
    images.add('abcdefgh')
    assert images.duplicates() == 0
    images.add('aaaabbbb')
    assert images.duplicates() == 6 / 8
    images.add(['\udcff.png'])  # a name that is no UTF-8


def test_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each notes its half; counted is what both have."""
    monkeypatch.setattr(queue_images, 'get_world_size', lambda: 2)
    ranks = QueueImages(8), QueueImages(8)
    for rank, names in zip(ranks, ('cdef', 'xyzabcd')):
        rank.add(names)
        assert len(rank._names) == 4
    monkeypatch.setattr(
        queue_images, 'gather_rows', lambda own: torch.cat(
            [torch.tensor(list(rank._names)) for rank in ranks]))
    for rank in ranks:
        assert rank.duplicates() == 2 / 8  # c and d, twice each
