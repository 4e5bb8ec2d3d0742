# Copyright (c) mmregioncl contributors. All rights reserved.
"""The random streams of a process: Python's, NumPy's and torch's."""
from __future__ import annotations

import random
from contextlib import contextmanager
from typing import Iterator

import numpy as np
import torch


def seed_streams(*key: int, devices: bool = True) -> None:
    """Restart every stream at a place that the numbers name.

    Neighbouring numbers give unrelated streams: NumPy's ``SeedSequence``
    mixes them.

    Args:
        key (int): One or more numbers, 0 or more, such as seed, rank and
            iteration. Zeros at the end make no difference.
        devices (bool): Whether to restart those of the GPUs too.
            Defaults to True.
    """
    words = np.random.SeedSequence(key).generate_state(5)
    random.seed(int(words[0]) << 32 | int(words[1]))
    np.random.seed(int(words[2]))
    seed = int(words[3]) << 32 | int(words[4])
    if devices:
        torch.manual_seed(seed)
    else:
        torch.random.default_generator.manual_seed(seed)


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Whatever is drawn inside, outside nothing has happened. CPU only."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
