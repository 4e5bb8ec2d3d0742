# Copyright (c) mmregioncl contributors. All rights reserved.
"""What a run has logged, however often it was stopped and resumed."""
from __future__ import annotations

import json
import warnings
from pathlib import Path


def read_run(path: str | Path) -> list[dict]:
    """Every record of a run, in the order of its steps, each once.

    Where a session goes on from an earlier checkpoint, or begins anew in the
    same folder, it replaces what was logged beyond that place. A later
    evaluation of some checkpoint, which has no place in the run, is not that
    before training. Where a run was resumed with another batch, its epochs
    have another number of iterations from there on; all steps are given in
    those of its first session.

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
    records: dict[tuple[bool, float], dict] = {}
    length = None
    for file in files:
        session = [(('lr' in each or 'loss' in each, each['step']), each)
                   for each in read_records(file)]
        trained = [
            each for key, each in session if key[0] and 'epoch' in each
        ]
        scale = 1.
        if trained:
            mine = _length_beside(trained, length)
            if length and mine:
                scale = length / mine
            length = length or mine
            begin = (trained[0]['step'] - 1) * scale
            epochs = trained[0]['epoch'] - 1
            anew = any(key == (False, 0) for key, _ in session)
            records = {
                key: each
                for key, each in records.items()
                if not anew and key[1] <= (begin if key[0] else epochs)
            }
        for (is_train, step), record in session:
            if is_train and scale != 1:
                step *= scale
                record = dict(record, step=step)
            if trained or step or (is_train, step) not in records:
                records[is_train, step] = record
    return list(records.values())


def read_records(file: Path) -> list[dict]:
    """The records of one session.

    Args:
        file (Path): What MMEngine's LocalVisBackend wrote, scalars.json.

    Returns:
        list[dict]: Each with a ``step``. A last line that was cut off is left
        out, with a warning.

    Raises:
        ValueError: If another line is no record.
    """
    records = []
    text = file.read_text(encoding='utf-8')
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            record['step']
        except (ValueError, TypeError, KeyError) as error:
            last = number == len(lines) and not text.endswith('\n')
            if last and isinstance(error, json.JSONDecodeError):
                warnings.warn(f'{file}: the last line was cut off, and is '
                              'left out')
                break
            raise ValueError(f'{file}, line {number} is no record of a run: '
                             f'{line[:60]!r}') from error
        records.append(record)
    return records


def _length_beside(rows: list[dict], known: float | None) -> float | None:
    """Iterations per epoch of a session, told by it or by those before.

    Args:
        rows (list[dict]): Its records of training.
        known (float, optional): Length of an epoch in former sessions.
    """
    length, told = epoch_length(rows)
    if told:
        return length
    if known is None or _in_their_epochs(rows, known):
        return known
    return rows[-1]['step'] / rows[-1]['epoch']  # at least so many


def epoch_length(rows: list[dict]) -> tuple[float, bool]:
    """Iterations per epoch, and whether the rows tell it.

    Within an epoch the logger counts from its beginning, so that the first
    rows of two epochs are an epoch apart. Not so the first epoch of a run
    that was resumed into another folder, so that all rows have to lie in their
    epochs then.

    Args:
        rows (list[dict]): Records of a log with ``epoch`` and ``step``, at
            least one.

    Returns:
        tuple[float, bool]: 1 and False where all are of one epoch, or of one
        and a part of another.
    """
    if 'length' in rows[0]:  # a text log says it
        return rows[0]['length'], True
    first = {each['epoch']: each['step'] for each in reversed(rows)}
    epochs = sorted(first)
    for begin, end in zip(epochs, epochs[1:]):
        length = (first[end] - first[begin]) / (end - begin)
        if _in_their_epochs(rows, length):
            return length, True
    return 1., False


def _in_their_epochs(rows: list[dict], length: float) -> bool:
    """Whether each row lies in its epoch, if these are so long."""
    return length > 0 and all(
        each['epoch'] - 1 < each['step'] / length + 1e-6 and
        each['step'] / length <= each['epoch'] + 1e-6 for each in rows)


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
