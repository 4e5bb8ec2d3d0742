# Copyright (c) mmregioncl contributors. All rights reserved.
"""The cheaper forms of the region term, against the formulas."""
from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmengine.logging import MessageHub
from torch import Tensor

from mmregioncl.core import region_info_nce
from mmregioncl.models.algorithms.region_budget import RegionBudget
from tests import references
from tests.models import tiny_hosts, tiny_moco


def unit_rows(num: int, dim: int) -> Tensor:
    return torch.nn.functional.normalize(
        torch.randn(num, dim, dtype=torch.float64))


@pytest.mark.parametrize('queries, composites', [(3, 2), (0, 4), (5, 5),
                                                 (5, 0)])
def test_fewer_rows_are_those_of_a_smaller_batch(queries: int,
                                                 composites: int) -> None:
    """First images as queries, last ones as composites, each by itself."""
    num, dim = 5, 4
    query, canvas, paste = (
        unit_rows(each, dim) for each in (queries, composites, composites))
    key, queue = unit_rows(num, dim), unit_rows(7, dim).t()
    donors = list(range(1, composites)) + [0] * (composites > 0)
    terms = region_info_nce(query, canvas, paste, key,
                            torch.tensor(donors, dtype=torch.long), queue)
    for name, size in (('instance', queries), ('canvas', composites),
                       ('paste', composites)):
        assert len(terms[name]) == size
    if queries:
        whole = references.region_info_nce(query, query, query, key[:queries],
                                           list(range(queries)), queue, 0.2)
        torch.testing.assert_close(terms['instance'], whole['instance'])
    if composites:
        last = references.region_info_nce(canvas, canvas, paste,
                                          key[num - composites:], donors,
                                          queue, 0.2)
        for name in ('canvas', 'paste'):
            torch.testing.assert_close(terms[name], last[name])


def region_rows(model: Any) -> list[int]:
    """Rows of every call of the backbone in one step."""
    rows: list[int] = []
    handle = model.backbone.register_forward_hook(
        lambda _, inputs, __: rows.append(len(inputs[0])))
    model.loss(tiny_moco.draw_views(6), None)
    handle.remove()
    return rows


@pytest.mark.parametrize('budget, rows', [
    ({}, [6, 6]),
    (dict(share=0.5), [6, 3]),
    (dict(share=0.01), [6, 2]),
    (dict(share=0.5, clean_share=0.5), [3, 3]),
    (dict(clean_share=0), [6]),
    (dict(interval=2), [6, 6]),
])
def test_images_through_the_query_encoder(budget: dict,
                                          rows: list[int]) -> None:
    model = tiny_moco.build(tiny_moco.config(region_budget=budget))
    assert region_rows(model) == rows


def test_share_equals_the_formula() -> None:
    """Half of the batch clean, the other half swapped among itself."""
    model = tiny_moco.build(
        tiny_moco.config(region_budget=dict(share=0.5, clean_share=0.5)))
    box: references.Box = (1, 0, 2, 3)
    model.region_swap = tiny_moco.FixedSwap([box] * 3, [1, 2, 0])
    views = tiny_moco.draw_views(6)
    slow = copy.deepcopy(model)
    # the first step copies the query encoder
    encoder_k = copy.deepcopy(torch.nn.Sequential(slow.backbone, slow.neck))
    fast = model.loss(views, None)

    query = references.normalised(slow.neck(slow.backbone(views[0][:3]))[0])
    composites = references.swapped(
        views[0][3:], [tuple(tiny_moco.STRIDE * side for side in box)] * 3,
        [1, 2, 0])  # type: ignore[list-item]
    pooled = references.pooled(slow.backbone(composites)[-1], [box] * 3)
    canvas, paste = (
        references.normalised(slow.neck.mlp(each)) for each in pooled)
    key = references.normalised(encoder_k(views[1])[0])
    whole = references.region_info_nce(query, query, query, key[:3], [0, 1, 2],
                                       slow.queue, 0.2)
    last = references.region_info_nce(canvas, canvas, paste, key[3:],
                                      [1, 2, 0], slow.queue, 0.2)
    torch.testing.assert_close(fast['loss_instance'], whole['instance'].mean())
    torch.testing.assert_close(
        fast['loss_region'],
        torch.cat((last['canvas'], last['paste'])).mean())


@pytest.mark.parametrize('host',
                         ['moco', 'densecl', 'simsiam', 'byol', 'simclr'])
def test_interval_leaves_the_host_between(host: str) -> None:
    """Step 0 has a region term, step 1 is the host's."""
    views = tiny_moco.draw_views(4)
    source = tiny_moco.config if host == 'moco' else getattr(tiny_hosts, host)
    model = tiny_moco.build(source(region_budget=dict(interval=2)))
    hub = MessageHub.get_current_instance()
    hub.update_info('max_iters', 10)  # BYOL
    for step, swaps in ((0, True), (1, False), (2, True)):
        hub.update_info('iter', step)
        losses = model.loss(views, None)
        assert (losses['loss_region'] != 0) == swaps
        assert losses['loss_instance'] != 0
        # no figure of no regions: a NaN would stay in the averaged log
        assert all(value.isfinite() for value in losses.values())


def test_size_shrinks_the_composites_alone() -> None:
    cells = dict(stride=tiny_moco.STRIDE, cells=(1, 1))
    model = tiny_moco.build(
        tiny_moco.config(
            region_swap=cells, region_budget=dict(size=2 * tiny_moco.STRIDE)))
    sizes: list[tuple] = []
    model.backbone.register_forward_hook(
        lambda _, inputs, __: sizes.append(tuple(inputs[0].shape[2:])))
    model.loss(tiny_moco.draw_views(4), None)
    assert sizes == [(tiny_moco.HEIGHT, tiny_moco.WIDTH), (16, 16)]


@pytest.mark.parametrize('settings', [
    dict(share=0),
    dict(share=1.5),
    dict(interval=0),
    dict(interval=1.5),
    dict(size=0),
    dict(clean_share=-0.1),
    dict(clean_share=0, interval=2)
])
def test_bad_settings_are_named(settings: dict) -> None:
    name = next(iter(settings))
    with pytest.raises(ValueError, match=f'region_budget.{name}'):
        RegionBudget(**settings)


def test_clean_share_is_for_moco_alone() -> None:
    cfg = tiny_hosts.simsiam(region_budget=dict(clean_share=0.5))
    with pytest.raises(ValueError, match='goes with RegionCLMoCo alone'):
        tiny_moco.build(cfg)


@pytest.mark.parametrize('share, rows', [(0.01, 2), (0.5, 3), (1, 6), (0, 0)])
def test_some_rows_stay_clean_unless_none_is_asked_for(share: float,
                                                       rows: int) -> None:
    """BatchNorm takes two, and a step without a loss no gradient."""
    assert len(RegionBudget(clean_share=share).clean(torch.ones(6, 1))) == rows


@pytest.mark.parametrize('size, message', [
    (20, 'region_budget.size=20: .* no multiple of region_swap.stride=8'),
    (8, 'region_budget.size=8: .* does not fit an image of 8 x 8'),
])
def test_sizes_that_cannot_be_swapped(size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_moco.build(tiny_moco.config(region_budget=dict(size=size)))


def test_a_size_above_the_view() -> None:
    model = tiny_moco.build(tiny_moco.config(region_budget=dict(size=800)))
    with pytest.raises(ValueError, match='size=800 is above the .* pixels of'):
        model.loss(tiny_moco.draw_views(4), None)


@pytest.mark.parametrize('host', ['simsiam', 'byol'])
def test_regions_of_a_part_meet_the_targets_of_that_part(host: str) -> None:
    """The last half of a batch, against a batch of that half alone. In
    evaluation mode, where images do not share statistics."""
    MessageHub.get_current_instance().update_info('max_iters', 10)  # BYOL
    views, losses = tiny_moco.draw_views(8), []
    for budget, part in ((dict(share=0.5), slice(None)), ({}, slice(4, 8))):
        model = tiny_moco.build(
            getattr(tiny_hosts, host)(region_budget=budget)).eval()
        model.region_swap = tiny_moco.FixedSwap([(1, 0, 2, 3)] * 4,
                                                [1, 2, 3, 0])
        losses.append(
            model.loss([view[part] for view in views], None)['loss_region'])
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize('name', ['region_swap', 'region_budget'])
def test_names_that_are_not_known(name: str) -> None:
    cfg = tiny_moco.config()
    cfg[name] = dict(cfg.get(name, {}), shares=0.5)
    with pytest.raises(
            ValueError, match=f"model.{name}={{.*'shares'.*; take it out"):
        tiny_moco.build(cfg)
