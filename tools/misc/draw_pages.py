# Copyright (c) mmregioncl contributors. All rights reserved.
"""Draw the pictures of docs/ anew, by the tools that the pages name.

    make demo
    python tools/misc/draw_pages.py demo/out/regioncl_mocov2_r18_demo

Of the drawn scenes only, and small, so that a clone stays light.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

REPO = Path(__file__).resolve().parents[2]
CONFIG = 'regioncl_mocov2_r18_demo'
SCENES = 'data/demo/folders'


def shrink(source: Path, target: Path, width: int) -> None:
    """Fewer pixels, and 256 colours."""
    image = Image.open(source).convert('RGB')
    size = width, round(image.height * width / image.width)
    image = image.resize(size, Image.Resampling.LANCZOS)
    image.quantize(256).save(target, optimize=True)


def pictures(checkpoint: Path) -> dict[str, tuple[str, int, list[str]]]:
    """Name: file that a tool writes, width in pixels, tool and arguments."""
    return dict(
        views=('views_1', 960, ['browse_views', CONFIG]),
        legacy=('views_1', 760, [
            'browse_views', 'regioncl_mocov2_r50', '--number', '6',
            '--cfg-options',
            f'train_dataloader.dataset.data_root={SCENES}/train',
            'model.region_swap.sampler=legacy', 'model.region_swap.scope=image'
        ]),
        region_maps=('region_maps', 960, [
            'region_maps', CONFIG,
            str(checkpoint), '--image', f'{SCENES}/val/mug/mug_00001.jpg',
            '--point', '.5', '.5', '--box', '.2', '.4', '.3', '.3'
        ]),
        neighbours=('neighbours_2', 760,
                    ['embed', CONFIG,
                     str(checkpoint), '--rows', '5']),
        curves=('curves', 960, [
            'plot_log', *map(
                str,
                sorted((REPO /
                        'zoo/logs').glob('*_r18w16_tinyimagenet_*.json')))
        ]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'run', type=Path, help='work dir of a run on the drawn scenes')
    args = parser.parse_args()
    latest = args.run / 'last_checkpoint'
    if not latest.is_file():
        parser.exit(
            2, f'{parser.prog}: {args.run} holds no run that has saved a '
            'checkpoint; `make demo` makes one\n')
    out = REPO / 'docs/images'
    for name, (file, width,
               words) in pictures(Path(latest.read_text().strip())).items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([
                sys.executable, '-W', 'ignore',
                str(REPO / f'tools/analysis_tools/{words[0]}.py'), *words[1:],
                '--out', folder
            ],
                           check=True)
            shrink(Path(folder, f'{file}.png'), out / f'{name}.png', width)
        print(out / f'{name}.png')


if __name__ == '__main__':
    main()
