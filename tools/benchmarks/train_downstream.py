# Copyright (c) mmregioncl contributors. All rights reserved.
"""Fine-tune a detector or segmentor from pretrained weights.

    python tools/benchmarks/train_downstream.py CONFIG WEIGHTS
    python tools/benchmarks/train_downstream.py mask-rcnn_r50-fpn_1x_coco \
        work_dirs/regioncl_mocov2_r50/epoch_200.pth

WEIGHTS is a training checkpoint as it is, or what tools/export.py wrote;
`random` trains from random weights, to compare with. The launch scripts in
mmdetection/ and mmsegmentation/ start this with several processes.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl import train_options  # noqa: E402
from mmregioncl.launch import add_launch_arguments, load_config  # noqa: E402


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_launch_arguments(parser)
    parser.add_argument(
        'weights',
        help='a training checkpoint, an exported backbone, or `random`')
    parser.add_argument(
        '--dry-run',
        nargs='?',
        const='data/demo',
        metavar='FOLDER',
        help='two iterations and an evaluation on small drawn scenes, to see '
        'that all of it works; FOLDER is where make_demo_data.py wrote them, '
        'data/demo if none is given')
    train_options.add_train_arguments(parser)
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        cfg = load_config(args, REPO)
        from mmregioncl.transfer.downstream import own_predictions, set_weights
        print(f'Weights: {set_weights(cfg, args.weights)}')
        train_options.apply_train_arguments(cfg, args)
        if args.dry_run is not None:
            from mmregioncl.transfer.dry_run import make_dry
            make_dry(cfg, args.dry_run)
        own_predictions(cfg)
    except (OSError, ValueError) as error:
        parser.exit(2, f'{parser.prog}: {error}\n')

    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    class LastEvaluation(Hook):
        step = -1

        def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
            self.step = runner.iter

    runner, last = Runner.from_cfg(cfg), LastEvaluation()
    runner.register_hook(last)
    runner.train()
    if runner.val_loop is not None and last.step < runner.iter:
        runner.val()  # it had been stopped between training and evaluation


if __name__ == '__main__':
    main()
