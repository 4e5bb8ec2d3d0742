# Copyright (c) mmregioncl contributors. All rights reserved.
"""Render the demo data: scenes of eight classes, written in three layouts.

    python tools/dataset_converters/make_demo_data.py data/demo

writes ``data/demo/folders`` (class folders, for pretraining and k-NN),
``data/demo/coco`` (COCO instances) and ``data/demo/cityscapes`` (label ids
and instances in the Cityscapes layout). A set that is there is left as it is.
"""
from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.datasets.demo_layouts import LAYOUTS  # noqa: E402
from mmregioncl.datasets.demo_sets import make_demo_set  # noqa: E402


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {
        name:
        ', '.join(f'{each} {getattr(layout, name)}'
                  for each, layout in LAYOUTS.items())
        for name in ('train', 'val', 'width')
    }
    parser.add_argument('out', help='folder; each layout gets its own in it')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--layouts',
        nargs='+',
        choices=list(LAYOUTS),
        default=list(LAYOUTS),
        help='default: all three')
    for split in ('train', 'val'):
        parser.add_argument(
            f'--{split}',
            type=int,
            metavar='N',
            help=f'images in {split}, of every layout chosen '
            f'(default: {defaults[split]})')
    parser.add_argument(
        '--size',
        type=int,
        metavar='S',
        help=f'width in pixels (default: {defaults["width"]}); the height '
        'follows: 1:1, 4:3, 2:1')
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        metavar='N',
        help='processes (default: one per core); the set is the same for any')
    args = parser.parse_args()
    args.error = parser.error
    return args


def main() -> None:
    """Make each layout asked for."""
    args = parse_args()
    for layout in args.layouts:
        folder = Path(args.out, layout)
        start = time.perf_counter()
        try:
            made = make_demo_set(folder, layout, args.seed, args.train,
                                 args.val, args.size, args.workers)
        except ValueError as problem:
            args.error(str(problem))
        took = time.perf_counter() - start
        print(f'{folder}: ' +
              (f'rendered in {took:.1f} s' if made else 'there already'))


if __name__ == '__main__':
    main()
