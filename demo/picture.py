# Copyright (c) mmregioncl contributors. All rights reserved.
"""One picture of a pretraining run: what it saw and what it learnt.

    python demo/picture.py WORK_DIR OUT.png

Upper rows: both views of some images, and the composites of the first views
with the paste outlined. Lower row: losses and k-NN over the run.
"""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from matplotlib.figure import Figure  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.runner import set_random_seed  # noqa: E402

import mmregioncl.register  # noqa: E402,F401
import mmregioncl.visualization as vis  # noqa: E402
from mmregioncl.visualization import training_views  # noqa: E402

COLUMNS = 8  # images shown


def draw(cfg: Config, log: list[dict], out: Path) -> None:
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
    knn = [(r['step'], r['knn/top1']) for r in log if 'knn/top1' in r]
    right.plot(*zip(*knn), marker='o', color='black')
    for step, top1 in (knn[0], knn[-1]):
        right.annotate(
            f'{top1:.1f}', (step, top1),
            xytext=(0, 7),
            textcoords='offset points',
            ha='center')
    right.margins(y=0.2)
    right.set(xlabel='epoch (0: random weights)', ylabel='k-NN top-1 (%)')
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    print(f'k-NN top-1: {knn[0][1]:.1f} % with random weights, '
          f'{knn[-1][1]:.1f} % after {knn[-1][0]} epochs')
    print(f'picture:   {out}')


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    work_dir, out = map(Path, sys.argv[1:])
    configs = sorted(work_dir.glob('*.py'))
    if not configs:
        sys.exit(f'{work_dir} holds no config; is it a work dir of a run?')
    cfg = Config.fromfile(configs[0])
    init_default_scope('mmselfsup')
    try:
        log = vis.read_run(work_dir)
    except ValueError as error:
        sys.exit(str(error))
    draw(cfg, log, out)


if __name__ == '__main__':
    main()
