# Copyright (c) mmregioncl contributors. All rights reserved.
"""One picture of a pretraining run: what it saw and what it learnt.

    python demo/picture.py WORK_DIR [WORK_DIR OF ITS HOST] OUT.png

Upper rows: both views of some images, and the composites of the first views
with the paste outlined. Lower row: losses and k-NN over the run, k-NN of its
host beside it.
"""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from matplotlib.figure import Figure  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DATASETS, init_default_scope  # noqa: E402
from mmengine.runner import set_random_seed  # noqa: E402

import mmregioncl.register  # noqa: E402,F401
import mmregioncl.visualization as vis  # noqa: E402
from mmregioncl.run_log import knn_curve, read_run  # noqa: E402
from mmregioncl.visualization import training_views  # noqa: E402

COLUMNS = 8  # images shown


def draw_knn(axes: Any, curves: dict[str, list[tuple[int, float]]]) -> None:
    """One line per run, its last value written beside it."""
    for (name, curve), colour in zip(curves.items(), (vis.PASTE, 'black')):
        axes.plot(*zip(*curve), marker='o', color=colour, label=name)
        step, top1 = curve[-1]
        axes.annotate(
            f'{top1:.1f}', (step, top1),
            xytext=(9, 0),
            textcoords='offset points',
            va='center',
            color=colour)
    axes.margins(x=0.12, y=0.2)
    axes.legend()
    axes.set(xlabel='epoch (0: random weights)', ylabel='k-NN top-1 (%)')


def summarise(curves: dict[str, list[tuple[int, float]]], images: int) -> str:
    """What the curves come to, and how far that many images can be trusted."""
    first = next(iter(curves.values()))
    share = first[-1][1] / 100
    error = 100 * (share * (1 - share) / images)**0.5
    last = [f'{curve[-1][1]:.1f} % {name}' for name, curve in curves.items()]
    return (f'k-NN top-1: {first[0][1]:.1f} % random weights, '
            f'{", ".join(last)}\n'
            f'           ({images} images: a standard error of {error:.1f} '
            'points; runs long enough to compare by:\n'
            '           docs/results/evidence.md)')


def draw(cfg: Config, log: list[dict], curves: dict[str, list],
         out: Path) -> None:
    """Draw everything into one file."""
    set_random_seed(0)
    source = training_views.TrainingViews(cfg)
    first, second = source.views(
        training_views.spread(len(source.dataset), COLUMNS))
    made_of = source.composites(first)

    figure = Figure(figsize=(12, 8.2), layout='constrained')
    rows = figure.subfigures(2, 1, height_ratios=[3, 2.3])
    vis.draw_composites(rows[0], [('query view', first), ('key view', second)],
                        made_of.images, made_of.regions)
    rows[0].suptitle('RegionCL-M: canvas (blue) of one image, paste (orange) '
                     'of another')

    left, right = rows[1].subplots(1, 2)
    steps = [r for r in log if 'loss_instance' in r]
    for name, colour in (('instance', 'black'), ('region', vis.PASTE)):
        left.plot([r['step'] for r in steps],
                  [r[f'loss_{name}'] for r in steps],
                  color=colour,
                  label=f'{name} loss')
    left.set(xlabel='iteration', ylabel='loss')
    left.legend()
    draw_knn(right, curves)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    print(summarise(curves, len(DATASETS.build(cfg.val_dataloader.dataset))))
    print(f'picture:   {out}')


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    *work_dirs, out = map(Path, sys.argv[1:])
    configs = sorted(work_dirs[0].glob('*.py'))
    if not configs:
        sys.exit(f'{work_dirs[0]} holds no config; is it a work dir of a run?')
    cfg = Config.fromfile(configs[0])
    init_default_scope('mmselfsup')
    try:
        logs = [read_run(work_dir) for work_dir in work_dirs]
    except ValueError as error:
        sys.exit(str(error))
    names = ('RegionCL-M', 'MoCo v2')
    draw(cfg, logs[0], dict(zip(names, map(knn_curve, logs))), out)


if __name__ == '__main__':
    main()
