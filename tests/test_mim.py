# Copyright (c) mmregioncl contributors. All rights reserved.
"""mim on an installed wheel: search, download, test, train and run.

The wheel stands in a folder of its own before everything else on the path,
the shell is in another folder, and the weights come from a server here.
"""
from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Callable, Iterator

import cv2
import pytest
import torch
import yaml

import mmregioncl
from tests.builds import build, copy_checkout
from tests.tiny_run import write_images

NAME = 'regioncl_mocov2_r18w16_cifar10'
Mim = Callable[..., str]


class _Quiet(http.server.SimpleHTTPRequestHandler):

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope='module')
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a backbone, as publish_model.py writes it."""
    folder = tmp_path_factory.mktemp('server')
    backbone = mmregioncl.get_model(NAME)
    torch.save(
        dict(
            state_dict={
                f'backbone.{key}': value
                for key, value in backbone.state_dict().items()
            }), folder / 'tiny.pth')
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.HTTPServer(('127.0.0.1', 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{httpd.server_port}/tiny.pth'
        httpd.shutdown()
        thread.join()


@pytest.fixture(scope='module')
def checkout(repo_root: Path, served: str,
             tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ours, with the address of the weights in its metafile."""
    copy = copy_checkout(repo_root, tmp_path_factory.mktemp('checkout'))
    metafile = copy / 'configs/small/metafile.yml'
    content = yaml.safe_load(metafile.read_text())
    for model in content['Models']:
        if model['Name'] == NAME:
            model['Weights'] = served
    metafile.write_text(yaml.safe_dump(content))
    return copy


def install(wheel: Path, site: Path) -> None:
    subprocess.run([
        sys.executable, '-m', 'pip', 'install', '-q', '--no-deps',
        '--no-index', '--no-compile', '--target', site, wheel
    ],
                   check=True)


def call_mim(site: Path, folder: Path, *arguments: str) -> str:
    """Run mim there; what it prints."""
    path = os.pathsep.join([str(site), os.environ.get('PYTHONPATH', '')])
    finished = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'mim', *map(str, arguments)],
        cwd=folder,
        env=dict(
            os.environ,
            PYTHONPATH=path,
            PYTHONWARNINGS='ignore',
            OMP_NUM_THREADS='1'),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True)
    output = finished.stdout + finished.stderr
    if finished.returncode:
        raise RuntimeError(output)
    return output


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user is, with images where the config looks for them."""
    folder = tmp_path_factory.mktemp('user')
    for part in ('train', 'test'):
        root = write_images(folder / 'data/cifar10' / part, 2)
        for path in root.rglob('*.png'):
            cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (32, 32)))
    return folder


@pytest.fixture(scope='module')
def mim(checkout: Path, folder: Path,
        tmp_path_factory: pytest.TempPathFactory) -> Mim:
    site = tmp_path_factory.mktemp('site')
    install(build(checkout, 'build_wheel', site / 'wheel'), site)
    return functools.partial(call_mim, site, folder)


def test_search(mim: Mim) -> None:
    found = mim('search', 'mmregioncl', '--config', 'regioncl_mocov2_r50')
    assert 'linear_top-1_(paper)' in found and '69.4' in found
    names = mim('search', 'mmregioncl', '--valid-config')
    assert f"'{NAME}'" in names and "'upernet_r50_80k_" in names


def test_download_then_test(mim: Mim, folder: Path) -> None:
    mim('download', 'mmregioncl', '--config', NAME, '--dest', 'got')
    assert sorted(path.name for path in (folder / 'got').iterdir()) == [
        f'{NAME}.py', 'tiny.pth'
    ]
    said = mim('test', 'mmregioncl', f'{NAME}.py', '--checkpoint',
               'got/tiny.pth', '--gpus', '0', '--work-dir', 'tested',
               '--cfg-options', 'val_dataloader.num_workers=0',
               'val_cfg.bank_dataloader.num_workers=0')
    assert '126/126 backbone tensors from got/tiny.pth' in said
    assert 'knn/top1' in said


def test_train(mim: Mim, folder: Path) -> None:
    """One step of the config, found in the wheel by its name."""
    said = mim('train', 'mmregioncl', f'{NAME}.py', '--gpus', '0',
               '--work-dir', 'trained', '--no-validate', '--cfg-options',
               'model.queue_len=8', 'train_cfg.max_epochs=1',
               'param_scheduler.1.end=2', 'train_dataloader.batch_size=4',
               'train_dataloader.num_workers=0',
               'train_dataloader.persistent_workers=False')
    assert '.mim/configs/small' in said and 'Training finished' in said
    assert (folder / 'trained/epoch_1.pth').is_file()


def test_run(mim: Mim) -> None:
    """Any tool by its name."""
    with pytest.raises(RuntimeError, match='there is no nothing.json'):
        mim('run', 'mmregioncl', 'check_reproduction', 'nothing.json')


def test_editable_install_with_a_link(checkout: Path, folder: Path,
                                      tmp_path: Path) -> None:
    """mim looks in site-packages, where an editable install has no folder."""
    site = tmp_path / 'site'
    install(build(checkout, 'build_editable', tmp_path / 'wheel'), site)
    search = ('search', 'mmregioncl', '--config', NAME)
    with pytest.raises(RuntimeError, match='model-index.yml.*is not found'):
        call_mim(site, folder, *search)
    (site / 'mmregioncl').symlink_to(checkout / 'mmregioncl')
    # mim cuts long addresses off; of this host only the served model is
    assert 'http://127.0.0.1:' in call_mim(site, folder, *search)
