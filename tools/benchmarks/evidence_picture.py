# Copyright (c) mmregioncl contributors. All rights reserved.
"""The evidence at one glance: every gain over the host, and its cost."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

HOST, REGION = '#555555', '#d95f02'
M = 'regioncl_mocov2_r18w16_tinyimagenet'
Rows = list[dict[str, Any]]


def panels(rows: Rows) -> dict[str, Rows]:
    """Title: rows that have a host to be held against."""
    gains = [row for row in rows if row['knn_gain']]
    found = {
        f'{title}, at equal epochs and at equal cost':
        [r for r in gains if r['group'] == 'twins' and r['data'] == data]
        for data, title in (('cifar10', 'CIFAR-10'),
                            ('tinyimagenet', 'Tiny-ImageNet'))
    }
    for group, title in (('price', 'RegionCL-M for less'),
                         ('ablation', 'RegionCL, one thing changed')):
        found[f'{title} (Tiny-ImageNet)'] = [
            row for row in gains if row['data'] == 'tinyimagenet' and
            (row['group'] == group or row['name'] == M)
        ]
    return {title: each for title, each in found.items() if len(each) > 1}


def draw_gains(axes: Axes, rows: Rows) -> None:
    """A line per row: mean, and the deviation over seeds."""
    for i, row in enumerate(rows):
        color = REGION if row['name'].startswith('regioncl') else HOST
        for key, shift, style in (('knn_gain', -0.15, 'full'),
                                  ('linear_gain', 0.15, 'none')):
            axes.errorbar(
                row[key]['mean'],
                i + shift,
                xerr=row[key].get('std'),
                fmt='D' if style == 'full' else 'o',
                fillstyle=style,
                markersize=5,
                color=color,
                capsize=3)
    axes.axvline(0, color=HOST, linewidth=1)
    axes.set_yticks(
        range(len(rows)),
        [f'{row["label"]} · {row["cost"]:.2f}' for row in rows],
        fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis='x', alpha=0.3)


def draw(rows: Rows, path: Path) -> None:
    """Write the picture.

    Args:
        rows (list[dict]): Those of evidence.json.
        path (Path): A PNG file. Nothing is written where no run has a host.
    """
    chosen = panels(rows)
    if not chosen:
        return
    heights = [len(each) + 1.5 for each in chosen.values()]
    figure = Figure((7.6, 0.3 * sum(heights) + 0.4), layout='constrained')
    axes = figure.subplots(
        len(chosen), 1, height_ratios=heights, sharex=True, squeeze=False)
    for panel, (title, each) in zip(axes[:, 0], chosen.items()):
        draw_gains(panel, each)
        panel.set_title(title, fontsize=9, loc='left')
    figure.supxlabel(
        'top-1 over the host\'s with the same seed, in points\n'
        'diamond: k-NN, circle: linear classifier; bars: deviation over '
        'seeds\nbehind the name: cost of the run over its plain host\'s',
        fontsize=9)
    figure.savefig(path, dpi=110)
