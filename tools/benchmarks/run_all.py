# Copyright (c) mmregioncl contributors. All rights reserved.
"""Run every transfer benchmark of the paper, and tabulate beside its numbers.

    python tools/benchmarks/run_all.py WEIGHTS            # run, or go on
    python tools/benchmarks/run_all.py WEIGHTS --table    # tabulate only
    python tools/benchmarks/run_all.py [WEIGHTS] --dry-run

What the benchmarks are, and what the paper gives, stands in
docs/results/paper.json. Runs, logs and the table go into a folder named after
the checksum of the weights; a run that was stopped goes on, one that failed is
tried again, one that is done is left alone. A dry run does two iterations and
an evaluation of each on drawn scenes.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

import transfer_table  # noqa: E402

from mmregioncl.launch import config_roots, find_config  # noqa: E402

RANDOM = 'random'


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'weights',
        nargs='?',
        help='a training checkpoint or an exported backbone, ResNet-50, or '
        f'`{RANDOM}`; without it a dry run takes an untrained RegionCL-M')
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='minutes on a CPU, in place of days on 8 GPUs')
    parser.add_argument(
        '--demo',
        default='data/demo',
        metavar='FOLDER',
        help='where make_demo_data.py wrote the scenes of a dry run')
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='CONFIG',
        help='names of configs, without .py')
    parser.add_argument(
        '--gpus',
        type=int,
        default=8,
        help='processes of each run (default: 8, as the authors; dry runs '
        'have one). With fewer, each takes more images: the batch stays')
    parser.add_argument('--work-dir', type=Path, default='work_dirs/run_all')
    parser.add_argument(
        '--table', action='store_true', help='tabulate, run nothing')
    return parser, parser.parse_args()


def untrained(folder: Path) -> Path:
    """A checkpoint of RegionCL-M as if saved before the first iteration."""
    path = folder / 'untrained_regioncl_mocov2_r50.pth'
    if not path.is_file():
        import torch
        from mmengine.config import Config
        from mmengine.registry import init_default_scope
        cfg = Config.fromfile(
            find_config('regioncl_mocov2_r50', config_roots(REPO)))
        init_default_scope(cfg.default_scope)
        from mmselfsup.registry import MODELS
        model = MODELS.build(cfg.model)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path


def identify(weights: str) -> str:
    """A name for the folder of these weights; opens the file to see whether
    they can be used.

    Raises:
        OSError: If there is no such file.
        ValueError: If it holds no backbone.
    """
    if weights == RANDOM:
        return RANDOM
    from mmregioncl.transfer import find_backbone, load_checkpoint_file
    layout = find_backbone(load_checkpoint_file(weights), weights).layout
    if str(layout) != 'ResNet-50':
        raise ValueError(f'{weights} holds a {layout}; the benchmarks of the '
                         'paper take a ResNet-50')
    digest = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    return f'{Path(weights).stem}-{digest[:8]}'


def command(name: str, args: argparse.Namespace, folder: Path) -> list[str]:
    """What trains one config and evaluates it.

    Raises:
        ValueError: If there is no such config, or its batch cannot be divided
            among the GPUs.
    """
    config = find_config(name, config_roots(REPO))
    tool = [
        str(REPO / 'tools' / 'benchmarks' / 'train_downstream.py'), config,
        str(args.weights), '--work-dir',
        str(folder), '--resume'
    ]
    if args.dry_run:
        return [sys.executable, *tool, '--dry-run', args.demo]
    from mmengine.config import Config
    cfg = Config.fromfile(config, import_custom_modules=False)
    total = cfg.auto_scale_lr.base_batch_size
    if total % args.gpus:
        raise ValueError(f'--gpus {args.gpus}: {name} takes {total} images at '
                         'a time, which they cannot share evenly')
    tool += [
        '--cfg-options', f'train_dataloader.batch_size={total // args.gpus}'
    ]
    if args.gpus == 1:
        return [sys.executable, *tool]
    return [
        sys.executable, '-m', 'torch.distributed.run', '--standalone',
        f'--nproc_per_node={args.gpus}', *tool, '--launcher', 'pytorch'
    ]


def run(name: str, args: argparse.Namespace, folder: Path) -> None:
    """Run one config and note that it is done; its log says what failed."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / 'run.log'
    print(f'{name}: {log}', flush=True)
    start = time.perf_counter()
    with open(log, 'w', encoding='utf-8') as out:
        code = subprocess.run(
            command(name, args, folder), stdout=out,
            stderr=subprocess.STDOUT).returncode
    seconds = round(time.perf_counter() - start)
    if code == 0:
        (folder / 'done.json').write_text(json.dumps(dict(seconds=seconds)))
        print(f'  done in {seconds} s', flush=True)
    else:
        print(
            f'  failed after {seconds} s: {transfer_table.last_line(log)}',
            flush=True)


def main() -> None:
    parser, args = parse_args()
    if args.dry_run:
        args.work_dir = args.work_dir.with_name(args.work_dir.name + '_dry')
    try:
        rows = transfer_table.paper_rows()
        names = list(dict.fromkeys(row['config'] for row in rows))
        if args.weights is None:
            if not args.dry_run:
                raise ValueError('name the WEIGHTS, or add --dry-run')
            args.weights = str(untrained(args.work_dir))
        unknown = set(args.only or ()) - set(names)
        if unknown:
            raise ValueError(f'--only: no benchmark {", ".join(unknown)}; '
                             f'there are {", ".join(names)}')
        home = args.work_dir / identify(args.weights)
        for name in names:  # all of them, before hours are spent on one
            command(name, args, home / name)
    except (OSError, ValueError) as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    home.mkdir(parents=True, exist_ok=True)
    for name in args.only or names:
        done = home / name / 'done.json'
        if not args.table and not done.is_file():
            run(name, args, home / name)
        results = transfer_table.fill_in(rows, home)
        table = transfer_table.write_table(results, home, args.weights,
                                           args.dry_run)
    print(f'\n{table}\n{home}/results.md, results.json')
    asked = [row for row in results if row['config'] in (args.only or names)]
    if not args.table and any(row['ours'] is None for row in asked):
        sys.exit(1)


if __name__ == '__main__':
    main()
