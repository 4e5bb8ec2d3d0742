# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-M in a few thousand parameters, for tests to vary."""
from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

import mmregioncl.register  # noqa: F401
from mmregioncl.core import SwappedRegions
from mmregioncl.models.algorithms import regioncl_moco
from tests import references

MODELS = regioncl_moco.MODELS  # MMSelfSup's
STRIDE, ROWS, COLUMNS = 8, 3, 4  # feature maps of 3 x 4 cells
HEIGHT, WIDTH = ROWS * STRIDE, COLUMNS * STRIDE


def config(norm: str = 'BN', **settings: Any) -> dict:
    """RegionCLMoCo on a ResNet-18 of width 4 and stride 8."""
    norm_cfg = dict(type='GN', num_groups=2) if norm == 'GN' else dict(
        type=norm)
    return dict(
        type='RegionCLMoCo',
        backbone=dict(
            type='ResNet',
            depth=18,
            stem_channels=4,
            base_channels=4,
            strides=(1, 2, 1, 1),
            norm_cfg=norm_cfg),
        neck=dict(
            type='RegionMoCoV2Neck',
            in_channels=32,
            hid_channels=16,
            out_channels=8),
        head=dict(type='RegionContrastiveHead'),
        region_swap=dict(stride=STRIDE, cells=(1, 2)),
        queue_len=24,
        feat_dim=8) | settings


def host_config(norm: str = 'BN', **settings: Any) -> dict:
    """MMSelfSup's own MoCo v2 with the same weights."""
    ours = config(norm, **settings)
    ours.pop('region_swap')
    return ours | dict(
        type='MoCo',
        neck=ours['neck'] | dict(type='MoCoV2Neck'),
        head=dict(
            type='ContrastiveHead',
            loss=dict(type='mmcls.CrossEntropyLoss'),
            temperature=0.2))


def build(cfg: dict, seed: int = 0, double: bool = True) -> Any:
    """A model in training mode, its BatchNorms away from 1 and 0."""
    torch.manual_seed(seed)
    model = MODELS.build(copy.deepcopy(cfg))
    for module in model.backbone.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return (model.double() if double else model).train()


def draw_views(num: int) -> list[Tensor]:
    """The query view and the key view of a batch."""
    return [
        torch.randn(num, 3, HEIGHT, WIDTH, dtype=torch.float64)
        for _ in range(2)
    ]


def perturb(model: Any) -> None:
    """Move the query encoder as an optimiser would."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter) *
                               parameter.std(correction=0))


def query_parameters(model: Any) -> dict[str, nn.Parameter]:
    """Those of backbone and neck, by name."""
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name.startswith(('backbone.', 'neck.'))
    }


class FixedSwap:
    """Stands in for RegionSwap: the regions that the test says."""

    def __init__(self, boxes: list[references.Box],
                 donors: list[int]) -> None:
        self.boxes, self.donors = boxes, donors

    def __call__(self, view: Tensor) -> tuple[Tensor, SwappedRegions]:
        pixels: list[Any] = [
            tuple(STRIDE * side for side in box) for box in self.boxes
        ]
        regions = SwappedRegions(
            torch.tensor(self.boxes), torch.tensor(self.donors), STRIDE)
        return references.swapped(view, pixels, self.donors), regions


class RecordedSwap:
    """Calls a RegionSwap and keeps what it gave."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        self.composites = self.regions = None

    def __call__(self, view: Tensor) -> tuple[Tensor, SwappedRegions]:
        self.composites, self.regions = self.transform(view)
        return self.composites, self.regions
