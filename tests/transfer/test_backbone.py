# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
import torch

from mmregioncl.transfer.backbone import find_backbone, find_key_encoder
from mmregioncl.transfer.key_maps import is_key_prefix
from mmregioncl.transfer.resnet_layout import ResNetLayout
from mmregioncl.transfer.safe_load import load_checkpoint_file
from tests.transfer.conftest import (Tensors, random_tensors,
                                     styled_checkpoint, with_prefix)

STYLES = {
    'mmselfsup': ('backbone.', 'MoCo'),
    'authors': ('encoder_q.0.', 'MoCo'),
    'moco': ('module.encoder_q.', 'MoCo'),
    'densecl': ('module.encoder_q.', 'DenseCL'),
    'wrapped': ('module.encoder_q.backbone.', 'MoCo'),
    'simsiam': ('module.encoder.', 'SimSiam'),
    'classifier': ('backbone.', 'classification'),
    'torchvision': ('', 'classification'),
}


@pytest.mark.parametrize('style', STYLES)
def test_finds_the_query_encoder(
        style: str, tiny: ResNetLayout,
        save_style: Callable[..., tuple[Path, Tensors]]) -> None:
    path, query = save_style(style, tiny)
    found = find_backbone(load_checkpoint_file(path), str(path))
    assert (found.prefix, found.method) == STYLES[style]
    assert found.layout == tiny
    assert set(found.tensors) == set(query)
    for name, tensor in query.items():
        assert torch.equal(found.tensors[name], tensor), name


@pytest.mark.parametrize('style', ['mmselfsup', 'authors', 'moco', 'wrapped'])
def test_finds_the_key_encoder(style: str, tiny: ResNetLayout) -> None:
    key = random_tensors(tiny, 1)
    state = styled_checkpoint(style, random_tensors(tiny), key)['state_dict']
    found = find_key_encoder(state)
    assert all(torch.equal(found[name], key[name]) for name in key)


def test_method_of_ours_is_in_the_config(tiny: ResNetLayout) -> None:
    checkpoint = styled_checkpoint('mmselfsup', random_tensors(tiny),
                                   random_tensors(tiny, 1))
    checkpoint['meta']['cfg'] = "model = dict(\n    type='RegionCLMoCo')"
    assert find_backbone(checkpoint).method == 'RegionCLMoCo'


@pytest.mark.parametrize(
    'layout', [
        ResNetLayout(18),
        ResNetLayout(34, base_channels=8, stem_channels=64),
        ResNetLayout(18, stem_channels=32, base_channels=32, stem_kernel=3),
        ResNetLayout(18, 3, 8, 8, stem_kernel=3, strided_layer1=True),
        ResNetLayout(50, base_channels=8, stem_channels=8),
        ResNetLayout(50, in_channels=1, base_channels=4, stem_channels=4),
        ResNetLayout(101, base_channels=4, stem_channels=4),
    ],
    ids=str)
def test_layout_is_inferred(layout: ResNetLayout) -> None:
    assert find_backbone(random_tensors(layout)).layout == layout


def test_resnet50_has_318_tensors() -> None:
    # 53 convolutions and 53 norms of five tensors each
    assert len(ResNetLayout(50).tensor_shapes()) == 318


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_shapes_are_torchvisions(depth: int) -> None:
    torchvision = pytest.importorskip('torchvision')
    with torch.device('meta'):
        net = torchvision.models.get_model(f'resnet{depth}', weights=None)
    expected = {
        key: tuple(value.shape)
        for key, value in net.state_dict().items() if not key.startswith('fc.')
    }
    assert ResNetLayout(depth).tensor_shapes() == expected


def test_old_file_without_batch_counts(tiny: ResNetLayout) -> None:
    tensors = {
        key: value
        for key, value in random_tensors(tiny).items()
        if not key.endswith('num_batches_tracked')
    }
    found = find_backbone(tensors)
    assert set(found.tensors) == set(tiny.tensor_shapes())
    assert found.tensors['bn1.num_batches_tracked'] == 0


def test_tensors_are_compact_float32_copies(tiny: ResNetLayout) -> None:
    tensors = random_tensors(tiny)
    big = torch.zeros(100, 3, 7, 7, dtype=torch.float64)
    tensors['conv1.weight'] = big[:16]
    copy = find_backbone(tensors).tensors['conv1.weight']
    assert copy.dtype == torch.float32
    assert copy.untyped_storage().nbytes() == copy.numel() * 4


@pytest.mark.parametrize('state, said', [
    ({}, 'no tensors'),
    (dict(epoch=3, state_dict=dict(a=1)), 'no tensors'),
    (dict(state_dict={
        'patch_embed.proj.weight': torch.ones(2),
        'blocks.0.attn': torch.ones(2)
    }), r'patch_embed\.proj\*, blocks\.0\*'),
    ({
        'student.layer1.0.conv1.weight': torch.ones(2)
    }, r'student\.layer1'),
])
def test_unknown_says_what_it_holds(state: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        find_backbone(state, 'some.pth')


def test_incomplete_and_foreign_layers(tiny: ResNetLayout) -> None:
    tensors = random_tensors(tiny)
    del tensors['layer3.1.bn2.running_var']
    with pytest.raises(ValueError, match='layer3.1.bn2.running_var'):
        find_backbone(tensors)
    tensors = random_tensors(tiny)
    tensors['layer1.0.se.fc1.weight'] = torch.ones(1)
    with pytest.raises(ValueError, match='has no `layer1.0.se'):
        find_backbone(tensors)
    wide = random_tensors(ResNetLayout(50, 3, 8, 8))
    wide['layer1.0.conv2.weight'] = torch.ones(8, 2, 3, 3)  # ResNeXt
    with pytest.raises(ValueError, match='no plain ResNet'):
        find_backbone(wide)
    deep = {**random_tensors(tiny), 'stem.0.weight': torch.ones(1)}
    with pytest.raises(ValueError, match='ResNetV1c'):
        find_backbone(deep)


def test_diverged_run_is_refused(tiny: ResNetLayout) -> None:
    tensors = random_tensors(tiny)
    tensors['layer2.0.conv1.weight'][0, 0, 0, 0] = float('nan')
    with pytest.raises(ValueError, match='diverged'):
        find_backbone(tensors)


def test_two_different_backbones(tiny: ResNetLayout) -> None:
    state = {
        **with_prefix('encoder_q.0.', random_tensors(tiny)),
        **with_prefix('backbone.', random_tensors(tiny, 2))
    }
    with pytest.raises(ValueError, match='two different backbones'):
        find_backbone(state)


@pytest.mark.parametrize('prefix, is_key', [
    ('encoder_k.module.0.', True),
    ('encoder_k.0', True),
    ('module.encoder_k.', True),
    ('backbone.', False),
    ('', False),
    ('encoder_q.0.', False),
])
def test_key_prefixes(prefix: str, is_key: bool) -> None:
    assert is_key_prefix(prefix) == is_key
