# Copyright (c) mmregioncl contributors. All rights reserved.
"""Configs with settings that nobody should set, and what becomes of them.

    python -m tests.config_fuzz 5000 --seed 1    # more than the test takes
"""
from __future__ import annotations

import argparse
import copy
import math
import random
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Iterator

import torch
from mmengine.registry import init_default_scope

from mmregioncl.datasets import ImageFolder
from mmregioncl.engine import HealthHook
from tests.models import tiny_hosts, tiny_moco
from tests.tiny_run import TRAIN_PIPELINE, write_images

_SECONDS = 20  # a step takes a twentieth of one
_VALUES: list[Any] = [
    None, True, False, 0, 1, 2, 3, 5, 8, -1, -7, 1000, 0.0, 0.5, 1.0, -0.5,
    1.5, 1e-30, 1e30, math.inf, -math.inf, math.nan, '', 'none', 'local',
    'separate', 'random', 'image', 'legacy', 'nonsense', '3', '0.1', (), [],
    (1, ), (2, 1), (1, 2), (1, 1), (0, 3), (1, 2, 1, 1), (1, 2, 2, 2),
    (1, 2, 3, 4, 5), ('a', 'b'), {},
    dict(type='BN'),
    dict(type='SyncBN'),
    dict(type='GN', num_groups=2),
    dict(type='nonsense'),
    dict(a=1), b'bytes', [[1, 2]], {1, 2}
]
# For what torch alone reads: sizes of images, the optimizer.
_NUMBERS = (0, 1, 2, 3, 4, 8, 16, 20, 24, 32, 48, 64)
_UNKNOWN = ('nonsense', 'queue_length', 'lr')
# What torch calls these settings.
_SYNONYMS = dict(
    lr='learning rate',
    images='batch',
    number='views',
    height='image',
    width='image')


def bases() -> list[dict[str, Any]]:
    """One config per algorithm, all its settings written out."""
    moco = dict(
        momentum=0.99,
        region_loss_weight=1.0,
        key_shuffle='global',
        bn_splits=1,
        region_budget=dict(share=1.0, interval=1))
    contrast = dict(
        type='RegionContrastiveHead',
        temperature=0.2,
        intra_negative=True,
        loss=dict(type='mmcls.CrossEntropyLoss', loss_weight=1.0))
    models = [
        tiny_moco.config(head=contrast, **moco),
        tiny_hosts.densecl(head=contrast, loss_lambda=0.5, **moco),
        tiny_hosts.simsiam(
            region_loss_weight=1.0, symmetric=False, region_bn='joint'),
        tiny_hosts.byol(
            region_loss_weight=1.0, base_momentum=0.99, region_bn='joint'),
        tiny_hosts.simclr(region_loss_weight=1.0, region_bn='joint'),
    ]
    configs = []
    for model in models:
        model = copy.deepcopy(model)
        model['region_swap'] |= dict(
            sampler='grid', scope='batch', pairing='flip')
        model['data_preprocessor'] = dict(
            mean=[120., 120., 120.], std=[60., 60., 60.], bgr_to_rgb=True)
        configs.append(
            dict(
                model=model,
                views=dict(
                    number=2,
                    images=4,
                    height=tiny_moco.HEIGHT,
                    width=tiny_moco.WIDTH),
                dataset=dict(
                    data_root='.',
                    ann_file='',
                    data_prefix='',
                    with_label=True,
                    classes=None,
                    extensions=('.png', ),
                    max_images=None,
                    max_skipped_share=0.1,
                    max_pixels=10**6),
                optimizer=dict(lr=0.1, momentum=0.9, weight_decay=1e-4),
                health=dict(
                    interval=50,
                    threshold=0.3,
                    max_nonfinite=10,
                    max_records=3)))
    return configs


def places(config: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every setting, those that hold others too."""
    for key, value in config.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def mutate(config: dict, draw: random.Random) -> list[tuple[tuple, Any]]:
    """Change one to three settings in place; gives what was changed."""
    changes = []
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        # MMEngine looks up model.type, before anything of ours
        path = draw.choice([
            p for p in places(config) if len(p) > 1 and p != ('model', 'type')
        ])
        holder = config
        for key in path[:-1]:
            holder = holder[key]
        kind = draw.random()
        if path[0] != 'views' and kind < 0.08:
            holder.pop(path[-1])
            changes.append((path, 'left out'))
        elif path[0] != 'views' and kind < 0.14:
            name = draw.choice(_UNKNOWN)
            holder[name] = draw.choice(_VALUES)
            changes.append(((*path[:-1], name), holder[name]))
        else:
            values = _NUMBERS if path[0] in ('optimizer', 'views') else _VALUES
            holder[path[-1]] = value = copy.deepcopy(draw.choice(values))
            changes.append((path, value))
    return changes


def run(config: dict, changed: set[str], images: Path) -> None:
    """Data, model, hook; one step forwards and backwards, and its update.

    Args:
        config (dict): Of :func:`bases`, changed.
        changed (set[str]): Its parts that were.
        images (Path): Stands for the data set's root '.'.
    """
    init_default_scope('mmselfsup')
    if 'dataset' in changed:  # takes longer than the step
        data = dict(config['dataset'])
        if data.get('data_root') == '.':
            data['data_root'] = str(images)
        ImageFolder(pipeline=TRAIN_PIPELINE, **data)[0]
    HealthHook(**config['health'])
    if changed <= {'dataset', 'health'}:
        return
    model = tiny_moco.MODELS.build(copy.deepcopy(config['model'])).train()
    optimizer = torch.optim.SGD(model.parameters(), **config['optimizer'])
    view = config['views']
    shape = view['images'], 3, view['height'], view['width']
    inputs = [
        torch.randint(0, 256, shape, dtype=torch.uint8)
        for _ in range(view['number'])
    ]
    views, samples = model.data_preprocessor(
        dict(inputs=inputs, data_samples=None), True)
    total, _ = model.parse_losses(model.loss(views, samples))
    total.backward()
    optimizer.step()


def is_clear(error: Exception, changes: list[tuple[tuple, Any]]) -> bool:
    """Whether it names a setting that was changed, or MMEngine its place."""
    text = str(error)
    if isinstance(error, (AssertionError, RecursionError)) or not text:
        return False
    names = [str(each) for path, _ in changes for each in path[1:]]
    names += [_SYNONYMS.get(each, each) for each in names]
    names += [
        value for _, value in changes if isinstance(value, str) and value
    ]
    return isinstance(error,
                      (ValueError, TypeError, KeyError, OSError)) and (any(
                          name in text for name in names))


class Hang(BaseException):
    """Raised by the alarm."""


def _ring(*_: Any) -> None:
    raise Hang


def fuzz(number: int,
         seed: int,
         images: Path,
         verbose: bool = False) -> tuple[Counter, list[str]]:
    """Run so many configs.

    Args:
        number (int): How many.
        seed (int): Of the draws.
        images (Path): A folder of images, in folders by class.
        verbose (bool): Whether to print the trace of unclear errors.
            Defaults to False.

    Returns:
        tuple[Counter, list[str]]: How many ran, and how many of each kind of
        error there were; and what was neither.
    """
    draw, counts, unclear = random.Random(seed), Counter(), []
    before = signal.signal(signal.SIGALRM, _ring)
    try:
        for index in range(number):
            config = copy.deepcopy(draw.choice(bases()))
            changes = mutate(config, draw)
            what = ', '.join(f'{".".join(map(str, path))}={value!r}'
                             for path, value in changes)
            what = f'{config["model"].get("type")} with {what}' if isinstance(
                config['model'], dict) else what
            torch.manual_seed(index)
            signal.alarm(_SECONDS)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter('ignore')
                    run(config, {path[0] for path, _ in changes}, images)
                counts['ran'] += 1
            except Hang:
                unclear.append(f'{what}: hangs')
            except Exception as error:
                kind = type(error).__name__
                if is_clear(error, changes):
                    counts[kind] += 1
                else:
                    unclear.append(f'{what}: {kind}: {error}')
                    if verbose:
                        traceback.print_exc()
            finally:
                signal.alarm(0)
    finally:
        signal.signal(signal.SIGALRM, before)
    return counts, unclear


def summary(counts: Counter, unclear: list[str]) -> str:
    """One line."""
    errors = ', '.join(f'{count} {kind}'
                       for kind, count in sorted(counts.items())
                       if kind != 'ran')
    return (f'{counts.total() + len(unclear)} mutated configs: '
            f'{counts["ran"]} ran a step, clear errors of the others: '
            f'{errors}; unclear or hanging: {len(unclear)}')


def main() -> int:
    import mmregioncl.register  # noqa: F401
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('number', type=int)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--verbose', action='store_true')
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        counts, unclear = fuzz(args.number, args.seed,
                               write_images(Path(folder), 2), args.verbose)
    print('\n'.join([*unclear, summary(counts, unclear)]))
    return bool(unclear)


if __name__ == '__main__':
    sys.exit(main())
