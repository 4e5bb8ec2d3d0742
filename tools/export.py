# Copyright (c) mmregioncl contributors. All rights reserved.
"""Write the pretrained backbone of a checkpoint for another library.

The file is reloaded into the ResNet of that library and must give the same
features, or nothing is left behind:

    python tools/export.py work_dirs/.../epoch_200.pth --to torchvision
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.transfer import ExportReport, export_backbone  # noqa: E402
from mmregioncl.transfer.targets import TARGETS  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'checkpoint',
        help='of ours, MMSelfSup, the authors, '
        'facebookresearch/moco or simsiam, torchvision, timm')
    parser.add_argument(
        '--to',
        default='mmengine',
        choices=list(TARGETS),
        help='mmengine (the default) keeps `backbone.` before '
        'the keys, for configs with prefix=\'backbone.\'')
    parser.add_argument(
        '--out',
        help='file or folder; by default beside the '
        'checkpoint, with the checksum in the name')
    parser.add_argument('--format', choices=('pth', 'safetensors'))
    parser.add_argument('--half', action='store_true', help='store float16')
    return parser.parse_args()


def summarize(report: ExportReport) -> str:
    backbone = report.backbone
    return '\n'.join((
        f'read      {backbone.layout} of {backbone.method} below '
        f'{backbone.prefix!r} ({backbone.style.name})',
        f'wrote     {report.path}',
        f'sha256    {report.sha256}',
        f'checked   {report.num_tensors} tensors; four stages as '
        f'{report.target} computes them: largest difference '
        f'{report.max_error:.1e}',
        f'use       {report.usage}',
    ))


def main() -> int:
    args = parse_args()
    try:
        report = export_backbone(args.checkpoint, args.to, args.out,
                                 args.format, args.half)
    except (OSError, ImportError, RuntimeError, ValueError) as error:
        print(f'export failed: {error}', file=sys.stderr)
        return 1
    print(summarize(report))
    return 0


if __name__ == '__main__':
    sys.exit(main())
