# Copyright (c) mmregioncl contributors. All rights reserved.
"""Pretrain: one GPU, several, or a CPU, with the same config.

    python tools/train.py configs/regioncl_mocov2_r50.py
    tools/dist_train.sh configs/regioncl_mocov2_r50.py 8
    python tools/train.py regioncl_mocov2_r50 --resume --amp bf16
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.launch import add_launch_arguments, load_config  # noqa: E402


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description='Pretrain a backbone without labels.')
    add_launch_arguments(parser)
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
        help='leave out the k-NN evaluation of the config')
    parser.add_argument(
        '--seed',
        type=int,
        help='makes the run repeatable; a new one is drawn and logged '
        'otherwise')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        cfg = load_config(args, REPO)
        if args.resume not in (None,
                               'auto') and not Path(args.resume).is_file():
            raise ValueError(f'--resume: there is no file {args.resume!r}')
        if args.amp is not None:
            from mmregioncl.mixed_precision import apply_amp
            print(f'Mixed precision: {apply_amp(cfg, args.amp)}')
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if not cfg.get('auto_scale_lr', {}).get('base_batch_size'):
            parser.exit(
                2, f'{parser.prog}: --auto-scale-lr: the config does not say '
                'for which total batch its lr is; set '
                'auto_scale_lr=dict(base_batch_size=...) in it\n')
        cfg.auto_scale_lr.enable = True
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=args.seed)

    from mmengine.runner import Runner

    import mmregioncl.register  # noqa: F401
    Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    main()
