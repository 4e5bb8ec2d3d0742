# Copyright (c) mmregioncl contributors. All rights reserved.
"""Which runs answer which question; evidence.py runs them.

Every run is a config of configs/small and what it changes. All share images,
epochs, batch and schedule; ``host`` names the run that a figure is held
against.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

# Passes of RegionCL over passes of its host: docs/hosts.md.
COST = dict(
    mocov2=Fraction(7, 4),
    densecl=Fraction(7, 4),
    simsiam=Fraction(9, 6),
    byol=Fraction(11, 8),
    simclr=Fraction(9, 6))
SETS = ('cifar10', 'tinyimagenet')


@dataclass(frozen=True)
class Run:
    """One training run, apart from its seed.

    Args:
        name (str): Unique; the name of its folder.
        config (str): Stem of a file in configs/small.
        group (str): The question that it belongs to.
        label (str): What the table calls it.
        cost (Fraction): Passes of the whole run over those of the plain host.
        host (str): Name of the run to compare with.
        longer (Fraction): Factor of the epochs. Defaults to 1.
        options (dict): What it changes in the config. Defaults to nothing.
    """
    name: str
    config: str
    group: str
    label: str
    cost: Fraction
    host: str
    longer: Fraction = Fraction(1)
    options: dict[str, Any] = field(default_factory=dict)


def twins(data: str) -> list[Run]:
    """RegionCL, its plain host, and the host at RegionCL's cost.

    Of M also both in more epochs: whether the difference stays.
    """
    runs = []
    for method, cost in COST.items():
        host = f'{method}_r18w16_{data}'
        runs += [
            Run(host, host, 'twins', f'{method}', Fraction(1), host),
            Run(f'regioncl_{host}', f'regioncl_{host}', 'twins',
                f'RegionCL on {method}', cost, host),
            Run(f'{host}_longer',
                host,
                'twins',
                f'{method}, {cost} of the epochs',
                cost,
                host,
                longer=cost),
        ]
    host, cost = f'mocov2_r18w16_{data}', COST['mocov2']
    runs.append(
        Run(f'regioncl_{host}_longer',
            f'regioncl_{host}',
            'twins',
            f'RegionCL on mocov2, both {cost} of the epochs',
            cost * cost,
            f'{host}_longer',
            longer=cost))
    return runs


def variants(data: str) -> list[Run]:
    """RegionCL-M with one setting changed: what matters, what is cheaper.

    And RegionCL-D with the region loss as small beside its instance loss as
    that of M is: DenseCL halves the instance loss. And RegionCL-S with each
    setting that the paper leaves open, for S does not gain with the default.
    """
    host = f'mocov2_r18w16_{data}'
    full, price = COST['mocov2'], 'model.region_budget.'
    listed: list[tuple[str, str, str, Fraction, dict]] = [
        ('ablation', 'legacy', 'the authors\' sampler', full, {
            'model.region_swap.sampler': 'legacy'
        }),
        ('ablation', 'boxes', 'a box per image', full, {
            'model.region_swap.scope': 'image'
        }),
        ('ablation', 'no_intra', 'no intra-image negative', full, {
            'model.head.intra_negative': False
        }),
        ('ablation', 'cells1_2', 'boxes of 1 to 2 cells', full, {
            'model.region_swap.cells': [1, 2]
        }),
        ('ablation', 'cells1_3', 'boxes of 1 to 3 cells', full, {
            'model.region_swap.cells': [1, 3]
        }),
        ('ablation', 'weight0.2', 'region weight 0.2', full, {
            'model.region_loss_weight': 0.2
        }),
        ('ablation', 'weight1', 'region weight 1', full, {
            'model.region_loss_weight': 1.0
        }),
        ('price', 'half', 'composites of half of the batch', Fraction(11, 8), {
            f'{price}share': 0.5
        }),
        ('price', 'alternate', 'composites every other step', Fraction(11, 8),
         {
             f'{price}interval': 2
         }),
        ('price', 'halves', 'half clean, half composites', Fraction(1), {
            f'{price}share': 0.5,
            f'{price}clean_share': 0.5
        }),
        ('price', 'composites', 'composites alone', Fraction(1), {
            f'{price}clean_share': 0
        }),
        # 3 of 4 cells along each side: 9/16 of the pixels
        ('price', 'smaller', 'composites at 3/4 of the side',
         Fraction(4 * 16 + 3 * 9, 4 * 16), {
             f'{price}size': dict(cifar10=24, tinyimagenet=48)[data],
             'model.region_swap.cells': [1, 2]
         }),
    ]
    runs = [
        Run(f'regioncl_{host}_{name}',
            f'regioncl_{host}',
            group,
            label,
            cost,
            host,
            options=options) for group, name, label, cost, options in listed
    ]
    more: list[tuple[str, str, str, Fraction, dict]] = [
        ('densecl', 'weight0.25', 'region weight 0.25', COST['densecl'], {
            'model.region_loss_weight': 0.25
        }),
        ('simsiam', 'weight1', 'region weight 1', COST['simsiam'], {
            'model.region_loss_weight': 1.0
        }),
        # four passes with gradient where the host has two
        ('simsiam', 'symmetric', 'both views swapped', Fraction(2), {
            'model.symmetric': True
        }),
        ('simsiam', 'separate_bn', 'canvas and paste apart',
         COST['simsiam'], {
             'model.region_bn': 'separate'
         }),
    ]
    return runs + [
        Run(f'regioncl_{method}_r18w16_{data}_{name}',
            f'regioncl_{method}_r18w16_{data}',
            'ablation',
            f'RegionCL on {method}, {label}',
            cost,
            f'{method}_r18w16_{data}',
            options=options) for method, name, label, cost, options in more
    ]


def all_runs() -> list[Run]:
    """Every run, the most wanted first.

    Of the changed ones those on Tiny-ImageNet: there the region term helps
    more than seeds differ, so that one seed shows what a change takes away.
    """
    runs = [run for data in SETS for run in twins(data)]
    return runs + [run for data in reversed(SETS) for run in variants(data)]
