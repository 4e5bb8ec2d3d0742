# Copyright (c) mmregioncl contributors. All rights reserved.
"""One picture of a pretraining run: what it saw and what it learnt.

    python demo/picture.py WORK_DIR OUT.png

Upper rows: both views of some images, and the composites of the first views
with the paste outlined. Lower row: losses and k-NN over the run.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib  # noqa: E402

matplotlib.use('Agg')

import matplotlib.pyplot as plt  # noqa: E402
import torch  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

import mmregioncl.register  # noqa: E402,F401
from mmselfsup.registry import DATASETS, TRANSFORMS  # noqa: E402

COLUMNS = 8  # images shown
CANVAS, PASTE = 'tab:blue', 'tab:orange'


def records(work_dir: Path) -> list[dict]:
    """What the run logged, in order."""
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not logs:
        sys.exit(f'{work_dir} holds no run: no */vis_data/scalars.json')
    return [
        json.loads(line) for log in logs
        for line in log.read_text().splitlines()
    ]


def views(cfg: Config) -> list[torch.Tensor]:
    """Two views of some images spread over the set, RGB, 2 x (N, 3, H, W)."""
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    picks = [i * len(dataset) // COLUMNS for i in range(COLUMNS)]
    inputs = [dataset[i]['inputs'] for i in picks]
    return [torch.stack(each).flip(1) for each in zip(*inputs)]


def show(ax: Any, image: torch.Tensor) -> None:
    ax.imshow(image.permute(1, 2, 0).numpy())
    ax.set_xticks([])
    ax.set_yticks([])


def draw(cfg: Config, log: list[dict], out: Path) -> None:
    """Draw everything into one file."""
    torch.manual_seed(0)
    first, second = views(cfg)
    swap = TRANSFORMS.build(dict(type='RegionSwap', **cfg.model.region_swap))
    composites, regions = swap(first)

    figure = plt.figure(figsize=(12, 8.2), layout='constrained')
    rows = figure.subfigures(2, 1, height_ratios=[3, 2.3])
    axes = rows[0].subplots(3, COLUMNS)
    titles = ('query view', 'key view', 'composite')
    for line, (title, images) in enumerate(
            zip(titles, (first, second, composites))):
        for column in range(COLUMNS):
            show(axes[line, column], images[column])
        axes[line, 0].set_ylabel(title)
    stride = regions.stride
    for column, ax in enumerate(axes[2]):
        x, y, w, h = (regions.boxes[column] * stride).tolist()
        size = composites.shape[-1]
        ax.add_patch(
            Rectangle((x - .5, y - .5), w, h, fill=False, ec=PASTE, lw=2.5))
        ax.add_patch(
            Rectangle((.5, .5), size - 2, size - 2, fill=False, ec=CANVAS,
                      lw=2.5))
        ax.set_xlabel(f'paste of {int(regions.donors[column]) + 1}')
        axes[0, column].set_title(str(column + 1))
    rows[0].suptitle('RegionCL-M: canvas (blue) of one image, paste (orange) '
                     'of another')

    left, right = rows[1].subplots(1, 2)
    steps = [r for r in log if 'loss_instance' in r]
    for name, colour in (('instance', 'black'), ('region', PASTE)):
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
    draw(cfg, records(work_dir), out)


if __name__ == '__main__':
    main()
