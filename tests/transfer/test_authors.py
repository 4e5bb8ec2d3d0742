# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mmregioncl.transfer.authors import convert_authors
from mmregioncl.transfer.backbone import find_backbone
from mmregioncl.transfer.resnet_layout import ResNetLayout
from mmregioncl.transfer.safe_load import load_checkpoint_file
from tests.transfer.conftest import (Tensors, neck, random_tensors,
                                     styled_checkpoint, with_prefix)


@pytest.fixture
def theirs(r18: ResNetLayout) -> dict[str, Any]:
    return styled_checkpoint('authors', random_tensors(r18),
                             random_tensors(r18, 1))


def expected_state(layout: ResNetLayout, queue: Tensors) -> Tensors:
    return {
        **with_prefix('backbone.', random_tensors(layout)),
        **neck('neck.mlp.'),
        **with_prefix('encoder_k.module.0.', random_tensors(layout, 1)),
        **neck('encoder_k.module.1.mlp.', 1),
        **queue, 'encoder_k.steps': torch.tensor(77)
    }


def test_every_tensor_has_its_place(theirs: dict, r18: ResNetLayout) -> None:
    state = convert_authors(theirs)['state_dict']
    expected = expected_state(
        r18,
        {key: theirs['state_dict'][key]
         for key in ('queue', 'queue_ptr')})
    assert set(state) == set(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_step_zero_would_overwrite_the_key_encoder(theirs: dict) -> None:
    del theirs['meta']
    assert convert_authors(theirs)['state_dict']['encoder_k.steps'] == 1


def moco(kind: str, region: dict) -> torch.nn.Module:
    from mmselfsup.registry import MODELS
    neck_type = 'DenseCLNeck' if 'DenseCL' in kind else 'MoCoV2Neck'
    return MODELS.build(
        dict(
            type=kind,
            queue_len=64,
            feat_dim=16,
            **region,
            backbone=dict(type='ResNet', depth=18, norm_cfg=dict(type='BN')),
            neck=dict(
                type=f'Region{neck_type}' if region else neck_type,
                in_channels=512,
                hid_channels=32,
                out_channels=16),
            head=dict(
                type='RegionContrastiveHead' if region else 'ContrastiveHead',
                temperature=0.2,
                loss=dict(type='mmcls.CrossEntropyLoss'))))


@pytest.mark.parametrize(
    'kind, region', [('MoCo', {}),
                     ('RegionCLMoCo', dict(region_swap=dict(cells=(3, 5))))])
def test_loads_strictly(kind: str, region: dict, theirs: dict,
                        tmp_path: Path) -> None:
    pytest.importorskip('mmcv', exc_type=ImportError)
    import mmregioncl.register  # noqa: F401
    path = tmp_path / 'converted.pth'
    torch.save(convert_authors(theirs), path)
    model = moco(kind, region)
    model.load_state_dict(
        load_checkpoint_file(path)['state_dict'], strict=True)
    source = theirs['state_dict']
    assert torch.equal(model.neck.mlp[2].bias,
                       source['encoder_q.1.mlp.2.bias'])
    # One momentum update, and the key encoder has moved by 0.001 only.
    torch.nn.init.zeros_(model.backbone.conv1.weight)
    model.encoder_k.update_parameters(
        torch.nn.Sequential(model.backbone, model.neck))
    torch.testing.assert_close(model.encoder_k.module[0].conv1.weight,
                               0.999 * source['encoder_k.0.conv1.weight'])


def add_dense_branch(theirs: dict) -> None:
    """As WXinlong/DenseCL has it, whose code base the authors shared."""
    state = theirs['state_dict']
    dense = neck('encoder_q.1.mlp2.') | neck('encoder_k.1.mlp2.', 1)
    for key, value in dense.items():  # 1 x 1 convolutions
        state[key] = value[..., None, None] if value.ndim == 2 else value
    state.update(queue2=torch.ones(16, 64), queue2_ptr=torch.tensor([3]))


def test_densecl_of_wxinlong(theirs: dict) -> None:
    pytest.importorskip('mmcv', exc_type=ImportError)
    import mmregioncl.register  # noqa: F401
    theirs['state_dict']['queue2'] = torch.ones(16, 64)
    with pytest.raises(ValueError, match='neck.mlp2.0.weight.*queue2_ptr'):
        convert_authors(theirs)
    add_dense_branch(theirs)
    converted = convert_authors(theirs)['state_dict']
    for kind, region in (('DenseCL', {}),
                         ('RegionCLDenseCL',
                          dict(region_swap=dict(cells=(3, 5))))):
        moco(kind, region).load_state_dict(converted, strict=True)


def test_converted_file_exports_the_same_backbone(theirs: dict) -> None:
    before, after = find_backbone(theirs), find_backbone(
        convert_authors(theirs))
    assert all(
        torch.equal(before.tensors[key], after.tensors[key])
        for key in before.tensors)


def test_what_is_not_theirs(theirs: dict, r18: ResNetLayout) -> None:
    tensors = random_tensors(r18)
    for style in ('moco', 'mmselfsup', 'torchvision'):
        with pytest.raises(ValueError, match='expected encoder_q.0'):
            convert_authors(styled_checkpoint(style, tensors, tensors))
    odd = dict(
        theirs, state_dict=dict(theirs['state_dict'], extra=torch.ones(1)))
    with pytest.raises(ValueError, match="unknown are .'extra'."):
        convert_authors(odd)
    del theirs['state_dict']['queue']
    with pytest.raises(ValueError, match="become .'queue'."):
        convert_authors(theirs)


def test_alias_must_agree(theirs: dict) -> None:
    theirs['state_dict']['backbone.conv1.weight'] = torch.ones(1)
    with pytest.raises(ValueError, match='backbone.conv1.weight'):
        convert_authors(theirs)


def test_command_line(theirs: dict, tmp_path: Path, repo_root: Path,
                      monkeypatch: pytest.MonkeyPatch,
                      capsys: pytest.CaptureFixture[str]) -> None:

    def run(*args: Path) -> int:
        monkeypatch.setattr(sys, 'argv', ['x.py', *map(str, args)])
        tool = repo_root / 'tools/model_converters/convert_authors.py'
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(tool), run_name='__main__')
        return int(stop.value.code or 0)

    source, out = tmp_path / 'in.pth', tmp_path / 'new' / 'out.pth'
    torch.save(theirs, source)
    assert run(source, out) == 0
    assert 'neck.mlp.0.weight' in load_checkpoint_file(out)['state_dict']
    assert 'strictly into RegionCLMoCo' in capsys.readouterr().out
    add_dense_branch(theirs)
    torch.save(theirs, source)
    assert run(source, out) == 0
    assert 'strictly into RegionCLDenseCL' in capsys.readouterr().out
    assert run(source, source) == 1
    assert 'same file' in capsys.readouterr().err
    source.write_bytes(b'nothing of the kind')
    assert run(source, tmp_path / 'other.pth') == 1
    assert sorted(path.name
                  for path in tmp_path.iterdir()) == ['in.pth', 'new']
