# Copyright (c) mmregioncl contributors. All rights reserved.
"""k-NN and linear top-1 of frozen features, for any pretraining config.

    python tools/benchmarks/classification/probe.py CONFIG CHECKPOINT

The config's bank (val_cfg.bank_dataloader) votes and is what the classifier
is fitted to; its val_dataloader is the test set. Without CHECKPOINT the
random weights of the config's seed are evaluated, to have something to
compare with.
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.launch import add_launch_arguments, load_config  # noqa: E402


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_launch_arguments(parser)
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='a training checkpoint, or an exported backbone whose names are '
        'those of the config\'s backbone; none: random weights')
    parser.add_argument(
        '--out', type=Path, help='write the figures to this json file too')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        cfg = load_config(args, REPO)
        if args.checkpoint and not Path(args.checkpoint).is_file():
            raise ValueError(f'there is no checkpoint {args.checkpoint!r}')
        if (cfg.get('val_cfg') or {}).get('type') != 'KNNLoop':
            raise ValueError(
                f'{args.config} names no bank; give it val_dataloader, '
                "val_evaluator=dict(type='KNNMetric') and val_cfg=dict("
                "type='KNNLoop', bank_dataloader=...)")
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    cfg.load_from, cfg.resume = None, False  # not the one of the config
    # with save_best it fails unless it is training
    cfg.setdefault('default_hooks', {})['checkpoint'] = None

    from mmengine.dist import is_main_process
    from mmengine.model import is_model_wrapper
    from mmengine.runner import Runner

    import mmregioncl.register  # noqa: F401
    from mmregioncl.evaluation import KNNMetric, knn_classify
    from mmregioncl.evaluation.features import (extract_features,
                                                gather_features)
    from mmregioncl.evaluation.linear_probe import choose_l2, linear_probe
    from mmregioncl.evaluation.load_backbone import load_backbone
    runner = Runner.from_cfg(cfg)
    model = runner.model
    model = model.module if is_model_wrapper(model) else model
    if args.checkpoint:
        runner.logger.info(load_backbone(model.backbone, args.checkpoint))
    else:
        model.init_weights()
    model.eval()
    loop = runner.build_val_loop(cfg.val_cfg)
    bank, test = (
        gather_features(extract_features(model, each))
        for each in (loop.bank_dataloader, loop.dataloader))
    metric = next(
        each for each in loop.evaluator.metrics if isinstance(each, KNNMetric))
    predicted = knn_classify(bank.vectors, bank.labels, test.vectors, metric.k,
                             metric.temperature)
    l2 = choose_l2(bank.vectors, bank.labels)
    figures = dict(
        config=Path(args.config).stem,
        checkpoint=args.checkpoint,
        train_images=len(bank.labels),
        test_images=len(test.labels),
        knn_top1=100. * int(
            (predicted == test.labels).sum()) / len(test.labels),
        linear_top1=linear_probe(bank.vectors, bank.labels, test.vectors,
                                 test.labels, (l2, )),
        linear_l2=l2)
    if is_main_process():
        print(json.dumps(figures))
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(figures, indent=2) + '\n')


if __name__ == '__main__':
    main()
