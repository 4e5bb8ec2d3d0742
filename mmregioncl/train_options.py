# Copyright (c) mmregioncl contributors. All rights reserved.
"""Options of a training run, for pretraining and downstream alike.

Light to import, as :mod:`mmregioncl.launch` is.
"""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """What every tool that trains takes, beside the launch arguments.

    Args:
        parser (argparse.ArgumentParser): Gets the arguments.
    """
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CKPT',
        help='go on from this checkpoint; without a name, from the latest in '
        'the work dir, or from the start if there is none, so that the same '
        'command can be repeated until the run is done')
    parser.add_argument(
        '--amp',
        nargs='?',
        const='auto',
        choices=['auto', 'fp16', 'bf16'],
        metavar='fp16|bf16',
        help='mixed precision. bf16 keeps the range of float32 and needs a '
        'GPU since Ampere, or a CPU with bf16 instructions (AVX512-BF16, '
        'AMX): others compute it too, but 7 times slower than float32. fp16 '
        'suits older GPUs, with a loss scale. Without a value: bf16 on CPUs '
        'and on GPUs that compute in it, else fp16')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='multiply the lr by total batch / auto_scale_lr.base_batch_size '
        'of the config. Use it whenever GPUs x batch_size is not the batch '
        'that the config was written for')
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='leave out the evaluation of the config')
    parser.add_argument(
        '--seed',
        type=int,
        help='makes the run repeatable; a new one is drawn and logged '
        'otherwise')


def apply_train_arguments(cfg: Any, args: argparse.Namespace) -> None:
    """Set in the config what :func:`add_train_arguments` asked for.

    Args:
        cfg (mmengine.Config): The config; changed in place.
        args (argparse.Namespace): Parsed arguments.

    Raises:
        ValueError: If the checkpoint is not there, the precision cannot be
            had, or the config does not say for which batch its lr is.
    """
    if args.resume is not None:
        if args.resume != 'auto' and not Path(args.resume).is_file():
            raise ValueError(f'--resume: there is no file {args.resume!r}')
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.amp is not None:
        from mmregioncl.mixed_precision import apply_amp
        print(f'Mixed precision: {apply_amp(cfg, args.amp)}')
    if args.auto_scale_lr:
        _scale_lr(cfg)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=args.seed)


def _scale_lr(cfg: Any) -> None:
    """Have MMEngine scale the lr, which leaves accumulated batches out."""
    scaling = cfg.get('auto_scale_lr') or {}
    # counts: of a config that such a run has written
    base = scaling.get('base_batch_size', 0) * scaling.get('counts', 1)
    if not base:
        raise ValueError(
            '--auto-scale-lr: the config does not say for which total batch '
            'its lr is; set auto_scale_lr=dict(base_batch_size=...) in it')
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    if counts > 1:
        print(f'--auto-scale-lr: {base:g} images per update are '
              f'{base / counts:g} per iteration, with '
              f'accumulative_counts={counts}')
    cfg.auto_scale_lr = dict(
        scaling, enable=True, base_batch_size=base / counts, counts=counts)
