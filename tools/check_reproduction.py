# Copyright (c) mmregioncl contributors. All rights reserved.
"""Hold the loss curve of your run against a known one.

    python tools/check_reproduction.py work_dirs/regioncl_mocov2_r50
    python tools/check_reproduction.py LOG --reference regioncl_mocov2_r50

LOG is a work dir, its vis_data/scalars.json, or its .log; a run that is still
going can be checked too. The reference is the authors' run, or one of ours in
zoo/logs. Exit status: 0 on track, 1 off track, 2 not comparable.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.apis import reproduction, run_curves  # noqa: E402

STATES = ('on track', 'off track', 'not comparable')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('log', type=Path, help='of your run')
    parser.add_argument(
        '--reference',
        help='name of a config; by default the one that the work dir of LOG '
        'holds')
    return parser.parse_args()


def config_name(log: Path) -> str:
    """Stem of the config that MMEngine wrote into the work dir."""
    for folder in (log, *log.resolve().parents[:3]):
        configs = [each for each in folder.glob('*.py')]
        if len(configs) == 1 and configs[0].stem != 'config':
            return configs[0].stem
    raise ValueError(f'no config beside {log} says what run this is; name it '
                     'with --reference')


def main() -> int:
    args = parse_args()
    try:
        if not args.log.exists():
            raise ValueError(f'there is no {args.log}')
        name = args.reference or config_name(args.log)
        verdict = reproduction.compare(
            run_curves.read_run_curves(args.log),
            run_curves.read_reference(name, REPO / 'zoo'))
    except ValueError as error:
        print(f'check_reproduction.py: {error}', file=sys.stderr)
        return 2
    print(f'{verdict.state}: against {name}')
    for line in verdict.lines:
        print(f'  {line}')
    if verdict.state != 'not comparable':
        print(f'  band: the reference up to {reproduction.EPOCHS_OFF:g} epoch '
              f'or {reproduction.SHARE_OFF:.0%} earlier and later, and '
              f'{reproduction.LEVEL_OFF:g} up and down')
    return STATES.index(verdict.state)


if __name__ == '__main__':
    sys.exit(main())
