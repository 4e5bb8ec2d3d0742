# Copyright (c) mmregioncl contributors. All rights reserved.
"""Turn a checkpoint of the authors' RegionCL-M into one of ours.

The result goes into `load_from` of a pretraining config, or through
tools/export.py (which also takes the original directly):

    python tools/model_converters/convert_authors.py IN.pth OUT.pth
"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.transfer.authors import convert_authors  # noqa: E402
from mmregioncl.transfer.safe_load import load_checkpoint_file  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', help='checkpoint of the authors\' code')
    parser.add_argument('out', help='file to write')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    out = Path(args.out).expanduser()
    partial = out.with_name(f'.{os.getpid()}-{out.name}')
    try:
        if out.exists() and out.samefile(args.source):
            raise ValueError('OUT is the same file as IN; choose another name')
        converted = convert_authors(
            load_checkpoint_file(args.source), args.source)
        out.parent.mkdir(parents=True, exist_ok=True)
        torch.save(converted, partial)
        os.replace(partial, out)
    except (OSError, ValueError) as error:
        print(f'conversion failed: {error}', file=sys.stderr)
        return 1
    finally:
        partial.unlink(missing_ok=True)
    state = converted['state_dict']
    algorithm = 'RegionCLDenseCL' if 'queue2' in state else 'RegionCLMoCo'
    print(f'wrote {out}: {len(state)} tensors, loads strictly into '
          f'{algorithm}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
