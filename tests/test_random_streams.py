# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import random

import numpy as np
import torch

from mmregioncl.random_streams import kept_random_state, seed_streams


def draws() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), float(torch.rand(()))


def test_a_key_names_a_place() -> None:
    keys = [(seed, rank, step) for seed in range(3) for rank in range(3)
            for step in range(20)] + [(9, ), (9, 1), (2**31, 5, 10**9)]
    found = []
    for key in keys:
        seed_streams(*key)
        found.append(draws())
    for stream in zip(*found):
        assert len(set(stream)) == len(keys)
        # neighbouring keys are not neighbours: no trend from key to key
        values = np.array(stream[:180])
        assert abs(values.mean() - 0.5) < 0.1
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.25
    for key, former in zip(keys[::20], found[::20]):
        seed_streams(*key, devices=False)
        assert draws() == former


def test_kept() -> None:
    seed_streams(1)
    expected = [draws(), draws()]
    seed_streams(1)
    first = draws()
    with kept_random_state():
        seed_streams(2)
        draws()
    assert [first, draws()] == expected
