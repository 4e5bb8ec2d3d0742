# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import copy
import math
from typing import Any

import pytest

import mmregioncl.register  # noqa: F401
from mmregioncl.models.check_settings import check_types
from tests.models import tiny_hosts, tiny_moco


@pytest.mark.parametrize('name, value, wanted', [
    ('queue_len', 24.0, 'a positive number without a fraction'),
    ('queue_len', True, 'a positive number without a fraction'),
    ('feat_dim', '8', 'a positive number without a fraction'),
    ('momentum', {0.9}, 'a finite number'),
    ('region_loss_weight', math.nan, 'a finite number'),
    ('loss_lambda', None, 'a finite number'),
    ('symmetric', 'no', 'True or False'),
    ('backbone', 'ResNet', 'a dict of settings'),
    ('region_swap', None, 'a dict of settings'),
    ('data_preprocessor', [1], 'a dict of settings'),
])
def test_types(name: str, value: Any, wanted: str) -> None:
    with pytest.raises(
            ValueError, match=f'model.{name} must be {wanted}, '
            'got '):
        check_types({name: value})


def test_what_may_be() -> None:
    check_types(
        dict(
            queue_len=5,
            momentum=1,
            symmetric=False,
            region_budget=None,
            data_preprocessor=None,
            neck={},
            unknown=object()))
    with pytest.raises(ValueError, match=r'model.region_budget.share must'):
        check_types(dict(region_budget=dict(share='half')))


def build(cfg: dict, path: str, value: Any) -> Any:
    cfg = copy.deepcopy(cfg)
    holder, names = cfg, path.split('.')
    for name in names[:-1]:
        holder = holder[name]
    holder[names[-1]] = value
    return tiny_moco.MODELS.build(cfg)


@pytest.mark.parametrize('path, value, message', [
    ('backbone.depth', 19,
     r"model.backbone=\{.*'depth': 19.*cannot be built: .*invalid depth"),
    ('neck.hid_channels', -7,
     r"model.neck=\{.*'hid_channels': -7.*cannot be built: .*negative"),
    ('neck.type', 'Nonsense', r'model.neck=.*Nonsense is not in the'),
    ('head.temperature', 0, r'model.head=.*head.temperature must be positive'),
    ('neck.in_channels', 64,
     'model.neck does not take what model.backbone gives, 32 channels: .*; '
     'set model.neck.in_channels=32'),
    ('backbone.out_indices', [2, 3],
     'model.backbone gives 2; set model.backbone.out_indices'),
    ('data_preprocessor', dict(mean=[1, 2, 3]),
     r'model.data_preprocessor=.*cannot be built: .*mean and std'),
])
def test_the_part_that_is_wrong(path: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(tiny_moco.config(), path, value)


@pytest.mark.parametrize('path, value, message', [
    ('head.predictor.in_channels', 9,
     'model.head.predictor does not take what model.neck gives, 8 channels'),
    ('head.predictor.out_channels', 9,
     'gives 9 channels, but is compared with the 8 of model.neck; set '
     'model.head.predictor.out_channels=8'),
])
@pytest.mark.parametrize('config', [tiny_hosts.simsiam, tiny_hosts.byol])
def test_the_predictor(config: Any, path: str, value: int,
                       message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(config(), path, value)


def test_models_can_be_copied() -> None:
    """Which goes round the constructor."""
    model = tiny_moco.build(tiny_moco.config())
    twin = copy.deepcopy(model)
    assert type(twin) is type(model)
    assert list(twin.state_dict()) == list(model.state_dict())
