# Copyright (c) mmregioncl contributors. All rights reserved.
"""The loss curves of a run, and of the runs to hold it against."""
from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmregioncl.run_log import epoch_length, read_run

PACKAGE = Path(__file__).resolve().parents[1]
KEYS = ('loss_instance', 'loss_region')

Curve = list[tuple[float, float]]  # time in epochs, value


@dataclass(frozen=True)
class Run:
    """The curves of a run.

    Args:
        curves (dict[str, Curve]): By name, ``lr`` among them.
        iterations_per_epoch (float): 1 where the log, in its first epoch,
            cannot tell: time is in iterations then.
        told (bool): Whether it could. Defaults to True.
    """

    curves: dict[str, Curve]
    iterations_per_epoch: float
    told: bool = True

    def scaled(self, length: float) -> Run:
        """The same with ``length`` iterations per epoch."""
        share = self.iterations_per_epoch / length
        return Run(
            {
                key: [(time * share, value) for time, value in curve]
                for key, curve in self.curves.items()
            }, length)


def read_reference(name: str, zoo: Path) -> Run:
    """The authors' curve, or that of a model that we trained.

    Args:
        name (str): Name of a config.
        zoo (Path): The folder zoo/ of a clone, with the logs.

    Raises:
        ValueError: If there is no curve of that name.
    """
    path = PACKAGE / 'reference_curves' / f'{name}.json'
    if path.is_file():
        table = json.loads(path.read_text())
        length = table['iterations_per_epoch']
        # in the first two epochs the loss turns within an epoch
        curves = {
            key: [(epoch - 1 + iteration / length, row[i])
                  for epoch, iteration, *row in table['rows']
                  if (1, 50) < (epoch, iteration) < (2, length)] +
            [(epoch - 0.5, row[i])
             for epoch, *row in table['epoch_means'] if epoch > 2]
            for i, key in enumerate(KEYS)
        }
        curves['lr'] = [(row[0] - 1 + row[1] / length, row[4])
                        for row in table['rows']]
        return Run(curves, length)
    logs = {log.name.rsplit('_', 1)[0]: log for log in zoo.glob('logs/*.json')}
    if name not in logs:
        own = sorted(each.stem for each in path.parent.glob('*.json'))
        raise ValueError(f'no reference curve {name!r}; there are '
                         f'{", ".join(own + sorted(logs))}')
    return read_run_curves(logs[name])


def read_run_curves(path: Path) -> Run:
    """Epoch means of a run; single records of an epoch that is not over.

    Args:
        path (Path): A work dir, its scalars.json, or its .log.

    Raises:
        ValueError: If it holds no losses.
    """
    if path.suffix == '.log':
        records = _parse_log(path.read_text(errors='replace'))
    else:
        records = [each for each in read_run(path) if 'epoch' in each]
    losses = sorted((each for each in records if 'loss_instance' in each),
                    key=lambda each: each['step'])
    if not losses:
        raise ValueError(f'{path} logs no loss_instance: is it the log of a '
                         'RegionCL pretraining run?')
    length, told = epoch_length(losses)
    curves: dict[str, Curve] = {key: [] for key in (*KEYS, 'lr')}
    epochs: dict[int, list[dict]] = {}
    for each in losses:
        epochs.setdefault(each['epoch'], []).append(each)
    usual = max(len(rows) for rows in epochs.values())
    for epoch, rows in epochs.items():
        for key, curve in curves.items():
            points = [(each['step'] / length, each[key]) for each in rows
                      if key in each]
            if len(rows) == usual and told and points:  # a whole epoch
                points = [(epoch - 0.5, mean(value for _, value in points))]
            curve += points
    return Run({
        key: curve
        for key, curve in curves.items() if curve
    }, length, told)


def _parse_log(text: str) -> list[dict]:
    rows: dict[int, dict] = {}
    for line in text.splitlines():
        found = re.search(r'Epoch\(train\) +\[(\d+)\]\[ *(\d+)/(\d+)\]', line)
        if found:
            epoch, iteration, length = map(int, found.groups())
            values = re.findall(r'(\w+): (nan|-?inf|-?[\d.]+(?:e[-+]?\d+)?)\b',
                                line)
            step = (epoch - 1) * length + iteration
            row = {key: float(value) for key, value in values}
            rows[step] = row | dict(
                epoch=epoch, step=step, length=float(length))
    return list(rows.values())


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean of at least one value."""
    values = list(values)
    return sum(values) / len(values)
