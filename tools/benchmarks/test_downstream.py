# Copyright (c) mmregioncl contributors. All rights reserved.
"""Evaluate a fine-tuned detector or segmentor.

    python tools/benchmarks/test_downstream.py CONFIG CHECKPOINT
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.launch import add_launch_arguments, load_config  # noqa: E402


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_launch_arguments(parser)
    parser.add_argument(
        'checkpoint', help='of the fine-tuned model, not the backbone')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        cfg = load_config(args, REPO)
        if not Path(args.checkpoint).is_file():
            raise ValueError(f'there is no checkpoint {args.checkpoint!r}')
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')

    from mmengine.model import is_model_wrapper
    from mmengine.runner import Runner

    from mmregioncl.transfer.downstream import (check_whole_model,
                                                own_predictions)
    if args.work_dir is None:  # not among the logs of the run
        cfg.work_dir = str(Path(cfg.work_dir) / 'test')
    own_predictions(cfg)
    cfg.load_from, cfg.resume = args.checkpoint, False
    runner = Runner.from_cfg(cfg)
    model = runner.model
    try:
        check_whole_model(model.module if is_model_wrapper(model) else model,
                          args.checkpoint)
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    runner.test()


if __name__ == '__main__':
    main()
