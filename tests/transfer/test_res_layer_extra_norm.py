# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from mmregioncl.compat import apply_compat
from mmregioncl.transfer.resnet_layout import ResNetLayout
from tests.transfer.skeletons import Skeleton


def test_same_as_mmselfsups() -> None:
    pytest.importorskip('mmdet.models', exc_type=ImportError)
    apply_compat()
    from mmselfsup.models.utils import ResLayerExtraNorm as Theirs

    from mmregioncl.transfer.res_layer_extra_norm import ResLayerExtraNorm
    assert ResLayerExtraNorm is not Theirs
    settings = dict(
        depth=50,
        stage=3,
        style='pytorch',
        norm_eval=False,
        norm_cfg=dict(type='BN', requires_grad=True))
    theirs, ours = Theirs(**settings), ResLayerExtraNorm(**settings)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 1024, 4, 4)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))
    assert ours(x).shape == (2, 2048, 2, 2)


def test_builds_from_a_config_and_takes_layer4() -> None:
    models = pytest.importorskip('mmdet.registry').MODELS
    pytest.importorskip('mmdet.models', exc_type=ImportError)
    apply_compat()
    import mmselfsup.models  # noqa: F401  (its class comes first, if any)

    import mmregioncl.transfer.res_layer_extra_norm  # noqa: F401
    head = models.build(
        dict(
            type='ResLayerExtraNorm',
            depth=18,
            stage=3,
            norm_cfg=dict(type='BN'),
            norm_eval=False))
    assert head.norm.num_features == 512
    layer4 = Skeleton(ResNetLayout(18), parts=('layer4', )).state_dict()
    missing, unexpected = head.load_state_dict(layer4, strict=False)
    assert not unexpected
    assert all(key.startswith('norm.') for key in missing)


@pytest.mark.parametrize('first', [
    'mmregioncl.transfer.res_layer_extra_norm', 'mmregioncl.register'
])
def test_either_may_come_first(first: str) -> None:
    """A pretraining model after a C4 detector, and the other way round."""
    pytest.importorskip('mmdet.models', exc_type=ImportError)
    subprocess.run([
        sys.executable, '-W', 'ignore', '-c', f"""
import {first}
import mmregioncl.register, mmregioncl.transfer.res_layer_extra_norm
from mmdet.registry import MODELS
import mmselfsup.models
assert MODELS.get('ResLayerExtraNorm')
"""
    ],
                   check=True,
                   timeout=120)
