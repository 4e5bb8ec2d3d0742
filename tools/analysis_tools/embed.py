# Copyright (c) mmregioncl contributors. All rights reserved.
"""Images as points, and which images are neighbours, before and after.

    python tools/analysis_tools/embed.py CONFIG CHECKPOINT
    python tools/analysis_tools/embed.py CONFIG CHECKPOINT --data-root FOLDER

Features are those of k-NN: pooled backbone output of unit length. They are
laid out by t-SNE (or UMAP, where umap-learn is installed) and coloured by
class; below, some images with their nearest neighbours. Written are PNG files
and one index.html that opens without a server.
"""
from __future__ import annotations

import argparse
import importlib.util
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
    parser.add_argument(
        '--before',
        metavar='CHECKPOINT',
        help='what to compare with; random weights by default')
    parser.add_argument(
        '--data-root',
        metavar='FOLDER',
        help='images to look at instead of those of val_dataloader; folders '
        'in it are classes')
    parser.add_argument(
        '--size',
        type=int,
        help='side in pixels that images are scaled to; with --data-root 224 '
        'by default, else that of the config')
    parser.add_argument(
        '--number',
        type=int,
        default=1000,
        help='images at most, evenly spread (default: 1000)')
    parser.add_argument(
        '--method',
        choices=('tsne', 'umap'),
        default='tsne',
        help='umap needs `pip install umap-learn` (default: tsne)')
    parser.add_argument(
        '--rows',
        type=int,
        default=8,
        help='images whose neighbours are shown (default: 8)')
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of the layout and the random weights (default: 0)')
    parser.add_argument(
        '--out', type=Path, help='folder; <work dir>/embed by default')
    return parser, parser.parse_args()


def lay_out(vectors: Any, method: str, seed: int) -> Any:
    """Vectors (N, D) as points (N, 2) that keep neighbours together."""
    points = vectors.cpu().numpy()
    if method == 'umap':
        from umap import UMAP
        return UMAP(metric='cosine', random_state=seed).fit_transform(points)
    from sklearn.manifold import TSNE
    return TSNE(
        metric='cosine',
        # it must be less than the number of points
        perplexity=min(30, (len(points) - 1) / 3),
        random_state=seed).fit_transform(points)


def draw_points(layouts: list[tuple[str, Any]], labels: Any,
                classes: list[str]) -> Any:
    """One panel per layout, one colour per class."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    figure = Figure(figsize=(11.5, 5.6), layout='constrained')
    colours = colormaps['tab10' if len(classes) <= 10 else 'tab20']
    for ax, (title, points) in zip(figure.subplots(1, len(layouts)), layouts):
        for label, name in enumerate(classes or ['images']):
            chosen = points[(labels == label).numpy()] if classes else points
            ax.scatter(
                *chosen.T, s=14, color=colours(label % colours.N), label=name)
        ax.set(title=title, xticks=[], yticks=[])
    if 0 < len(classes) <= 20:
        figure.legend(
            *ax.get_legend_handles_labels(),
            loc='outside lower center',
            ncols=min(len(classes), 10),
            markerscale=2)
    return figure


def draw_neighbours(title: str, features: Any, images: Any, picks: list[int],
                    labelled: bool) -> Any:
    """Rows of an image and the seven most similar others."""
    from matplotlib.figure import Figure

    from mmregioncl.visualization import show_image
    columns = min(8, len(features.labels))
    figure = Figure(
        figsize=(1.3 * columns, 1.32 * len(picks) + .6), layout='constrained')
    axes = figure.subplots(len(picks), columns, squeeze=False)
    similarity = features.vectors[picks] @ features.vectors.t()  # (P, N)
    similarity[range(len(picks)), picks] = 2  # itself first
    nearest = similarity.topk(columns, dim=1).indices.tolist()
    for line, row in zip(axes, nearest):
        for ax, index in zip(line, row):
            show_image(ax, images(int(features.indices[index])))
            same = features.labels[index] == features.labels[row[0]]
            if labelled and index != row[0]:
                for spine in ax.spines.values():
                    spine.set(color='tab:green' if same else 'tab:red', lw=3)
    axes[0, 0].set_title('image', fontsize=10)
    axes[0, 1].set_title('nearest', fontsize=10)
    axes[0, -1].set_title(f'{columns - 1}th', fontsize=10)
    figure.suptitle(title)
    return figure


def agreement(features: Any, k: int = 20) -> float:
    """Percent of images that their neighbours label rightly, itself out."""
    import torch

    from mmregioncl.evaluation.knn import knn_classify
    right = 0
    for i in range(len(features.labels)):
        others = torch.arange(len(features.labels)) != i
        predicted = knn_classify(features.vectors[others],
                                 features.labels[others],
                                 features.vectors[i:i + 1], k)
        right += int(predicted == features.labels[i])
    return 100 * right / len(features.labels)


def embed(args: argparse.Namespace, cfg: Any) -> list[tuple[str, str, Any]]:
    """Name, caption and figure of each picture."""
    from mmengine.runner import Runner

    from mmregioncl.evaluation.features import (extract_features,
                                                gather_features)
    from mmregioncl.visualization import to_pixels
    from mmregioncl.visualization.backbones import build_algorithm
    from mmregioncl.visualization.plain_images import plain_dataloader
    from mmregioncl.visualization.training_views import spread
    loader = Runner.build_dataloader(
        plain_dataloader(cfg, args.data_root, args.size, args.number))
    before = 'random weights' if args.before is None else 'before'
    if len(loader.dataset) < 4:
        raise ValueError(f'{loader.dataset.data_root} holds '
                         f'{len(loader.dataset)} images; four are needed to '
                         'show which are neighbours')
    models = [(name, build_algorithm(cfg, weights, args.seed))
              for name, weights in ((before, args.before), ('pretrained',
                                                            args.checkpoint))]
    layouts, tables = [], []
    for name, model in models:
        features = gather_features(extract_features(model, loader))
        classes = list(loader.dataset.metainfo.get('classes') or ())
        labelled = len(classes) > 1
        if labelled:
            name += f' ({agreement(features):.1f} % k-NN top-1 among these)'
        layouts.append((name, lay_out(features.vectors, args.method,
                                      args.seed)))
        tables.append((name, features))

    def image(index: int) -> Any:
        batch = loader.collate_fn([loader.dataset[index]])
        (view, ), _ = model.data_preprocessor(batch, False)
        return to_pixels(view, model.data_preprocessor)[0]

    made = [
        ('points',
         ('Each dot is an image; images with similar features lie together. '
          f'{len(features.labels)} images of {loader.dataset.data_root}, laid '
          f'out by {args.method}; distances between groups mean little.'),
         draw_points(layouts, features.labels, classes if labelled else []))
    ]
    picks = spread(len(features.labels), min(args.rows, len(features.labels)))
    for number, (name, each) in enumerate(tables, 1):
        made.append(
            (f'neighbours_{number}',
             (f'{name}: on the left an image, then those whose features are '
              'most similar.' + (' Green: of the same class, red: of another.'
                                 if labelled else '')),
             draw_neighbours(name, each, image, picks, labelled)))
    return made


def main() -> None:
    parser, args = parse_args()
    try:
        cfg = load_config(args, REPO)
        need_settings(cfg, 'model')
        for path in (args.before, args.checkpoint):
            if path is not None and not Path(path).is_file():
                raise ValueError(f'there is no file {path!r}')
        if args.number < 4 or args.rows < 1:
            raise ValueError('--number must be 4 or more and --rows 1 or '
                             f'more, got {args.number} and {args.rows}')
        if args.size is not None and args.size < 1:
            raise ValueError('--size must be a number of pixels, got '
                             f'{args.size}')
        if args.method == 'umap' and not importlib.util.find_spec('umap'):
            raise ValueError('--method umap needs UMAP: pip install '
                             'umap-learn, or take --method tsne')
        from mmengine.registry import init_default_scope

        import mmregioncl.register  # noqa: F401
        from mmregioncl.visualization import open_folder, write_page
        init_default_scope('mmselfsup')
        out = open_folder(args.out or Path(cfg.work_dir) / 'embed')
        figures = embed(args, cfg)
    except (OSError, ValueError) as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    for path in write_page(out, f'Features of {Path(cfg.filename).stem}',
                           shlex.join(['python', *sys.argv]), figures):
        print(path)


if __name__ == '__main__':
    main()
