# Copyright (c) mmregioncl contributors. All rights reserved.
"""Pretrain: one GPU, several, or a CPU, with the same config.

    python tools/train.py configs/regioncl_mocov2_r50.py
    tools/dist_train.sh configs/regioncl_mocov2_r50.py 8
    python tools/train.py regioncl_mocov2_r50 --resume --amp bf16

Told to stop by SIGTERM or SIGUSR1, it saves and ends with 75; the same command
with --resume goes on (docs/reliability.md).
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl import train_options  # noqa: E402
from mmregioncl.launch import add_launch_arguments  # noqa: E402
from mmregioncl.launch import load_config, need_settings  # noqa: E402


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description='Pretrain a backbone without labels.')
    add_launch_arguments(parser)
    train_options.add_train_arguments(parser)
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        cfg = load_config(args, REPO)
        need_settings(cfg, 'model', 'train_dataloader', 'train_cfg')
        train_options.apply_train_arguments(cfg, args)
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')

    from mmengine.runner import Runner

    import mmregioncl.register  # noqa: F401
    from mmregioncl.cpu_memory import keep_freed_memory
    from mmregioncl.engine.hooks.preemption_hook import EXIT_CODE, leave
    keep_freed_memory()
    try:
        Runner.from_cfg(cfg).train()
    except SystemExit as told:
        if told.code == EXIT_CODE:
            leave()
        raise


if __name__ == '__main__':
    main()
