# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL on its other hosts in a few thousand parameters, and by hand."""
from __future__ import annotations

import copy
import random
from typing import Any

import torch
from torch import Tensor, nn

from tests import references
from tests.models import tiny_moco

FLIP = [3, 2, 1, 0]
ONE_BOX: references.Box = (1, 0, 2, 3)
OWN_BOXES: list[references.Box] = [(0, 0, 1, 1), (1, 1, 3, 2), (0, 0, 4, 2),
                                   (3, 2, 1, 1), (2, 0, 1, 3)]
OURS_ALONE = ('region_swap', 'region_loss_weight', 'region_under_lambda',
              'symmetric', 'region_bn', 'key_shuffle', 'bn_splits')


def draw_donors(num: int, seed: int = 0) -> list[int]:
    """A random derangement that is no involution: not its own inverse."""
    draw = random.Random(seed)
    donors = list(range(num))
    while not references.is_derangement(donors) or all(
            donors[donors[i]] == i for i in range(num)):
        draw.shuffle(donors)
    return donors


# name: boxes in cells of 3 x 4, donors
CASES = {
    'flip': ([ONE_BOX] * 4, FLIP),
    'flip, own boxes': (OWN_BOXES[:4], FLIP),
    'derangement': ([ONE_BOX] * 5, draw_donors(5)),
    'derangement, own boxes': (OWN_BOXES, draw_donors(5)),
}


def densecl(norm: str = 'BN', **settings: Any) -> dict:
    """RegionCL-D; the projectors have no norm."""
    moco = tiny_moco.config(norm)
    return moco | dict(
        type='RegionCLDenseCL',
        neck=moco['neck'] | dict(type='RegionDenseCLNeck')) | settings


def simsiam(norm: str = 'BN', **settings: Any) -> dict:
    """RegionCL-S with SimSiam's three layers and its bottleneck."""
    return _predicting('RegionCLSimSiam', norm, False) | settings


def byol(norm: str = 'BN', **settings: Any) -> dict:
    """RegionCL on BYOL, whose linear layers have biases."""
    return _predicting('RegionCLBYOL', norm, True) | settings


def simclr(norm: str = 'BN', **settings: Any) -> dict:
    """RegionCL on SimCLR."""
    return _base('RegionCLSimCLR', norm) | dict(
        neck=projector(norm),
        head=dict(
            type='ContrastiveHead',
            loss=dict(type='mmcls.CrossEntropyLoss'),
            temperature=0.1)) | settings


def projector(norm: str = 'BN', **settings: Any) -> dict:
    """A RegionNonLinearNeck from 32 channels to 8."""
    norm_cfg = dict(type='GN', num_groups=2) if norm == 'GN' else dict(
        type='BN1d')
    return dict(
        type='RegionNonLinearNeck',
        in_channels=32,
        hid_channels=16,
        out_channels=8,
        norm_cfg=norm_cfg) | settings


def predictor(norm: str = 'BN', **settings: Any) -> dict:
    """From 8 channels to 8, by way of 6."""
    return projector(norm) | dict(
        type='NonLinearNeck',
        in_channels=8,
        hid_channels=6,
        with_avg_pool=False,
        with_last_bn=False,
        with_last_bias=True) | settings


def _base(kind: str, norm: str) -> dict:
    moco = tiny_moco.config(norm)
    return dict(
        type=kind,
        backbone=moco['backbone'],
        region_swap=moco['region_swap'])


def _predicting(kind: str, norm: str, byol_like: bool) -> dict:
    neck = dict(with_bias=True, with_last_bn=False) if byol_like else dict(
        num_layers=3, with_last_bn_affine=False)
    return _base(kind, norm) | dict(
        neck=projector(norm, **neck),
        head=dict(
            type='RegionLatentPredictHead',
            loss=dict(type='CosineSimilarityLoss'),
            predictor=predictor(norm, with_bias=byol_like)))


def host_config(ours: dict) -> dict:
    """MMSelfSup's own algorithm, neck and head with the same weights."""
    host = {key: value for key, value in copy.deepcopy(ours).items()
            if key not in OURS_ALONE}
    host['type'] = host['type'].removeprefix('RegionCL')
    for part in ('neck', 'head'):
        host[part]['type'] = host[part]['type'].removeprefix('Region')
    if host['type'] == 'DenseCL':
        host['head'] |= dict(
            loss=dict(type='mmcls.CrossEntropyLoss'), temperature=0.2)
    return host


def build(cfg: dict, seed: int = 0, double: bool = True) -> Any:
    """As for MoCo; the norms of projector and predictor moved as well."""
    model = tiny_moco.build(cfg, seed, double)
    for part in (model.neck, model.head):
        for module in part.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.GroupNorm)) \
                    and module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
    return model


def trained(model: Any) -> dict[str, nn.Parameter]:
    """What an optimiser moves, by name."""
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def follow(average: nn.Module, model: Any, momentum: float) -> None:
    """The step of a momentum encoder; 0 copies, as in the first step."""
    sources = nn.Sequential(model.backbone, model.neck).parameters()
    with torch.no_grad():
        for mine, source in zip(average.parameters(), sources):
            mine.copy_(references.moved_average(mine, source, momentum))


def layers_by_hand(neck: Any, rows: Tensor) -> Tensor:
    """fc-bn-[relu-fc-bn], from pooled rows, one layer after the other."""
    names = ['0'] + [name.removeprefix('fc') for name in neck.fc_names]
    for name in names:
        if name != '0':
            rows = rows.clamp(min=0)
        linear, norm = (getattr(neck, kind + name, None)
                        for kind in ('fc', 'bn'))
        rows = rows @ linear.weight.t()
        if linear.bias is not None:
            rows = rows + linear.bias
        if norm is not None:
            ones = torch.ones_like(rows[0])
            weight, bias = ((norm.weight, norm.bias) if norm.affine else
                            (ones, 0 * ones))
            rows = references.batch_norm(rows, weight, bias, norm.eps)
    return rows


def cosines(predictions: Tensor, targets: Tensor) -> Tensor:
    """cos(a, sg b) of each row."""
    return torch.stack([
        (a * b).sum() for a, b in zip(
            references.normalised(predictions),
            references.normalised(targets.detach()))
    ])


def assert_same_loss(model: Any, fast: dict[str, Tensor], slow_model: Any,
                     slow: dict[str, Tensor]) -> None:
    """Each loss and each gradient of each loss; in float64."""
    assert set(slow) == {name for name in fast if name.startswith('loss')}
    ours, theirs = trained(model), trained(slow_model)
    assert list(ours) == list(theirs)
    for term, loss in slow.items():
        assert abs(fast[term].item() - loss.item()) < 1e-8, term
        slopes = (torch.autograd.grad(
            losses, list(params.values()), retain_graph=True,
            materialize_grads=True)
                  for losses, params in ((fast[term], ours), (loss, theirs)))
        for name, one, other in zip(ours, *slopes):
            # a bias before a BatchNorm has no gradient but rounding errors
            error = (one - other).norm()
            assert error <= 1e-8 * other.norm() + 1e-10, (term, name)


def assert_state_dict_of_host(cfg: dict) -> None:
    """Strictly, there and back, values and all."""
    ours, host = build(cfg, seed=1), build(host_config(cfg), seed=2)
    for giver, taker in ((ours, host), (host, ours)):
        tiny_moco.perturb(giver)
        assert list(giver.state_dict()) == list(taker.state_dict())
        taker.load_state_dict(giver.state_dict(), strict=True)
        for one, other in zip(giver.state_dict().values(),
                              taker.state_dict().values()):
            assert torch.equal(one, other)


def host_with_weights_of(model: Any, cfg: dict) -> Any:
    """MMSelfSup's algorithm in the same state."""
    host = build(host_config(cfg))
    host.load_state_dict(model.state_dict(), strict=True)
    return host
