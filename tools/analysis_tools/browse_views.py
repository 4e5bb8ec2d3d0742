# Copyright (c) mmregioncl contributors. All rights reserved.
"""Look at what a run will see: its views and its composites, outlined.

    python tools/analysis_tools/browse_views.py regioncl_mocov2_r18_demo

It draws anew as training would, by the data set, the pipeline and the
region_swap of the config, and writes PNG files and one index.html that opens
without a server into work_dirs/<config>/browse_views.
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

from mmregioncl.launch import add_launch_arguments  # noqa: E402
from mmregioncl.launch import load_config, need_settings  # noqa: E402


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_launch_arguments(parser)
    parser.add_argument(
        '--number',
        type=int,
        default=8,
        help='images on a picture, 2 or more (default: 8)')
    parser.add_argument(
        '--pictures',
        type=int,
        default=1,
        help='pictures, each of other images and other boxes (default: 1)')
    parser.add_argument(
        '--seed', type=int, default=0, help='of views and boxes (default: 0)')
    parser.add_argument(
        '--out', type=Path, help='folder; <work dir>/browse_views by default')
    return parser, parser.parse_args()


def browse(cfg: Any, number: int, pictures: int,
           seed: int) -> list[tuple[str, str, Any]]:
    """Draw the pictures: name, caption and figure of each."""
    from matplotlib.figure import Figure
    from mmengine.runner import set_random_seed

    from mmregioncl.visualization import draw_composites, draw_views
    from mmregioncl.visualization.training_views import TrainingViews, spread
    set_random_seed(seed)
    source = TrainingViews(cfg)
    region_swap = cfg.model.get('region_swap')
    number = min(number, len(source.dataset))
    made = []
    for picture in range(pictures):
        picks = spread(len(source.dataset), number, picture)
        views = source.views(picks)
        rows = [(f'view {i}', view) for i, view in enumerate(views, 1)]
        size = 1.5 * number, 1.6 * (len(rows) + (region_swap is not None)) + .6
        figure = Figure(figsize=size, layout='constrained')
        if region_swap is None:
            draw_views(figure, rows)
            caption = (f'{len(rows)} views of each image. This config swaps '
                       'no regions.')
        else:
            made_of = source.composites(views[0])
            draw_composites(
                figure,
                rows,
                made_of.images,
                made_of.regions,
                pasted=made_of.pasted)
            caption = describe(made_of, region_swap,
                               cfg.model.get('region_budget'))
            figure.suptitle('paste (orange) comes from the dashed part of '
                            'another image, the rest (blue) is canvas')
        made.append((f'views_{picture + 1}', caption, figure))
    return made


def describe(made_of: Any, region_swap: dict, budget: dict | None) -> str:
    """What one picture shows, in words."""
    regions = made_of.regions
    height, width = made_of.images.shape[-2:]
    areas = made_of.pasted[:, 2] * made_of.pasted[:, 3]
    share = 100 * float(areas.float().mean()) / (height * width)
    text = (
        'Columns are images. Each image has two random views; the first one '
        'becomes a composite: the dashed part of another image is pasted at '
        'the same place. Features are pooled within the orange box (paste, '
        'belongs to the other image) and outside of it (canvas, belongs to '
        f'this image) on a grid of {height // regions.stride} x '
        f'{width // regions.stride} cells of {regions.stride} pixels. Here '
        f'{share:.0f} % of the pixels are pasted. ')
    if not made_of.pasted.equal(regions.boxes * regions.stride):
        text += ('Dotted: where this sampler pasted instead of where it '
                 'pools, as the code of the authors does. ')
    text += f'Settings: region_swap={dict(region_swap)}'
    if budget:
        text += (f', region_budget={dict(budget)}: in training a share of the '
                 'images, or of the steps, may go without composites')
    return text


def main() -> None:
    parser, args = parse_args()
    if args.number < 2 or args.pictures < 1:
        parser.error('--number must be 2 or more and --pictures 1 or more, '
                     f'got {args.number} and {args.pictures}')
    try:
        cfg = load_config(args, REPO)
        need_settings(cfg, 'model', 'train_dataloader')
        from mmengine.registry import init_default_scope

        import mmregioncl.register  # noqa: F401
        from mmregioncl.visualization import open_folder, write_page
        init_default_scope('mmselfsup')
        out = open_folder(args.out or Path(cfg.work_dir) / 'browse_views')
        figures = browse(cfg, args.number, args.pictures, args.seed)
    except (OSError, ValueError) as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    for path in write_page(out, f'What {Path(cfg.filename).stem} is fed',
                           shlex.join(['python', *sys.argv]), figures):
        print(path)


if __name__ == '__main__':
    main()
