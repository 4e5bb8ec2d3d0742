# Copyright (c) mmregioncl contributors. All rights reserved.
"""The paper's transfer table with a column of our own; for run_all.py."""
from __future__ import annotations

import json
from pathlib import Path

from mmregioncl.run_log import read_records

REPO = Path(__file__).resolve().parents[2]
PAPER = REPO / 'docs' / 'results' / 'paper.json'
# (metric of the paper, data set): the evaluator's name of it, and what makes
# per cent of it.
SCALARS = {
    ('linear top-1', 'ImageNet-1k'): ('accuracy/top1', 1),
    ('box AP', 'COCO'): ('coco/bbox_mAP', 100),
    ('mask AP', 'COCO'): ('coco/segm_mAP', 100),
    ('mask AP', 'Cityscapes'): ('cityscapes/mAP', 100),
    ('mIoU', 'Cityscapes'): ('mIoU', 1),
}


def paper_rows() -> list[dict]:
    """Rows of the paper's table that MMDetection, MMSegmentation and MMCls
    train: all but human and animal pose.

    Returns:
        list[dict]: As in docs/results/paper.json, in its order.
    """
    rows = json.loads(PAPER.read_text(encoding='utf-8'))['rows']
    return [row for row in rows if (row['metric'], row['dataset']) in SCALARS]


def read_metric(folder: Path, name: str, best: bool) -> float | None:
    """What the evaluations of a run gave.

    Args:
        folder (Path): Work dir of the run, resumed or not.
        name (str): As the evaluator calls it.
        best (bool): The best of all evaluations, or the last.

    Returns:
        float, optional: None if there was none.
    """
    values: dict[int, float] = {}
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        for record in read_records(log):
            if name in record:
                values[record['step']] = record[name]
    if not values:
        return None
    return max(values.values()) if best else values[max(values)]


def last_line(log: Path) -> str:
    """Of a log, which is what went wrong if something did."""
    if not log.is_file():
        return ''
    lines = log.read_text(encoding='utf-8', errors='replace').split('\n')
    return next((line for line in reversed(lines) if line.strip()), '')[:200]


def fill_in(rows: list[dict], home: Path) -> list[dict]:
    """Add our own figures to the paper's rows.

    Args:
        rows (list[dict]): See :func:`paper_rows`.
        home (Path): Holds a work dir for each config.

    Returns:
        list[dict]: Each row with ``ours`` (float in per cent, or None) and
        ``state`` ('done', 'not run', or the last line of a failed run's log).
    """
    filled = []
    for row in rows:
        folder, ours = home / row['config'], None
        if (folder / 'done.json').is_file():
            scalar, factor = SCALARS[row['metric'], row['dataset']]
            # Linear probes report the best epoch, as the authors did.
            value = read_metric(folder, scalar, 'linear' in row['metric'])
            ours = None if value is None else round(factor * value, 2)
        state = 'done' if ours is not None else last_line(
            folder / 'run.log') or 'not run'
        filled.append(dict(row, ours=ours, state=state))
    return filled


def write_table(rows: list[dict], home: Path, weights: str,
                dry_run: bool) -> str:
    """Write results.json and results.md.

    Args:
        rows (list[dict]): See :func:`fill_in`.
        home (Path): The folder for the two.
        weights (str): Where the backbone is from.
        dry_run (bool): Say so beside the figures.

    Returns:
        str: The text of results.md.
    """
    lines = [f'Weights: `{weights}`', '']
    if dry_run:
        lines += ['A dry run on drawn scenes: these figures mean nothing.', '']
    lines += [
        '| benchmark | data | metric | these weights | paper, M | paper, D '
        '| paper, S |', '|---|---|---|---|---|---|---|'
    ]
    for row in rows:
        ours = f'{row["ours"]:.1f}' if row['state'] == 'done' else row['state']
        cells = [
            row['benchmark'], row['dataset'], row['metric'],
            ours.replace('|', '/'), *(str(row[name]) for name in 'MDS')
        ]
        lines.append(f'| {" | ".join(cells)} |')
    text = '\n'.join(lines) + '\n'
    (home / 'results.md').write_text(text, encoding='utf-8')
    content = dict(weights=weights, dry_run=dry_run, rows=rows)
    (home / 'results.json').write_text(json.dumps(content, indent=2) + '\n')
    return text
