# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import argparse

import pytest
from mmengine.config import Config

from mmregioncl.train_options import add_train_arguments, apply_train_arguments


def apply(cfg: Config, *words: str) -> None:
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    apply_train_arguments(cfg, parser.parse_args(words))


@pytest.mark.parametrize('counts', [1, 4])
def test_a_config_that_a_scaled_run_has_written(counts: int) -> None:
    """MMEngine writes it to the work dir; it is not divided again."""
    cfg = Config(
        dict(
            optim_wrapper=dict(accumulative_counts=counts),
            auto_scale_lr=dict(base_batch_size=1024)))
    for _ in range(3):
        apply(cfg, '--auto-scale-lr')
        assert cfg.auto_scale_lr.enable
        assert cfg.auto_scale_lr.base_batch_size == 1024 / counts
        cfg = Config.fromstring(cfg.pretty_text, '.py')


@pytest.mark.parametrize('scaling', [None, {}, dict(enable=True)])
def test_a_config_without_a_batch(scaling: dict | None) -> None:
    cfg = Config(dict(optim_wrapper={}, auto_scale_lr=scaling))
    with pytest.raises(ValueError, match='for which total batch its lr is'):
        apply(cfg, '--auto-scale-lr')
