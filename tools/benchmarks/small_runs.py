# Copyright (c) mmregioncl contributors. All rights reserved.
"""Run the small configs one after the other, and tabulate what they gave.

    python tools/benchmarks/small_runs.py            # run or go on, tabulate
    python tools/benchmarks/small_runs.py --table    # tabulate only

Each run goes on where it was stopped. The table stands in
docs/results/small_runs.md, its figures in small_runs.json beside it, and each
run's curves in docs/results/curves/.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
HOSTS = dict(mocov2='M', densecl='D', simsiam='S')
DATA = ('cifar10', 'tinyimagenet')


def names(methods: list[str], data: list[str], width: str) -> list[str]:
    """Config names: each RegionCL algorithm, then its plain twin."""
    return [
        f'{prefix}{method}_{width}_{each}' for method in methods
        for each in data for prefix in ('regioncl_', '')
    ]


def run(name: str) -> None:
    """Train one config, from where it stopped."""
    subprocess.run([
        sys.executable, 'tools/train.py', f'configs/small/{name}.py',
        '--resume'
    ],
                   cwd=REPO,
                   check=True)


def read_curves(name: str, out: Path) -> list[dict]:
    """Every record that the run logged, in order, without repetitions.

    Of a run that was made elsewhere, what was kept of it in ``out``.
    """
    records: dict[tuple, dict] = {}
    logs = sorted((REPO / 'work_dirs' / name).glob('*/vis_data/scalars.json'))
    logs = logs or sorted((out / 'curves').glob(f'{name}.json'))
    for log in logs:
        for line in log.read_text().splitlines():
            record = json.loads(line)
            kind = 'knn' if 'knn/top1' in record else 'loss'
            records[kind, record['step']] = record
    return list(records.values())


def summarise(name: str, records: list[dict]) -> dict | None:
    """The figures of one run, or None if it has not finished an epoch."""
    knn = [(r['step'], r['knn/top1']) for r in records if 'knn/top1' in r]
    steps = [r for r in records if 'loss' in r]
    if len(knn) < 2 or not steps:
        return None
    last = steps[-1]
    return dict(
        name=name,
        knn_random=knn[0][1],
        knn_last=knn[-1][1],
        epochs=knn[-1][0],
        iterations=last['step'],
        loss_instance=last.get('loss_instance',
                               last.get('loss_single', last['loss'])),
        loss_region=last.get('loss_region'))


def write(rows: list[dict], out: Path) -> str:
    """Write table and figures; returns the table."""
    lines = [
        '| config | epochs | k-NN, random weights | k-NN | instance loss '
        '| region loss |', '|---|---|---|---|---|---|'
    ]
    for row in rows:
        region = row['loss_region']
        lines.append(
            '| {name} | {epochs} | {knn_random:.2f} | {knn_last:.2f} | '
            '{loss_instance:.3f} | '.format(**row) +
            ('' if region is None else f'{region:.3f}') + ' |')
    table = '\n'.join(lines)
    out.mkdir(parents=True, exist_ok=True)
    (out / 'small_runs.json').write_text(json.dumps(rows, indent=2) + '\n')
    text = out / 'small_runs.md'
    begin, end = '<!-- table -->', '<!-- end of table -->'
    page = text.read_text() if text.exists() else f'{begin}\n{end}\n'
    head, rest = page.split(begin, 1)
    text.write_text(f'{head}{begin}\n\n{table}\n\n{end}'
                    f'{rest.split(end, 1)[1]}')
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--methods', nargs='+', default=list(HOSTS), choices=list(HOSTS))
    parser.add_argument('--data', nargs='+', default=list(DATA), choices=DATA)
    parser.add_argument('--width', default='r18w16', help='or r18')
    parser.add_argument(
        '--table', action='store_true', help='tabulate, run nothing')
    parser.add_argument('--out', type=Path, default=REPO / 'docs/results')
    args = parser.parse_args()
    rows = []
    for name in names(args.methods, args.data, args.width):
        if not args.table:
            run(name)
        records = read_curves(name, args.out)
        row = summarise(name, records)
        if row is not None:
            rows.append(row)
            curves = args.out / 'curves'
            curves.mkdir(parents=True, exist_ok=True)
            (curves / f'{name}.json').write_text('\n'.join(
                json.dumps(record) for record in records) + '\n')
    print(write(rows, args.out))


if __name__ == '__main__':
    main()
