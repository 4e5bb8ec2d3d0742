# Copyright (c) mmregioncl contributors. All rights reserved.
"""Does bf16 train as fp32 does? Loss curves beside the noise of the seeds.

    python tools/benchmarks/precision_curves.py regioncl_mocov2_r18w16_cifar10
    python tools/benchmarks/precision_curves.py regioncl_mocov2_r18_demo \
        --steps 200 --seeds 3 --json docs/results/precision_curves.json

Trains a config for some steps with each seed, once in fp32 and once as
tools/train.py does with --amp bf16: same first weights, same images. The
distance of two curves is the mean over the steps of the absolute difference
of their loss, smoothed over ten steps. The verdict compares the distance
between precisions, of the same seed, with that between seeds, in fp32.
"""
from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(Path(__file__).parent)]

from machine import describe  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

import mmregioncl.register  # noqa: E402,F401
from mmregioncl.launch import config_roots, find_config  # noqa: E402
from mmregioncl.mixed_precision import apply_amp  # noqa: E402

SMOOTH = 10  # steps


class KeepLosses(Hook):
    """Notes the total loss of every step."""

    def __init__(self) -> None:
        self.curve: list[float] = []

    def after_train_iter(self, runner: Any, batch_idx: int,
                         data_batch: Any = None,
                         outputs: Any = None) -> None:  # yapf: disable
        self.curve.append(float(outputs['loss']))


def train(cfg: Any, seed: int, steps: int, precision: str) -> list[float]:
    """The loss of each of the first steps of a run."""
    cfg = cfg.copy()
    cfg.randomness = dict(seed=seed)
    cfg.experiment_name = f'{precision}_{seed}'
    if precision == 'bf16':
        apply_amp(cfg, 'bf16')
    cfg.train_cfg = dict(by_epoch=False, max_iters=steps)
    cfg.param_scheduler = dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=False,
        begin=0,
        end=max(1, steps // 4))
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.update(checkpoint=None, logger=None)
    cfg.custom_hooks = [
        hook for hook in cfg.custom_hooks if hook['type'] == 'ChannelsLastHook'
    ]
    # one by that name would be taken up again, with the folder of its run
    cfg.visualizer = dict(
        type='SelfSupVisualizer', name=cfg.experiment_name, vis_backends=None)
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = Runner.from_cfg(cfg)
        losses = KeepLosses()
        runner.register_hook(losses)
        runner.train()
    return losses.curve


def smoothed(curve: list[float]) -> list[float]:
    """Mean over a window that slides."""
    return [
        statistics.fmean(curve[i:i + SMOOTH])
        for i in range(max(1,
                           len(curve) - SMOOTH + 1))
    ]


def distance(one: list[float], other: list[float]) -> float:
    """Mean absolute difference of two smoothed curves."""
    return statistics.fmean(
        abs(a - b) for a, b in zip(smoothed(one), smoothed(other)))


def verdict(curves: dict[str, list[list[float]]]) -> dict[str, float]:
    """Distance between precisions and between seeds.

    Args:
        curves (dict): ``'fp32'`` and ``'bf16'``, a curve for each seed.
    """
    precisions = [
        distance(*pair) for pair in zip(curves['fp32'], curves['bf16'])
    ]
    seeds = [
        distance(*pair) for pair in itertools.combinations(curves['fp32'], 2)
    ]
    return dict(
        between_precisions=statistics.fmean(precisions),
        between_seeds=statistics.fmean(seeds),
        ratio=statistics.fmean(precisions) / statistics.fmean(seeds),
        last_fp32=statistics.fmean(
            smoothed(each)[-1] for each in curves['fp32']),
        last_bf16=statistics.fmean(
            smoothed(each)[-1] for each in curves['bf16']))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a config file, or just its name')
    parser.add_argument('--steps', type=int, default=200)
    parser.add_argument('--seeds', type=int, default=2, help='2 or more')
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--data', help='folder of images, for data_root')
    parser.add_argument('--json', help='also write curves and figures here')
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error(f'--seeds {args.seeds}: the noise of the seeds takes two '
                     'or more')
    return args


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(find_config(args.config, config_roots(REPO)))
    cfg.train_dataloader.batch_size = args.batch
    if args.data:
        cfg.train_dataloader.dataset.data_root = args.data
    curves = {
        precision: [
            train(cfg, seed, args.steps, precision)
            for seed in range(args.seeds)
        ]
        for precision in ('fp32', 'bf16')
    }
    figures = verdict(curves)
    print(f'{describe()}; {args.config}, batch {args.batch}, {args.steps} '
          f'steps, {args.seeds} seeds')
    print('| distance between precisions | between seeds | ratio | last loss, '
          'fp32 | last loss, bf16 |\n|---|---|---|---|---|')
    print('| {between_precisions:.4f} | {between_seeds:.4f} | {ratio:.2f} | '
          '{last_fp32:.4f} | {last_bf16:.4f} |'.format(**figures))
    print('bf16 stays within the noise of the seeds' if figures['ratio'] <=
          1 else 'bf16 departs from fp32 by more than the seeds do')
    if args.json:
        row = dict(machine=describe(), **vars(args), **figures, curves=curves)
        Path(args.json).write_text(json.dumps([row]) + '\n')


if __name__ == '__main__':
    main()
