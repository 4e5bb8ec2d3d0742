# Copyright (c) mmregioncl contributors. All rights reserved.
"""Settings of a model that cannot be, named before they fail deep inside."""
from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.registry import Registry
from torch import nn

from .backbone_stride import SIDE, on_meta

_COUNTS = ('queue_len', 'feat_dim', 'bn_splits', 'interval')
_NUMBERS = ('momentum', 'base_momentum', 'region_loss_weight', 'loss_lambda',
            'share', 'clean_share')
_SWITCHES = ('symmetric', 'region_under_lambda')
_PARTS = ('backbone', 'neck', 'head')
_DICTS = (*_PARTS, 'region_swap', 'region_budget', 'data_preprocessor')
_OPTIONAL = ('region_budget', 'data_preprocessor')


def check_types(settings: dict[str, Any], place: str = 'model') -> None:
    """Raise ValueError if an algorithm's own setting is of another type.

    Args:
        settings (dict): What the algorithm is built with.
        place (str): Where they stand. Defaults to 'model'.
    """
    for name, value in settings.items():
        if name in _OPTIONAL and value is None or isinstance(value, nn.Module):
            continue
        number = isinstance(value, (int, float)) and not isinstance(
            value, bool) and math.isfinite(value)
        whole = number and isinstance(value, int)
        rules = ((_COUNTS, whole, 'a positive number without a fraction'),
                 (_NUMBERS, number, 'a finite number'),
                 (_SWITCHES, isinstance(value, bool), 'True or False'),
                 (_DICTS, isinstance(value, dict), 'a dict of settings'))
        for names, fits, wanted in rules:
            if name in names and not fits:
                raise ValueError(f'{place}.{name} must be {wanted}, got '
                                 f'{value!r}')
        if name == 'region_budget':
            check_types(value, 'model.region_budget')


def explain_failed_build(settings: dict[str, Any], registry: Registry,
                         error: Exception) -> ValueError:
    """Find the part of a model that cannot be built.

    Args:
        settings (dict): What the algorithm is built with.
        registry (Registry): That builds its parts.
        error (Exception): What building it raised.

    Returns:
        ValueError: That shows the part and says what is wrong.
    """
    for name in (*_PARTS, 'data_preprocessor'):
        part = settings.get(name)
        if not isinstance(part, dict):
            continue
        if name == 'data_preprocessor':  # the host fills in its type
            part = dict(type='SelfSupDataPreprocessor') | part
        try:
            registry.build(part)
        except Exception as cause:  # whatever the hosts and torch raise
            return ValueError(f'model.{name}={dict(part)} cannot be built: '
                              f'{_first_line(cause)}')
    shown = {
        key: value
        for key, value in settings.items() if key not in _DICTS
    }
    return ValueError(f'the model cannot be built with {shown}: '
                      f'{_first_line(error)}')


def check_wiring(model: Any) -> None:
    """Raise ValueError unless each part takes what the part before it gives.

    Runs on the meta device, where tensors have shapes only.

    Args:
        model (nn.Module): With ``backbone``, ``neck`` and ``head``.
    """
    images = torch.empty(2, 3, SIDE, SIDE, device='meta')
    features = on_meta(model.backbone, images)
    channels = features[-1].shape[1]
    try:
        projections = on_meta(model.neck, features)[0]
    except Exception as error:
        if len(features) > 1:
            raise ValueError(
                f'model.neck takes one feature map, and model.backbone gives '
                f'{len(features)}; set model.backbone.out_indices to its last '
                'stage alone') from error
        raise ValueError(
            f'model.neck does not take what model.backbone gives, {channels} '
            f'channels: {_first_line(error)}; set model.neck.in_channels='
            f'{channels}') from error
    predictor = getattr(model.head, 'predictor', None)
    if predictor is None:
        return
    dim = projections.shape[1]
    try:
        predictions = on_meta(predictor, [projections])[0]
    except Exception as error:
        raise ValueError(
            f'model.head.predictor does not take what model.neck gives, {dim} '
            f'channels: {_first_line(error)}; set model.head.predictor.'
            f'in_channels={dim} and with_avg_pool=False') from error
    if predictions.shape != projections.shape:
        raise ValueError(
            f'model.head.predictor gives {predictions.shape[1]} channels, but '
            f'is compared with the {dim} of model.neck; set '
            f'model.head.predictor.out_channels={dim}')


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f'{type(error).__name__}: {lines[0] if lines else ""}'
