# Copyright (c) mmregioncl contributors. All rights reserved.
"""Where a point or region of an image finds its match, before and after.

    python tools/analysis_tools/region_maps.py CONFIG CHECKPOINT --image A.jpg
    python tools/analysis_tools/region_maps.py CONFIG CHECKPOINT \
        --image A.jpg --to B.jpg --point .3 .6 --box .5 .5 .2 .3

The feature of the point or region is compared with each cell of a second
view of the same image, of which the true place is known, or of another image.
Written are a PNG and one index.html that opens without a server.
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
        'checkpoint', help='a training checkpoint, or its backbone')
    parser.add_argument('--image', required=True, help='where to look from')
    parser.add_argument(
        '--to',
        metavar='IMAGE',
        help='where to look; by default a second view of the same image: '
        'cropped, mirrored and recoloured')
    parser.add_argument(
        '--before',
        metavar='CHECKPOINT',
        help='what to compare with; random weights by default')
    parser.add_argument(
        '--point',
        nargs=2,
        type=float,
        action='append',
        default=[],
        metavar=('X', 'Y'),
        help='in shares of width and height, 0 to 1; may be repeated. The '
        'middle by default')
    parser.add_argument(
        '--box',
        nargs=4,
        type=float,
        action='append',
        default=[],
        metavar=('X', 'Y', 'W', 'H'),
        help='a region instead, in shares too; may be repeated')
    parser.add_argument(
        '--cells',
        type=int,
        default=14,
        help='cells along each side of the feature map; the images are scaled '
        'to cells x stride. More show more, until objects get much larger '
        'than they were in training (default: 14)')
    parser.add_argument(
        '--stage',
        type=int,
        help='stage of the ResNet, 1 to 4; the last by default')
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of the second view and the random weights (default: 0)')
    parser.add_argument(
        '--out', type=Path, help='folder; <work dir>/region_maps by default')
    return parser, parser.parse_args()


def read_image(path: str, side: int) -> Any:
    """An image as a square tensor, RGB, uint8."""
    from mmcv import imread, imresize
    from torch import from_numpy
    image = imread(path)  # BGR, 8 bit: as training reads it
    if image is None:
        raise ValueError(f'{path} is no image that can be read')
    image = imresize(image, (side, side))[..., ::-1].copy()
    return from_numpy(image).permute(2, 0, 1)


def draw(args: argparse.Namespace, cfg: Any) -> tuple[str, Any]:
    """Caption and figure."""
    import torch
    from matplotlib.figure import Figure

    from mmregioncl.models.backbone_stride import backbone_stride
    from mmregioncl.visualization import region_matching as matching
    from mmregioncl.visualization import show_image
    from mmregioncl.visualization.backbones import Backbone
    networks = [
        Backbone(cfg, weights, args.stage, args.seed)
        for weights in (args.before, args.checkpoint)
    ]
    side = args.cells * backbone_stride(networks[0].module)
    image = read_image(args.image, side)
    view = None
    if args.to is None:
        view = matching.draw_second_view(
            image,
            torch.Generator().manual_seed(args.seed))
    target = view.image if view else read_image(args.to, side)
    names = 'random weights' if args.before is None else 'before', 'pretrained'
    maps = [(name, network(image), network(target))
            for name, network in zip(names, networks)]

    boxes = [(*point, 0., 0.) for point in args.point] + args.box
    boxes = boxes or [(.5, .5, 0., 0.)]
    figure = Figure(
        figsize=(11.2, 2.9 * len(boxes) + .5), layout='constrained')
    axes = figure.subplots(len(boxes), 4, squeeze=False)
    for line, box in zip(axes, boxes):
        show_image(line[0], image)
        mark(line[0], box, side)
        show_image(line[1], target)
        middle = box[0] + box[2] / 2, box[1] + box[3] / 2
        truth = view.where(*middle) if view else None
        seen = truth is not None and all(0 <= each <= 1 for each in truth)
        if truth is not None and not seen:
            line[1].set_xlabel('not to be seen here')
        for ax, (_, here, there) in zip(line[2:], maps):
            similarity = matching.similarity_map(
                matching.region_feature(here, box), there)
            place = matching.best_place(similarity)
            overlay(ax, target, similarity)
            ax.plot(*scale(place, side), 'x', ms=11, color='white', mew=3)
            label = (f'cosine {similarity.min():.2f} (dark) to '
                     f'{similarity.max():.2f}')
            if seen:
                off = max(abs(a - b) for a, b in zip(place, truth))
                label = f'{off * args.cells:.1f} cells off; {label}'
            ax.set_xlabel(label, fontsize=8)
        for ax in line[1:] if seen else ():
            ax.plot(
                *scale(truth, side),
                'o',
                ms=17,
                mfc='none',
                mec='lime',
                mew=2.5)
    titles = [name for name, *_ in maps]
    if view:
        titles = [
            f'{name}: {100 * matching.share_found(here, there, view):.0f} % '
            'found' for name, here, there in maps
        ]
    looked_at = 'second view' if view else Path(args.to).name
    for ax, title in zip(axes[0], ['from here', looked_at, *titles]):
        ax.set_title(title, fontsize=10)
    return caption(args, titles, view is not None), figure


def scale(place: Any, side: int) -> list[float]:
    """A place in pixels, for plot; pixel 0 is drawn around 0."""
    return [each * side - .5 for each in place]


def caption(args: argparse.Namespace, titles: list[str], known: bool) -> str:
    """What the picture shows, in words."""
    text = ('Left: a point (cross) or region (box) of an image, then '
            f'{"a second view of it" if known else "another image"}, then how '
            'similar the feature of that point or region is to each cell '
            'there, brighter is more; the white cross is the best match. ')
    if known:
        text += ('The green ring is where the point, or the middle of the '
                 'region, really is. Of all cells that both views show, so '
                 'many have their best match within one cell of the truth: '
                 f'{"; ".join(titles)}. ')
    stage = 'the last stage' if args.stage is None else f'stage {args.stage}'
    return text + f'{args.cells} x {args.cells} cells of {stage}.'


def mark(ax: Any, box: Any, side: int) -> None:
    """A cross for a point, an outline for a region."""
    from mmregioncl.visualization import PASTE, outline_box
    if box[2] and box[3]:
        outline_box(ax, [each * side for each in box], PASTE)
    else:
        ax.plot(*scale(box[:2], side), '+', ms=16, color=PASTE, mew=3.5)


def overlay(ax: Any, image: Any, similarity: Any) -> None:
    """The similarity in colours over the image in grey."""
    from torchvision.transforms.functional import rgb_to_grayscale

    from mmregioncl.visualization import show_image
    show_image(ax, rgb_to_grayscale(image, 3))
    height, width = image.shape[-2:]
    ax.imshow(
        similarity.numpy(),
        cmap='inferno',
        alpha=.65,
        interpolation='bilinear',
        extent=(-.5, width - .5, height - .5, -.5))


def main() -> None:
    parser, args = parse_args()
    try:
        cfg = load_config(args, REPO)
        need_settings(cfg, 'model')
        for path in (args.image, args.to, args.before, args.checkpoint):
            if path is not None and not Path(path).is_file():
                raise ValueError(f'there is no file {path!r}')
        if args.cells < 2:
            raise ValueError(f'--cells must be 2 or more, got {args.cells}')
        from mmengine.registry import init_default_scope

        import mmregioncl.register  # noqa: F401
        from mmregioncl.visualization import open_folder, write_page
        init_default_scope('mmselfsup')
        out = open_folder(args.out or Path(cfg.work_dir) / 'region_maps')
        text, figure = draw(args, cfg)
    except (OSError, ValueError) as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    for path in write_page(out, f'Where {Path(args.image).name} finds itself',
                           shlex.join(['python', *sys.argv]),
                           [('region_maps', text, figure)]):
        print(path)
    print(text)


if __name__ == '__main__':
    main()
