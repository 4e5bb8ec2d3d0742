# Copyright (c) mmregioncl contributors. All rights reserved.
"""Models by name; the published file is one that we write and serve here."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml

import mmregioncl
from mmregioncl.apis import file_sha256, model_index, zoo
from mmregioncl.apis.model_index import find_index, read_index

NAME = 'regioncl_mocov2_r18w16_cifar10'


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training run leaves: the backbone among other things."""
    model = mmregioncl.get_model(NAME, backbone=False)
    with torch.no_grad():
        for value in model.state_dict().values():
            value.copy_(torch.rand(value.shape) + 1)
    path = tmp_path_factory.mktemp('weights') / f'{NAME}_20261124-0.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@pytest.fixture
def published(weights: Path, repo_root: Path, tmp_path: Path,
              monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose zoo publishes one model, downloads go to tmp_path."""
    clone = tmp_path / 'clone'
    shutil.copytree(repo_root / 'configs', clone / 'configs')
    (clone / 'zoo').mkdir()
    (clone / 'model-index.yml').write_text(
        yaml.safe_dump(dict(Import=['configs/metafile.yml'])))
    models = [
        dict(
            Name=NAME,
            Config=f'configs/small/{NAME}.py',
            Metadata=dict(SHA256=file_sha256(weights)),
            Weights=weights.as_uri()),
        dict(
            Name='mocov2_r18w16_cifar10',
            Config='configs/small/mocov2_r18w16_cifar10.py',
            Metadata={})
    ]
    (clone / 'configs/metafile.yml').write_text(
        yaml.safe_dump(dict(Models=models)))
    for module in (zoo, model_index):
        monkeypatch.setattr(module, 'PACKAGE', clone / 'mmregioncl')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    return clone


def downloads(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / 'home').rglob('*.pth')]


def test_every_config_is_listed(repo_root: Path) -> None:
    names = mmregioncl.list_models()
    assert names == sorted(set(names))
    assert set(names) >= {  # all of them: tests/tools/test_metafiles.py
        path.stem
        for folder in ('configs', 'configs/small')
        for path in (repo_root / folder).glob('*.py')
    }
    assert mmregioncl.list_models('regioncl_*_r50') == [
        f'regioncl_{host}_r50'
        for host in ('byol', 'densecl', 'mocov2', 'simclr', 'simsiam')
    ]
    assert mmregioncl.list_models('nothing like that') == []


def test_backbone_takes_images_and_the_algorithm_has_the_rest() -> None:
    backbone = mmregioncl.get_model(NAME)
    assert not backbone.training
    features, = backbone(torch.zeros(2, 3, 32, 32))
    assert features.shape == (2, 128, 4, 4)
    algorithm = mmregioncl.get_model(NAME, backbone=False)
    assert type(algorithm).__name__ == 'RegionCLMoCo'
    assert algorithm.queue.shape[1] == 4096


@pytest.mark.parametrize('name', mmregioncl.list_models(pretrained=True))
def test_published_models_load(name: str, repo_root: Path,
                               monkeypatch: pytest.MonkeyPatch) -> None:
    """From the clone: nothing is fetched in a test."""
    monkeypatch.setattr(zoo, 'download_checkpoint', None)
    backbone = mmregioncl.get_model(name, pretrained=True)
    assert backbone.bn1.running_mean.abs().min() > 0  # it has seen images
    (features, ) = backbone(torch.randn(2, 3, 64, 64))[-1:]
    assert features.isfinite().all() and features.std() > 0.01


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(ValueError, match='did you mean.*_mocov2_r50'):
        mmregioncl.get_model('regioncl_moco_v2_r50')
    with pytest.raises(ValueError, match='list_models'):
        mmregioncl.get_model('#')


def test_pretrained_where_there_are_no_weights(published: Path) -> None:
    with pytest.raises(ValueError, match=f'no published weights.*: {NAME}'):
        mmregioncl.get_model('mocov2_r18w16_cifar10', pretrained=True)
    with pytest.raises(ValueError, match='Leave out backbone=False'):
        mmregioncl.get_model(NAME, pretrained=True, backbone=False)
    (published / 'configs/metafile.yml').write_text('Models: []')
    read_index.cache_clear()
    assert mmregioncl.list_models() == []


def test_weights_arrive_by_download(published: Path, weights: Path,
                                    tmp_path: Path) -> None:
    assert mmregioncl.list_models(pretrained=True) == [NAME]
    backbone = mmregioncl.get_model(NAME, pretrained=True)
    expected = torch.load(weights, weights_only=True)['state_dict']
    state = backbone.state_dict()
    assert len(state) == 126  # layer1 has a stride, and a downsample
    for key, value in state.items():
        assert torch.equal(value, expected[f'backbone.{key}'])
    assert downloads(tmp_path) == [weights.name]


def test_a_clone_has_them_already(published: Path, weights: Path,
                                  tmp_path: Path) -> None:
    shutil.copy2(weights, published / 'zoo')
    mmregioncl.get_model(NAME, pretrained=True)
    assert downloads(tmp_path) == []


def test_another_file_is_refused(published: Path, weights: Path,
                                 tmp_path: Path) -> None:
    (published / 'zoo' / weights.name).write_bytes(b'version https://git-lfs')
    with pytest.raises(ValueError, match='not the published file.*sha256'):
        mmregioncl.get_model(NAME, pretrained=True)
    entry = read_index(find_index())[NAME]
    forged = model_index.ModelEntry(entry.name, entry.config, entry.weights,
                                    '0' * 64)
    (published / 'zoo' / weights.name).unlink()
    with pytest.raises(ValueError, match='0{64} is expected'):
        zoo.fetch_weights(forged)
    assert downloads(tmp_path) == []


def test_no_index_says_how_to_get_one(tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'model-index.yml').touch()  # of somebody else
    monkeypatch.setattr(model_index, 'PACKAGE', tmp_path / 'mmregioncl')
    with pytest.raises(FileNotFoundError, match='pip install'):
        mmregioncl.list_models()
    installed = tmp_path / 'mmregioncl/.mim'
    (installed / 'configs').mkdir(parents=True)
    (installed / 'model-index.yml').touch()
    assert find_index() == installed / 'model-index.yml'


def test_the_package_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match='get_modell'):
        mmregioncl.get_modell
