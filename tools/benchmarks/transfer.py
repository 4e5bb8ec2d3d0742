# Copyright (c) mmregioncl contributors. All rights reserved.
"""Fine-tune small detectors and segmentors from several initialisations.

    python tools/benchmarks/transfer.py --init random \
        --init mocov2 A.pth B.pth --init regioncl_mocov2 C.pth D.pth

Each --init is a name and its checkpoints; `random` has none. Run i of a name
takes seed i and, in turn, one of the checkpoints, so that several of them, of
several seeds, put the noise of pretraining into the figures too. All
initialisations go through the same recipe: that of the config.

A run that is done is not done again: call it until it says that all are, with
--max-runs to do so many at a time. docs/results/transfer.json gets mean and
standard deviation, and every run; transfer.md beside it the table. What they
have of other configs and initialisations stays.
"""
from __future__ import annotations

import argparse
import json
import runpy
import statistics
import sys
from pathlib import Path
from typing import Iterable

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from finetune_run import Run, fine_tune, read_result  # noqa: E402

from mmregioncl.launch import config_roots, find_config  # noqa: E402

CONFIGS = ('faster-rcnn_r18w16-fpn_bccd', 'upernet_r18w16_camvid')
PAGE = """# Transfer to real images

Small detectors and segmentors, fine-tuned from random weights and from what
pretraining without labels left, by `tools/benchmarks/transfer.py`. Every
initialisation goes through the same recipe, that of the config. Mean and
standard deviation are over runs of different seeds; where an initialisation
has several checkpoints, of different seeds too, they hold the noise of
pretraining as well. Each run is in transfer.json.

<!-- numbers: transfer.json config metric init runs mean:.2f std:.2f -->
<!-- end of numbers -->
"""


def plan(args: argparse.Namespace) -> list[Run]:
    """Every run, seed by seed, so that half of them compare as well.

    Raises:
        ValueError: If an initialisation or a config is not there.
    """
    configs = [
        str(Path(find_config(each, config_roots(REPO))).resolve())
        for each in args.configs
    ]
    inits: dict[str, list[str]] = {}
    for name, *checkpoints in args.init:
        if name in inits:
            raise ValueError(f'--init {name} is given twice; name all of its '
                             'checkpoints behind one')
        if bool(checkpoints) == (name == 'random'):
            raise ValueError('--init takes a name and its checkpoints, or '
                             f'`random` alone; got {[name, *checkpoints]}')
        for each in checkpoints:
            if not Path(each).is_file():
                raise ValueError(f'--init {name}: there is no file {each!r}')
        inits[name] = [str(Path(each).resolve())
                       for each in checkpoints] or ['random']
    return [
        Run(config, name, checkpoints[seed % len(checkpoints)], seed,
            tuple(args.cfg_options)) for seed in args.seeds
        for config in configs for name, checkpoints in inits.items()
    ]


def summarise(results: Iterable[dict]) -> list[dict]:
    """Mean and standard deviation per config, metric and initialisation."""
    groups: dict[tuple[str, str, str], list[dict]] = {}
    for result in results:
        for metric in result['metrics']:
            key = Path(result['config']).stem, metric, result['init']
            groups.setdefault(key, []).append(result)
    rows = []
    for (config, metric, init), members in sorted(
            groups.items(), key=lambda item: item[0][:2]):
        values = [each['metrics'][metric] for each in members]
        rows.append(
            dict(
                config=config,
                metric=metric,
                init=init,
                runs=len(values),
                mean=statistics.mean(values),
                std=statistics.stdev(values) if len(values) > 1 else None,
                values=[
                    dict(
                        seed=each['seed'],
                        value=value,
                        file=each['file'],
                        sha256=each['weights'][:8],
                        seconds=each['seconds'])
                    for each, value in zip(members, values)
                ]))
    return rows


def keep_others(rows: list[dict], file: Path) -> list[dict]:
    """Add what the table has of others, and of these with more runs."""
    before = json.loads(file.read_text()) if file.is_file() else []
    table = {(row['config'], row['metric'], row['init']): row
             for row in before}  # yapf: disable
    for row in rows:
        key = row['config'], row['metric'], row['init']
        old = table.get(key)
        if old is None or old['runs'] <= row['runs']:
            table[key] = row
        else:
            print(f'{", ".join(key)}: the table keeps its {old["runs"]} runs; '
                  f'these are {row["runs"]}')
    return sorted(
        table.values(), key=lambda row: (row['config'], row['metric']))


def write(rows: list[dict], out: Path) -> str:
    """Write figures and table; returns the table."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / 'transfer.json'
    file.write_text(json.dumps(keep_others(rows, file), indent=2) + '\n')
    tool = runpy.run_path(str(REPO / 'tools/misc/fill_numbers.py'))
    tool['fill'].__globals__['RESULTS'] = out
    page = out / 'transfer.md'
    text = page.read_text() if page.is_file() else PAGE
    page.write_text(tool['fill'](text, page))
    return tool['json_table'](
        'transfer.json',
        ['config', 'metric', 'init', 'runs', 'mean:.2f', 'std:.2f'])


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--init',
        nargs='+',
        action='append',
        required=True,
        metavar=('NAME', 'CHECKPOINT'),
        help='a name and its checkpoints, or `random`; once per '
        'initialisation')
    parser.add_argument('--configs', nargs='+', default=list(CONFIGS))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--work-dir', type=Path, default=REPO / 'work_dirs/transfer')
    parser.add_argument('--out', type=Path, default=REPO / 'docs/results')
    parser.add_argument(
        '--max-runs',
        type=int,
        metavar='N',
        help='do so many runs at most; 0 tabulates only')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='passed on to every run')
    args = parser.parse_args()
    # runs start in the repository
    args.work_dir, args.out = args.work_dir.resolve(), args.out.resolve()
    return parser, args


def main() -> None:
    parser, args = parse_args()
    try:
        runs = plan(args)
        results = [read_result(run, args.work_dir) for run in runs]
        due = [i for i, result in enumerate(results) if result is None]
        for i in due[:args.max_runs]:
            run = runs[i]
            print(f'{Path(run.config).stem}, {run.init}, seed {run.seed} ...')
            results[i] = fine_tune(run, args.work_dir)
            print('  ' +
                  ', '.join(f'{label} {value:.2f}'
                            for label, value in results[i]['metrics'].items()))
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    done = [each for each in results if each is not None]
    print(f'{len(done)} of {len(runs)} runs are done')
    if done:
        print(write(summarise(done), args.out))


if __name__ == '__main__':
    main()
