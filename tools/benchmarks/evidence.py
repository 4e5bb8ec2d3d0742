# Copyright (c) mmregioncl contributors. All rights reserved.
"""Does the region term pay? Run, go on with, and tabulate what answers it.

    OMP_NUM_THREADS=1 python tools/benchmarks/evidence.py --seeds 0 1 2
    python tools/benchmarks/evidence.py --groups price --seeds 0 --minutes 120
    python tools/benchmarks/evidence.py --table

Which runs there are says evidence_runs.py. A run that is finished is not
repeated and one that was stopped goes on, so that the command can be given
again and again. The table stands in docs/results/evidence.md, its figures in
evidence.json and their picture in evidence.png beside it. What evidence.json
has is not run and stays, so that the table grows on more than one machine;
--anew begins another one, of the work directory alone.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from evidence_picture import draw
from evidence_runs import Run, all_runs
from machine import describe
from mmengine.config import Config

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.cfg_options import as_text  # noqa: E402
from mmregioncl.run_log import knn_curve, read_run  # noqa: E402

OUT = REPO / 'docs/results'
WARM_UP = 2  # epochs; without it RegionCL-M may end in a constant output
GROUPS = dict(
    twins='RegionCL against its hosts',
    ablation='RegionCL with one thing changed',
    price='RegionCL-M for less')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--groups', nargs='+', default=list(GROUPS),
                        choices=list(GROUPS))  # yapf: disable
    parser.add_argument('--only', nargs='+', help='names of runs')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument(
        '--epochs', type=int, default=15, help='of the hosts; default 15')
    parser.add_argument(
        '--images', type=int, default=10000, help='of the training set')
    parser.add_argument('--amp', choices=['bf16'], help='faster on some CPUs')
    parser.add_argument(
        '--minutes', type=float, help='start no run after so many minutes')
    parser.add_argument(
        '--work-dir', type=Path, default=REPO / 'work_dirs/evidence')
    parser.add_argument(
        '--anew',
        action='store_true',
        help='forget the runs that evidence.json has')
    parser.add_argument(
        '--table', action='store_true', help='tabulate, run nothing')
    args = parser.parse_args()
    args.work_dir = args.work_dir.resolve()  # runs start in the repository
    return args


def budget(args: argparse.Namespace) -> str:
    """Names the folder, so that runs of two budgets never mix."""
    return f'{args.images}x{args.epochs}{"-" + args.amp if args.amp else ""}'


def folder(args: argparse.Namespace, run: Run, seed: int) -> Path:
    return args.work_dir / budget(args) / f'{run.name}-seed{seed}'


def options(args: argparse.Namespace, run: Run) -> dict[str, Any]:
    """What a run changes in its config: budget, then its own settings."""
    epochs = round(args.epochs * run.longer)
    return {
        'train_dataloader.dataset.max_images': args.images,
        'train_cfg.max_epochs': epochs,
        'train_cfg.val_interval': epochs,  # and before the first step
        'param_scheduler.0.end': WARM_UP,
        'param_scheduler.1.begin': WARM_UP,
        'param_scheduler.1.end': epochs,
        'param_scheduler.1.T_max': epochs - WARM_UP,
    } | run.options


def recorded(args: argparse.Namespace) -> dict[str, dict[int, Any]]:
    """By run and seed the figures that evidence.json has."""
    file = OUT / 'evidence.json'
    if args.anew or not file.exists():
        return {}
    found = json.loads(file.read_text())
    if found['budget'] != budget(args):
        sys.exit(f'{file} has runs of the budget {found["budget"]}, these are '
                 f'of {budget(args)}; give --images, --epochs and --amp as '
                 'there, or --anew to replace its table')
    return {
        row['name']: {
            int(s): each
            for s, each in row['seeds'].items()
        }
        for row in found['rows']
    }


def check_recipe(args: argparse.Namespace, run: Run, seed: int) -> None:
    """Neither go on with nor tabulate what another recipe began."""
    note = folder(args, run, seed) / 'recipe.sha256'
    begun = note.parent.exists()
    if begun and not note.exists():
        return  # before there were such notes
    cfg = Config.fromfile(REPO / f'configs/small/{run.config}.py')
    cfg.merge_from_dict(options(args, run))
    recipe = hashlib.sha256(cfg.pretty_text.encode()).hexdigest() + '\n'
    if not begun:
        note.parent.mkdir(parents=True)
        note.write_text(recipe)
    elif note.read_text() != recipe:
        sys.exit(f'{note.parent} was begun with other settings than '
                 f'configs/small/{run.config}.py and evidence_runs.py have '
                 'now; remove it, or name another --work-dir')


def train(args: argparse.Namespace, run: Run, seed: int) -> None:
    """Train from where it stopped, then evaluate frozen features."""
    work_dir = folder(args, run, seed)
    if seed in recorded(args).get(run.name, {}):
        return
    config = f'configs/small/{run.config}.py'
    check_recipe(args, run, seed)
    if (work_dir / 'probe.json').exists():
        return
    changes = [f'{k}={as_text(v)}' for k, v in options(args, run).items()]
    command = [
        sys.executable, 'tools/train.py', config, '--resume', '--work-dir',
        str(work_dir), '--seed',
        str(seed)
    ]
    command += ['--amp', args.amp] if args.amp else []
    print(f'== {work_dir.name}', flush=True)
    subprocess.run([*command, '--cfg-options', *changes], cwd=REPO, check=True)
    checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
    subprocess.run([
        sys.executable, 'tools/benchmarks/classification/probe.py', config,
        checkpoint, '--out',
        str(work_dir / 'probe.json')
    ],
                   cwd=REPO,
                   check=True)


def figures(work_dir: Path) -> dict[str, float] | None:
    """What a finished run gave, or None."""
    probe = work_dir / 'probe.json'
    if not probe.exists():
        return None
    found = json.loads(probe.read_text())
    records = read_run(work_dir)
    steps = [r['time'] for r in records if 'loss' in r]
    return dict(
        knn=found['knn_top1'],
        linear=found['linear_top1'],
        knn_random=knn_curve(records)[0][1],
        step_seconds=statistics.median(steps))


def collect(args: argparse.Namespace) -> list[dict[str, Any]]:
    """A row per run that has finished with at least one seed."""
    rows, before = [], recorded(args)
    for run in all_runs():
        seeds = before.get(run.name, {})
        for work_dir in sorted((args.work_dir / budget(args)).glob(
                f'{run.name}-seed*')):  # yapf: disable
            found = figures(work_dir)
            if found is not None:
                seed = int(work_dir.name.rsplit('seed', 1)[1])
                check_recipe(args, run, seed)
                seeds[seed] = found
        if seeds:
            rows.append(
                dict(
                    name=run.name,
                    group=run.group,
                    data=run.config.rsplit('_', 1)[1],
                    label=run.label,
                    host=run.host,
                    cost=float(run.cost),
                    epochs=round(args.epochs * run.longer),
                    seeds=dict(sorted(seeds.items()))))
    return rows


def spread(values: list[float]) -> dict[str, float]:
    """Mean and, of several, standard deviation."""
    found = dict(mean=statistics.fmean(values)) if values else {}
    if len(values) > 1:
        found['std'] = statistics.stdev(values)
    return found


def summarise(rows: list[dict[str, Any]]) -> None:
    """Add to each row its accuracies, and their differences on the same seeds.

    ``*_gain`` is that to the plain host, ``*_change`` that to RegionCL with
    nothing changed, of the rows that change something.
    """
    known = {row['name']: row['seeds'] for row in rows}
    for row in rows:
        others = dict(gain=row['host'])
        if row['group'] != 'twins':
            others['change'] = f'regioncl_{row["host"]}'
        for name in ('knn', 'linear'):
            row[name] = spread([each[name] for each in row['seeds'].values()])
            for key, other in others.items():
                base = {} if other == row['name'] else known.get(other, {})
                row[f'{name}_{key}'] = spread([
                    each[name] - base[seed][name]
                    for seed, each in row['seeds'].items() if seed in base
                ])


def as_cell(found: dict[str, float]) -> str:
    return ' ± '.join(f'{value:z.1f}' for value in found.values())  # no -0.0


def tabulate(rows: list[dict[str, Any]]) -> str:
    """Markdown, one table per question."""
    text = []
    for group, title in GROUPS.items():
        chosen = [row for row in rows if row['group'] == group]
        if not chosen:
            continue
        sides = {'gain': 'over its host'}
        if group != 'twins':
            sides['change'] = 'over RegionCL unchanged'
        titles = ['data', 'run', 'passes', 'epochs', 'seeds']
        for name in ('k-NN', 'linear'):
            titles += [name, *sides.values()]
        text += [
            f'## {title}', '', '| ' + ' | '.join(titles) + ' |',
            '|---' * len(titles) + '|'
        ]
        for row in chosen:
            cells = [
                row['data'], row['label'],
                f'{float(Fraction(row["cost"]).limit_denominator(64)):.2f}',
                str(row['epochs']),
                str(len(row['seeds']))
            ]
            for name in ('knn', 'linear'):
                cells += [as_cell(row[name])]
                cells += [as_cell(row[f'{name}_{side}']) for side in sides]
            text.append('| ' + ' | '.join(cells) + ' |')
        text.append('')
    return '\n'.join(text)


def write(args: argparse.Namespace) -> None:
    rows = collect(args)
    if not rows:
        sys.exit(f'no run has finished in {args.work_dir / budget(args)}: '
                 'nothing to tabulate')
    summarise(rows)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / 'evidence.json').write_text(
        json.dumps(
            dict(machine=describe('cpu'), budget=budget(args), rows=rows),
            indent=1) + '\n')
    draw(rows, OUT / 'evidence.png')
    page, begin, end = OUT / 'evidence.md', '<!-- table -->', '<!-- end -->'
    old = page.read_text() if page.exists() else f'{begin}\n{end}\n'
    head, rest = old.split(begin, 1)
    table = tabulate(rows)
    page.write_text(f'{head}{begin}\n\n{table}\n{end}{rest.split(end, 1)[1]}')
    print(table)


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    wanted = [
        run for run in all_runs() if run.group in args.groups and (
            args.only is None or run.name in args.only)
    ]
    if args.only and len(wanted) < len(set(args.only)):
        sys.exit('--only: there is no run '
                 f'{sorted(set(args.only) - {run.name for run in wanted})}; '
                 f'there are {[run.name for run in all_runs()]}')
    recorded(args)  # another budget is told before anything runs
    due = [(run, seed) for seed in args.seeds for run in wanted]
    failed = ''
    for run, seed in [] if args.table else due:
        minutes = (time.monotonic() - start) / 60
        if args.minutes is not None and minutes >= args.minutes:
            break
        try:
            train(args, run, seed)
        except subprocess.CalledProcessError as error:
            failed = f'{folder(args, run, seed)}: {error}'
            break
    write(args)
    if failed:
        sys.exit(failed)


if __name__ == '__main__':
    main()
