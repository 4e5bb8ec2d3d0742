# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmregioncl.launch import (add_launch_arguments, config_roots, find_config,
                               load_config)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    for name in ('regioncl_mocov2_r50', 'regioncl_simsiam_r50',
                 'small/regioncl_mocov2_r18_cifar10', '_base_/models/resnet'):
        file = tmp_path / 'configs' / f'{name}.py'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("model = dict(type='X', queue_len=8)\n")
    return tmp_path


@pytest.mark.parametrize('name', [
    'small/regioncl_mocov2_r18_cifar10.py',
    'small/regioncl_mocov2_r18_cifar10',
    'configs/small/regioncl_mocov2_r18_cifar10.py',
    'regioncl_mocov2_r18_cifar10.py',
    'regioncl_mocov2_r18_cifar10',
])
def test_bare_names(repo: Path, name: str,
                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir('/')  # not where a clone's configs/ lies
    expected = repo / 'configs' / 'small' / 'regioncl_mocov2_r18_cifar10.py'
    assert find_config(name, config_roots(repo)) == str(expected)


def test_a_path_comes_first(repo: Path, monkeypatch: pytest.MonkeyPatch,
                            tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'regioncl_mocov2_r50.py').write_text('mine = 1\n')
    found = find_config('regioncl_mocov2_r50.py', config_roots(repo))
    assert found == 'regioncl_mocov2_r50.py'


@pytest.mark.parametrize(
    'typo', ['regioncl_moco_r50', 'configs/regionclmocov2_r50.py'])
def test_near_matches(repo: Path, typo: str) -> None:
    with pytest.raises(ValueError, match='did you mean .*mocov2_r50.py'):
        find_config(typo, config_roots(repo))


def test_nothing_near(repo: Path) -> None:
    with pytest.raises(ValueError, match='there are .*regioncl_mocov2_r50.py'):
        find_config('zzzz', config_roots(repo))
    with pytest.raises(ValueError, match='there are none'):
        find_config('zzzz', [])


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_launch_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def no_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.setenv(name, '1')  # put back as it was after the test
        monkeypatch.delenv(name)


@pytest.mark.usefixtures('no_ranks')
def test_config_options_and_work_dir(repo: Path) -> None:
    name = 'regioncl_mocov2_r50'
    cfg = load_config(arguments(name), repo)
    assert cfg.work_dir == f'work_dirs/{name}'
    assert cfg.launcher == 'none'
    cfg = load_config(
        arguments(name, '--work-dir', 'w', '--cfg-options',
                  'model.queue_len=16', 'model.b=[1,2]'), repo)
    assert (cfg.work_dir, cfg.model.queue_len) == ('w', 16)
    assert cfg.model.b == [1, 2]
    cfg = load_config(arguments(name, '--cfg-options', 'work_dir=v'), repo)
    assert cfg.work_dir == 'v'


@pytest.mark.usefixtures('no_ranks')
def test_data_root_reaches_every_data_set(repo_root: Path) -> None:
    option = '--cfg-options', 'data_root=/new'
    cfg = load_config(arguments('resnet18_knn_folder', *option), repo_root)
    assert cfg.val_cfg.bank_dataloader.dataset.data_root == '/new'
    assert cfg.val_dataloader.dataset.data_root == '/new'
    cfg = load_config(arguments('mocov2_r18_folder', *option), repo_root)
    assert cfg.train_dataloader.dataset.data_root == '/new'
    # of a config that names none, the data that are trained on
    cfg = load_config(arguments('mocov2_r18_cifar10', *option), repo_root)
    assert cfg.train_dataloader.dataset.data_root == '/new'
    assert cfg.val_dataloader.dataset.data_root == 'data/cifar10/test'


@pytest.mark.usefixtures('no_ranks')
@pytest.mark.parametrize('name', [
    'mask-rcnn_r50-fpn_1x_coco', 'mask-rcnn_r50-fpn_24k_cityscapes',
    'faster-rcnn_r18w16-fpn_bccd', 'upernet_r18w16_demo'
])
@pytest.mark.parametrize('new', ['/new', '/new/'])
def test_data_root_reaches_the_evaluators(repo_root: Path, name: str,
                                          new: str) -> None:
    """Predictions are not held against another set's annotations."""
    pytest.importorskip('mmseg' if name.startswith('upernet') else 'mmdet')
    old = load_config(arguments(name), repo_root)
    cfg = load_config(
        arguments(name, '--cfg-options', f'data_root={new}'), repo_root)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader',
                'val_evaluator', 'test_evaluator'):
        before, after = str(old[key]), str(cfg[key])
        assert old.data_root not in after
        assert after.count("'/new") == before.count(f"'{old.data_root}")
        assert '//' not in after.replace('://', '')


@pytest.mark.usefixtures('no_ranks')
@pytest.mark.parametrize('flag', ['--local_rank', '--local-rank'])
def test_local_rank_in_both_spellings(repo: Path, flag: str) -> None:
    load_config(arguments('regioncl_mocov2_r50', flag, '3'), repo)
    assert os.environ['LOCAL_RANK'] == '3'


@pytest.mark.usefixtures('no_ranks')
def test_local_rank_of_mpi(repo: Path,
                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OMPI_COMM_WORLD_LOCAL_RANK', '2')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    load_config(arguments('regioncl_mocov2_r50', '--launcher', 'mpi'), repo)
    assert os.environ['LOCAL_RANK'] == '2'


@pytest.mark.usefixtures('no_ranks')
def test_torchrun_without_launcher(repo: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('WORLD_SIZE', '4')
    with pytest.raises(ValueError, match='4 processes.*--launcher pytorch'):
        load_config(arguments('regioncl_mocov2_r50'), repo)


def test_it_is_light(repo_root: Path) -> None:
    """A typo is answered at once, not after the heavy imports."""
    code = ('import sys, mmregioncl.launch; '
            'print([m for m in ("torch", "mmcv", "mmengine", "mmselfsup") '
            'if m in sys.modules])')
    out = subprocess.run([sys.executable, '-c', code],
                         cwd=repo_root,
                         capture_output=True,
                         text=True,
                         check=True).stdout
    assert out.strip() == '[]'
