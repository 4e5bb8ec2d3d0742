# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from torch import Tensor

from mmregioncl.transfer.backbone import find_backbone
from mmregioncl.transfer.export import export_backbone
from mmregioncl.transfer.reference import stage_features
from mmregioncl.transfer.resnet_layout import ResNetLayout
from mmregioncl.transfer.safe_load import load_checkpoint_file
from mmregioncl.transfer.targets import TARGETS
from tests.transfer.conftest import Tensors, random_tensors, styled_checkpoint

SaveStyle = Callable[..., tuple[Path, Tensors]]


def needs(target: str) -> None:
    pytest.importorskip(
        TARGETS[target].module,
        exc_type=ImportError,
        reason=f'{target} is not installed, or not with the full mmcv')


@pytest.fixture
def layout_of(r18: ResNetLayout,
              tiny: ResNetLayout) -> Callable[[str], ResNetLayout]:
    """The smallest layout that a target can express."""
    full = 'torchvision', 'timm', 'detectron2'
    return lambda target: r18 if target in full else tiny


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize('target', TARGETS)
def test_round_trip(target: str, layout_of: Callable[[str], ResNetLayout],
                    save_style: SaveStyle) -> None:
    needs(target)
    path, query = save_style('mmselfsup', layout_of(target))
    report = export_backbone(path, target)
    assert report.max_error < 1e-12
    assert report.num_tensors == len(query)
    out = Path(report.path)
    assert out.name == f'mmselfsup_{target}-{report.sha256[:8]}.pth'
    subprocess.run(['sha256sum', '-c', f'{out.name}.sha256'],
                   cwd=out.parent,
                   check=True,
                   capture_output=True)
    # Loads where nothing of MMEngine is allow-listed.
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        torch.load(out, weights_only=True)
    finally:
        torch.serialization.add_safe_globals(allowed)


@pytest.mark.parametrize('target',
                         ['mmengine', 'mmdet', 'mmseg', 'torchvision', 'timm'])
def test_safetensors(target: str, layout_of: Callable[[str], ResNetLayout],
                     save_style: SaveStyle) -> None:
    needs(target)
    path, query = save_style('mmselfsup', layout_of(target))
    report = export_backbone(path, target, file_format='safetensors')
    assert report.path.endswith(f'-{report.sha256[:8]}.safetensors')
    found = find_backbone(load_checkpoint_file(report.path))
    assert all(torch.equal(found.tensors[key], query[key]) for key in query)


@pytest.mark.parametrize('style', [
    'authors', 'moco', 'densecl', 'wrapped', 'simsiam', 'classifier',
    'torchvision'
])
def test_every_source_gives_the_same_file(style: str, tiny: ResNetLayout,
                                          save_style: SaveStyle) -> None:
    path, query = save_style(style, tiny)
    report = export_backbone(path)
    state = load_checkpoint_file(report.path)['state_dict']
    assert set(state) == {f'backbone.{key}' for key in query}
    assert all(
        torch.equal(state[f'backbone.{key}'], query[key]) for key in query)


def test_init_cfg_takes_it(tiny: ResNetLayout, save_style: SaveStyle) -> None:
    from mmengine.model.weight_init import PretrainedInit
    needs('mmdet')
    from mmdet.models.backbones import ResNet
    path, query = save_style('mmselfsup', tiny)
    for target, prefix in (('mmengine', 'backbone.'), ('mmdet', None)):
        net = ResNet(18, base_channels=16)
        PretrainedInit(export_backbone(path, target).path, prefix)(net)
        state = net.state_dict()
        assert all(torch.equal(state[key], query[key]) for key in query)


def test_resnet50(save_style: SaveStyle) -> None:
    path, _ = save_style('torchvision', ResNetLayout(50))
    for target in ('mmengine', 'torchvision', 'detectron2'):
        report = export_backbone(path, target)
        assert report.num_tensors == 318
        assert report.max_error < 1e-12


@pytest.mark.parametrize('strided', [False, True])
def test_cifar_stem_as_mmcls_computes_it(strided: bool) -> None:
    from mmregioncl.compat import apply_compat
    apply_compat()
    from mmcls.models.backbones import ResNet_CIFAR
    net = ResNet_CIFAR(
        18,
        base_channels=16,
        stem_channels=16,
        strides=(2 if strided else 1, 2, 2, 2),
        out_indices=(0, 1, 2, 3)).double()
    net.eval()  # returns nothing
    layout = ResNetLayout(18, 3, 16, 16, 3, strided_layer1=strided)
    tensors = random_tensors(layout)
    net.load_state_dict(tensors, strict=True)
    images = torch.randn(2, 3, 33, 20, dtype=torch.float64)
    exact = {
        key: value.to(net.state_dict()[key].dtype)
        for key, value in tensors.items()
    }
    with torch.no_grad():
        for ours, theirs in zip(
                stage_features(exact, layout, images), net(images),
                strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize('target, layout, said', [
    *((target, ResNetLayout(18, stem_kernel=3), 'CIFAR stem')
      for target in TARGETS if target != 'mmengine'),
    ('torchvision', ResNetLayout(18, 3, 16, 16), '64 channels'),
    ('timm', ResNetLayout(18, 3, 16, 16), '64 channels'),
    ('torchvision', ResNetLayout(18, in_channels=1), '3 image channels'),
    ('timm', ResNetLayout(18, strided_layer1=True), 'no stride in layer1'),
])
def test_what_a_target_cannot_express(target: str, layout: ResNetLayout,
                                      said: str, tmp_path: Path,
                                      save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', layout)
    with pytest.raises(ValueError, match=said):
        export_backbone(path, target)
    assert leftovers(tmp_path) == ['mmselfsup.pth']


@pytest.mark.parametrize('strided', [False, True])
def test_cifar_stem_exports_for_mmengine(strided: bool,
                                         save_style: SaveStyle) -> None:
    layout = ResNetLayout(18, 3, 16, 16, 3, strided_layer1=strided)
    path, _ = save_style('mmselfsup', layout)
    assert export_backbone(path).max_error < 1e-12


def test_one_channel_for_timm(save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', ResNetLayout(18, in_channels=1))
    assert export_backbone(path, 'timm').max_error < 1e-12


def test_a_wrong_file_is_discarded(tiny: ResNetLayout, tmp_path: Path,
                                   save_style: SaveStyle,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if one running mean is off by a hundredth on the way."""
    path, _ = save_style('mmselfsup', tiny)
    to = TARGETS['mmengine']
    rename = type(to).rename

    def spoil(self: Any, tensors: Tensors) -> Tensors:
        renamed = rename(self, tensors)
        key = 'backbone.layer3.1.bn2.running_mean'
        return {**renamed, key: renamed[key] + 0.01}

    monkeypatch.setattr(type(to), 'rename', spoil)
    with pytest.raises(RuntimeError, match='stage 3 differ'):
        export_backbone(path)
    assert leftovers(tmp_path) == ['mmselfsup.pth']


def test_a_lost_tensor_is_noticed(r18: ResNetLayout, tmp_path: Path,
                                  save_style: SaveStyle,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = save_style('mmselfsup', r18)

    def lose(self: Any, tensors: Tensors) -> Tensors:
        return {
            key: value
            for key, value in tensors.items() if key != 'layer4.1.bn2.bias'
        }

    monkeypatch.setattr(type(TARGETS['torchvision']), 'rename', lose)
    with pytest.raises(RuntimeError, match='layer4.1.bn2.bias'):
        export_backbone(path, 'torchvision')
    assert leftovers(tmp_path) == ['mmselfsup.pth']


def test_half(tiny: ResNetLayout, save_style: SaveStyle,
              tmp_path: Path) -> None:
    path, query = save_style('mmselfsup', tiny)
    full, half = export_backbone(path), export_backbone(path, half=True)
    state = load_checkpoint_file(half.path)['state_dict']
    assert state['backbone.conv1.weight'].dtype == torch.float16
    assert state['backbone.bn1.num_batches_tracked'].dtype == torch.int64
    assert torch.equal(state['backbone.conv1.weight'],
                       query['conv1.weight'].half())
    assert (Path(half.path).stat().st_size
            < 0.6 * Path(full.path).stat().st_size)
    checkpoint = styled_checkpoint('torchvision', query, query)
    checkpoint['bn1.running_var'] = torch.full((16, ), 1e6)
    torch.save(checkpoint, tmp_path / 'large.pth')
    with pytest.raises(ValueError, match='bn1.running_var.*float16'):
        export_backbone(tmp_path / 'large.pth', half=True)


def test_same_weights_same_checksum(tiny: ResNetLayout, tmp_path: Path,
                                    save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    first = export_backbone(path)
    second = export_backbone(path, out=tmp_path / 'sub' / 'other.pth')
    assert first.sha256 == second.sha256
    assert second.path == str(tmp_path / 'sub' / 'other.pth')


def test_out_may_be_a_folder(tiny: ResNetLayout, tmp_path: Path,
                             save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    report = export_backbone(path, out=f'{tmp_path}/new/')
    assert Path(report.path).parent == tmp_path / 'new'
    assert leftovers(tmp_path / 'new') == [
        Path(report.path).name, f'{Path(report.path).name}.sha256'
    ]


@pytest.mark.parametrize('kwargs, said', [
    (dict(target='caffe'), 'unknown; choose one of'),
    (dict(target='detectron2', file_format='safetensors'), 'detectron2'),
    (dict(out='x.safetensors', file_format='pth'), 'contradict'),
    (dict(out='x.pth', file_format='safetensors'), 'contradict'),
    (dict(out='mmselfsup.pth'), 'the checkpoint itself'),
])
def test_arguments_that_do_not_fit(kwargs: dict, said: str, tiny: ResNetLayout,
                                   tmp_path: Path,
                                   save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', tiny)
    if 'out' in kwargs:
        kwargs = dict(kwargs, out=tmp_path / kwargs['out'])
    with pytest.raises(ValueError, match=said):
        export_backbone(path, **kwargs)
    assert leftovers(tmp_path) == ['mmselfsup.pth']


def test_random_state_is_left_alone(r18: ResNetLayout,
                                    save_style: SaveStyle) -> None:
    path, _ = save_style('mmselfsup', r18)
    before: Tensor = torch.get_rng_state()
    export_backbone(path, 'torchvision')
    assert torch.equal(torch.get_rng_state(), before)


def test_command_line(tiny: ResNetLayout, tmp_path: Path, repo_root: Path,
                      save_style: SaveStyle, monkeypatch: pytest.MonkeyPatch,
                      capsys: pytest.CaptureFixture[str]) -> None:

    def run(*args: str) -> int:
        monkeypatch.setattr(sys, 'argv', ['export.py', *args])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(
                str(repo_root / 'tools' / 'export.py'), run_name='__main__')
        return int(stop.value.code or 0)

    path, _ = save_style('authors', tiny)
    assert run(str(path), '--out', str(tmp_path / 'b.pth')) == 0
    said = capsys.readouterr().out
    assert "below 'encoder_q.0.'" in said and "prefix='backbone.'" in said
    path.write_bytes(path.read_bytes()[:5000])
    assert run(str(path)) == 1
    assert 'export failed' in capsys.readouterr().err
