# Copyright (c) mmregioncl contributors. All rights reserved.
r"""k-NN evaluation of a checkpoint, as the config sets it.

    python tools/test.py resnet50_knn_in1k work_dirs/.../epoch_200.pth
    tools/dist_test.sh configs/benchmarks/classification/resnet50_knn_in1k.py \
        CHECKPOINT 8
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
        description='k-NN top-1 of the backbone in a checkpoint.')
    add_launch_arguments(parser)
    parser.add_argument(
        'checkpoint',
        help='a training checkpoint, or an exported backbone whose names are '
        'those of the config\'s backbone')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        cfg = load_config(args, REPO)
        if not Path(args.checkpoint).is_file():
            raise ValueError(f'there is no checkpoint {args.checkpoint!r}')
        if cfg.get('val_cfg') is None:
            raise ValueError(
                f'{args.config} sets no evaluation; give it val_dataloader, '
                "val_evaluator=dict(type='KNNMetric') and val_cfg=dict("
                "type='KNNLoop', bank_dataloader=...)")
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    if args.work_dir is None:  # not among the logs of the run
        cfg.work_dir = str(Path(cfg.work_dir) / 'test')
    cfg.load_from, cfg.resume = None, False  # not the one of the config
    # with save_best it fails unless it is training
    cfg.setdefault('default_hooks', {})['checkpoint'] = None

    from mmengine.model import is_model_wrapper
    from mmengine.runner import Runner

    import mmregioncl.register  # noqa: F401
    from mmregioncl.evaluation.load_backbone import load_backbone
    runner = Runner.from_cfg(cfg)
    model = runner.model
    model = model.module if is_model_wrapper(model) else model
    try:
        runner.logger.info(load_backbone(model.backbone, args.checkpoint))
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    runner.val()


if __name__ == '__main__':
    main()
