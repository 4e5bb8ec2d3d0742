# Copyright (c) mmregioncl contributors. All rights reserved.
"""The two settings of a config that say how regions are swapped."""
from __future__ import annotations

import torch
from mmselfsup.registry import TRANSFORMS

from mmregioncl.datasets.transforms import RegionSwap
from ..check_settings import check_types
from .region_budget import RegionBudget


def region_parts(
        region_swap: dict,
        region_budget: dict | None) -> tuple[RegionSwap, RegionBudget]:
    """Build ``model.region_swap`` and ``model.region_budget``.

    Args:
        region_swap (dict): Arguments of
            :class:`~mmregioncl.datasets.transforms.RegionSwap`.
        region_budget (dict, optional): Arguments of :class:`RegionBudget`;
            None is the paper's.

    Returns:
        tuple[RegionSwap, RegionBudget]: Both, built.

    Raises:
        ValueError: If a name is not known, a setting is out of its range, or
            the largest box does not fit the size of the budget.
    """
    check_types(dict(region_swap=region_swap, region_budget=region_budget))
    try:
        swap = TRANSFORMS.build({'type': 'RegionSwap', **region_swap})
        budget = RegionBudget(**(region_budget or {}))
    except TypeError as error:
        raise ValueError(
            f'model.region_swap={region_swap} or model.region_budget='
            f'{region_budget} holds a name that is not known: {error}; take '
            'it out') from error
    if budget.size is not None:
        try:
            swap.check(torch.empty(2, 3, budget.size, budget.size))
        except ValueError as error:
            raise ValueError(f'model.region_budget.size={budget.size}: '
                             f'{error}') from error
    return swap, budget
