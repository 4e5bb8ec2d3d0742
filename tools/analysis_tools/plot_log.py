# Copyright (c) mmregioncl contributors. All rights reserved.
"""Curves of one run or several, with a reference curve.

    python tools/analysis_tools/plot_log.py work_dirs/regioncl_mocov2_r50 \
        --reference regioncl_mocov2_r50
    python tools/analysis_tools/plot_log.py work_dirs/A work_dirs/B \
        --keys loss_instance knn/top1

A run is a work dir, or one of the files in zoo/logs. Written are
a PNG and one index.html that opens without a server.
"""
from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

# what is drawn of a run, as far as it has logged it
KEYS = ('loss_instance', 'loss_region', 'loss_dense', 'loss', 'acc_instance',
        'feature_std', 'knn/top1')
LABELS = {
    'loss': 'loss (sum)',
    'loss_instance': 'instance loss',
    'loss_region': 'region loss',
    'loss_dense': 'dense loss',
    'acc_instance': 'key found among negatives (%)',
    'feature_std': 'spread of projections (0: collapsed)',
    'knn/top1': 'k-NN top-1 (%)'
}


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', help='work dirs or record files')
    parser.add_argument(
        '--keys',
        nargs='+',
        metavar='KEY',
        help='what to draw, of what the runs logged; by default '
        f'{", ".join(KEYS)}, as far as they are there')
    parser.add_argument(
        '--reference',
        metavar='NAME',
        help='a reference curve that comes with the package: '
        'regioncl_mocov2_r50 is the run of the authors, at batch 1024')
    parser.add_argument(
        '--x',
        choices=('epoch', 'iteration'),
        default='epoch',
        help='epochs compare runs of different batches (default: epoch)')
    parser.add_argument(
        '--smooth',
        type=int,
        default=1,
        help='average so many records in a row (default: 1, none)')
    parser.add_argument(
        '--out',
        type=Path,
        help='folder; plot_log in that of the first run by default')
    return parser, parser.parse_args()


def iterations_per_epoch(records: list[dict]) -> float | None:
    """As far as the log tells; it does not say it."""
    from mmregioncl.run_log import epoch_length
    rows = [record for record in records if 'epoch' in record]
    length, told = epoch_length(rows) if rows else (1., False)
    return length if told else None


def curve(records: list[dict], key: str,
          per_epoch: float | None) -> tuple[list[float], list[float]]:
    """Places and values of one quantity over a run.

    The step of an evaluation is an epoch, that of all else an iteration.
    Places are epochs if there is a number of iterations per epoch, else
    iterations, and an evaluation is then where the last iteration was.
    """
    places, values, latest = [], [], 0
    for record in records:
        evaluated = 'epoch' not in record
        latest = latest if evaluated else record['step']
        if key in record:
            if evaluated:
                place = record['step'] if per_epoch else latest
            else:
                place = record['step'] / (per_epoch or 1)
            places.append(place)
            values.append(record[key])
    return places, values


def smoothed(values: list[float], window: int) -> list[float]:
    """Mean of each value and of those before it, so many in all."""
    parts = (
        values[max(0, end - window):end] for end in range(1,
                                                          len(values) + 1))
    return [sum(part) / len(part) for part in parts]


def draw(runs: dict[str, list[dict]], keys: list[str], x: str, window: int,
         reference: Any) -> Any:
    """One panel per quantity, one line per run."""
    from matplotlib.figure import Figure
    per_epoch = {
        name: iterations_per_epoch(records) if x == 'epoch' else None
        for name, records in runs.items()
    }
    in_iterations = None in per_epoch.values()  # shorter than two epochs
    if in_iterations:
        per_epoch = dict.fromkeys(runs)
    columns = min(len(keys), 3)
    lines = -(-len(keys) // columns)
    figure = Figure(
        figsize=(4.4 * columns, 3.3 * lines + .5), layout='constrained')
    axes = figure.subplots(lines, columns, squeeze=False).flatten()
    for ax, key in zip(axes, keys):
        last = 0.
        for name, records in runs.items():
            places, values = curve(records, key, per_epoch[name])
            last = max(last, *places, 0)
            style = dict(marker='o') if len(places) < 30 else {}
            ax.plot(places, smoothed(values, window), label=name, **style)
        if reference is not None and key in reference.curves:
            epochs, values = zip(*reference.curves[key])
            scale = reference.iterations_per_epoch if in_iterations else 1
            ax.plot([each * scale for each in epochs],
                    values,
                    'k--',
                    lw=1.5,
                    label='reference')
            ax.set_xlim(right=1.05 * last)  # it may be much longer
        ax.set(ylabel=LABELS.get(key, key))
        ax.set_xlabel('iteration' if in_iterations else 'epoch')
        ax.grid(alpha=.3)
    for ax in axes[len(keys):]:
        ax.remove()
    handles = {
        label: handle
        for ax in axes[:len(keys)]
        for handle, label in zip(*ax.get_legend_handles_labels())
    }
    figure.legend(
        handles.values(), handles.keys(), loc='outside upper left', ncols=2)
    return figure


def name_runs(paths: list[str]) -> dict[str, Path]:
    """Short names, as far as they tell the runs apart."""
    found = {
        Path(path).name.removesuffix('.json'): Path(path)
        for path in paths
    }
    if len(found) < len(paths):
        found = {path: Path(path) for path in paths}
    return found


def main() -> None:
    parser, args = parse_args()
    if args.smooth < 1:
        parser.error(f'--smooth must be 1 or more, got {args.smooth}')
    from mmregioncl.apis.run_curves import read_reference
    from mmregioncl.run_log import read_run
    from mmregioncl.visualization import open_folder, write_page
    try:
        runs = {
            name: read_run(path)
            for name, path in name_runs(args.runs).items()
        }
        logged = {key for run in runs.values() for each in run for key in each}
        keys = args.keys or [key for key in KEYS if key in logged]
        unknown = sorted(set(keys) - logged)
        if not logged:
            raise ValueError(f'{", ".join(runs)}: nothing is logged yet')
        if unknown or not keys:
            wanted = ', '.join(unknown) or 'what is drawn by default'
            raise ValueError(f'no run has logged {wanted}; there are '
                             f'{", ".join(sorted(logged))}')
        reference = None
        if args.reference is not None:
            reference = read_reference(args.reference, REPO / 'zoo')
        first = Path(args.runs[0])
        out = open_folder(args.out or (
            first if first.is_dir() else first.parent) / 'plot_log')
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    figure = draw(runs, keys, args.x, args.smooth, reference)
    text = f'Curves of {", ".join(runs)}.'
    if reference is not None:
        text += f' Dashed: the reference {args.reference}.'
    for path in write_page(out, 'Curves', shlex.join(['python', *sys.argv]),
                           [('curves', text, figure)]):
        print(path)


if __name__ == '__main__':
    main()
