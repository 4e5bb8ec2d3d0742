# Copyright (c) mmregioncl contributors. All rights reserved.
"""What a run has logged, however often it was stopped and resumed."""
from __future__ import annotations

import json
from pathlib import Path


def read_run(path: str | Path) -> list[dict]:
    """Every record of a run, in the order of its steps, each once.

    Args:
        path (str | Path): A work dir, or one file of records.

    Returns:
        list[dict]: What MMEngine's LocalVisBackend wrote. The step of losses
        is an iteration, that of ``knn/...`` an epoch.

    Raises:
        ValueError: If there are none, or a line is none.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(
        path.glob('*/vis_data/scalars.json'))
    if not files:
        raise ValueError(f'{path} holds no run: no */vis_data/scalars.json; '
                         'name the work dir of a run, or one file of records')
    records: dict[tuple, dict] = {}
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            try:
                record = json.loads(line)
                key = 'lr' in record or 'loss' in record, record['step']
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(
                    f'{file}, line {number} is no record of a run: '
                    f'{line[:60]!r}') from error
            # what was done again after a stop replaces what was lost
            records[key] = record
    return list(records.values())


def knn_curve(records: list[dict]) -> list[tuple[int, float]]:
    """What k-NN gave in the course of a run.

    Args:
        records (list[dict]): As from :func:`read_run`.

    Returns:
        list[tuple[int, float]]: Epoch, 0 before training, and top-1 in
        percent.
    """
    return [(record['step'], record['knn/top1']) for record in records
            if 'knn/top1' in record]
