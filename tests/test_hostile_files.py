# Copyright (c) mmregioncl contributors. All rights reserved.
"""Files of strangers, fed to every tool of ours that opens a checkpoint."""
from __future__ import annotations

import http.server
import io
import json
import pickle
import runpy
import struct
import sys
import tarfile
import threading
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file

import mmregioncl.register  # noqa: F401
from mmregioncl.transfer.safe_load import load_checkpoint_file
from tests.tiny_run import config, write_images


class Bait:
    """Unpickling this creates a file, where unpickling runs code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path, )


def payload(bait: Path) -> dict:
    """What MMEngine would take for a checkpoint, and the bait."""
    return dict(
        meta=dict(epoch=1, iter=4),
        state_dict={'backbone.conv1.weight': torch.ones(8, 3, 3, 3)},
        optimizer=dict(state={}, param_groups=[Bait(bait)]))


def write_zip(path: Path, bait: Path) -> None:
    torch.save(payload(bait), path)


def write_legacy(path: Path, bait: Path) -> None:
    torch.save(payload(bait), path, _use_new_zipfile_serialization=False)


def write_raw(path: Path, bait: Path) -> None:
    path.write_bytes(pickle.dumps(dict(state_dict=Bait(bait)), protocol=4))


def write_tar(path: Path, bait: Path) -> None:
    """The format of torch 0.1: every member is a pickle."""
    content = pickle.dumps(Bait(bait), protocol=2)
    with tarfile.open(path, 'w') as archive:
        for name in ('sys_info', 'storages', 'tensors', 'pickle'):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_script(path: Path, bait: Path) -> None:
    """A TorchScript archive: a program, by name."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('w/constants.pkl', pickle.dumps(Bait(bait)))
        archive.writestr('w/data.pkl', pickle.dumps(Bait(bait)))
        archive.writestr('w/version', '3\n')


WRITERS: list[Callable[[Path, Path], None]] = [
    write_zip, write_legacy, write_raw, write_tar, write_script
]


@pytest.fixture(scope='module')
def setup(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A config, and the same with a path for the backbone's init_cfg."""
    folder = tmp_path_factory.mktemp('hostile')
    cfg = config(write_images(folder / 'images', 3), folder / 'run')
    cfg['train_cfg']['max_epochs'] = 1
    cfg['custom_hooks'] = []
    del cfg['default_hooks']
    Config(cfg).dump(folder / 'plain.py')
    cfg['model']['backbone']['init_cfg'] = dict(
        type='Pretrained', checkpoint='stranger.pth', prefix='backbone.')
    Config(cfg).dump(folder / 'init_cfg.py')
    return folder / 'plain.py', folder / 'init_cfg.py'


TRAIN, TEST, PROBE = ('train.py', 'test.py',
                      'benchmarks/classification/probe.py')
# name: tool, its arguments
CALLS: dict[str, tuple[str, list[str]]] = {
    'train --resume':
    (TRAIN, ['{plain}', '--no-validate', '--resume', 'stranger.pth']),
    'train load_from':
    (TRAIN,
     ['{plain}', '--no-validate', '--cfg-options', 'load_from=stranger.pth']),
    'train init_cfg': (TRAIN, ['{init_cfg}', '--no-validate']),
    'export': ('export.py', ['stranger.pth', '--to', 'torchvision']),
    'convert':
    ('model_converters/convert_authors.py', ['stranger.pth', 'out.pth']),
    'k-NN': (TEST, ['{plain}', 'stranger.pth']),
    'linear': (PROBE, ['{plain}', 'stranger.pth']),
    'replay':
    ('analysis_tools/replay.py', ['stranger.pth', '--config', '{plain}']),
}


def run_tool(repo_root: Path, name: str, arguments: list[str],
             monkeypatch: pytest.MonkeyPatch) -> str:
    """As a command that ends with an error; gives what that says."""
    monkeypatch.setattr(sys, 'argv', [name, *arguments])
    with pytest.raises((ValueError, SystemExit)) as info:
        runpy.run_path(str(repo_root / 'tools' / name), run_name='__main__')
    if isinstance(info.value, SystemExit):
        assert info.value.code not in (None, 0)
        return ''
    return str(info.value)


@pytest.mark.parametrize('call', CALLS)
def test_no_tool_runs_code(call: str, setup: tuple[Path,
                                                   Path], repo_root: Path,
                           tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                           capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    name, arguments = CALLS[call]
    words = dict(plain=setup[0], init_cfg=setup[1])
    bait = tmp_path / 'was_executed'
    for write in WRITERS:
        write(tmp_path / 'stranger.pth', bait)
        said = run_tool(repo_root, name,
                        [each.format(**words) for each in arguments],
                        monkeypatch)
        assert 'stranger.pth' in said + capsys.readouterr().err
        assert not bait.exists(), write.__name__
    print(f'{call}: {len(WRITERS)} hostile files, none ran')


def test_the_bait_would_be_taken(tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    for write in (write_zip, write_legacy):
        bait = tmp_path / f'{write.__name__}_ran'
        write(tmp_path / 'x.pth', bait)
        torch.load(tmp_path / 'x.pth', weights_only=False)
        assert bait.exists()


def test_a_config_inside_a_checkpoint_is_not_executed(
        setup: tuple[Path, Path], repo_root: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    """MMEngine executes ``meta.config`` when it resumes: a plain string."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    tool = partial(
        runpy.run_path, str(repo_root / 'tools' / TRAIN), run_name='__main__')
    arguments = [
        'train.py',
        str(setup[0]), '--work-dir', 'run', '--no-validate', '--cfg-options',
        'train_cfg.max_epochs='
    ]
    monkeypatch.setattr(sys, 'argv', arguments[:-1] + [arguments[-1] + '1'])
    tool()
    checkpoint = load_checkpoint_file('run/epoch_1.pth')
    checkpoint['meta']['config'] = 'open("was_executed", "w").close()'
    torch.save(checkpoint, 'stranger.pth')
    monkeypatch.setattr(
        sys, 'argv',
        arguments[:-1] + [arguments[-1] + '2', '--resume', 'stranger.pth'])
    tool()
    assert Path('run/epoch_2.pth').exists()  # it did go on
    assert not Path('was_executed').exists()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which it is served."""
    folder = tmp_path / 'server'
    folder.mkdir()
    handler = partial(_Quiet, directory=str(folder))
    with http.server.HTTPServer(('127.0.0.1', 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield folder, f'http://127.0.0.1:{httpd.server_port}'
        httpd.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize('scheme', ['http', 'torchvision', 'open-mmlab'])
def test_addresses(server: tuple[Path, str], scheme: str, tmp_path: Path,
                   monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.hub would unpickle without restriction what it fetched."""
    from mmengine.runner import checkpoint
    folder, address = server
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    for name in ('get_torchvision_models', 'get_external_models'):
        monkeypatch.setattr(checkpoint, name,
                            lambda: dict(r50=f'{address}/stranger.pth'))
    bait = tmp_path / 'was_executed'
    write_zip(folder / 'stranger.pth', bait)
    name = (f'{address}/stranger.pth'
            if scheme == 'http' else f'{scheme}://r50')
    with pytest.raises(ValueError, match='nothing of it was executed'):
        CheckpointLoader.load_checkpoint(name)
    assert not bait.exists()


def test_an_address_with_a_checksum_in_its_name(
        server: tuple[Path, str], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = server
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    torch.save(dict(x=torch.ones(1)), folder / 'r50-0123abcd.pth')
    with pytest.raises(RuntimeError, match='invalid hash value'):
        CheckpointLoader.load_checkpoint(f'{address}/r50-0123abcd.pth')
    (folder / 'r50-0123abcd.pth').rename(folder / 'r50.pth')
    for _ in range(2):  # fetched, and found
        loaded = CheckpointLoader.load_checkpoint(f'{address}/r50.pth')
        assert loaded['x'].item() == 1
        (folder / 'r50.pth').unlink(missing_ok=True)


def test_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / 'bomb.pth'
    torch.save(dict(x=torch.zeros(2**22)), tmp_path / 'w.pth')
    with zipfile.ZipFile(tmp_path / 'w.pth') as source, zipfile.ZipFile(
            path, 'w', zipfile.ZIP_DEFLATED) as packed:
        for name in source.namelist():
            packed.writestr(name, source.read(name))
    assert path.stat().st_size < 2**24 / 500
    with pytest.raises(ValueError, match='unpack to 1677.* zip bomb'):
        load_checkpoint_file(path)


def safetensors_bytes(header: Any, data: bytes = b'') -> bytes:
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


def entry(shape: list[int], start: int, end: int, dtype: str = 'F32') -> dict:
    return dict(dtype=dtype, shape=shape, data_offsets=[start, end])


@pytest.mark.parametrize(
    'content', [
        struct.pack('<Q', 2**63) + b'{"x": 1}',
        struct.pack('<Q', 99_999_999) + b'{"x": 1}',
        struct.pack('<Q', 9) + b'{not json',
        safetensors_bytes(dict(x=entry([2], 0, 2**40)), bytes(8)),
        safetensors_bytes(dict(x=entry([2**33, 2**33], 0, 8)), bytes(8)),
        safetensors_bytes(dict(x=entry([-2], 0, 8)), bytes(8)),
        safetensors_bytes(dict(x=entry([2], 8, 0)), bytes(8)),
        safetensors_bytes(
            dict(x=entry([2], 0, 8), y=entry([2], 4, 12)), bytes(12)),
        safetensors_bytes(dict(x=entry([2], 0, 8, 'OBJECT')), bytes(8)),
        safetensors_bytes(dict(x='eval')),
        safetensors_bytes([1, 2, 3]),
    ],
    ids=range(11))
def test_hostile_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'w.safetensors'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='no complete safetensors file'):
        load_checkpoint_file(path)


def test_honest_files_still_load(tmp_path: Path) -> None:
    """By MMEngine too, under either ending."""
    tensors = {'x': torch.arange(3.)}
    torch.save(tensors, tmp_path / 'w.pth')
    save_file(tensors, tmp_path / 'w.safetensors')
    for name in ('w.pth', 'w.safetensors'):
        loaded = CheckpointLoader.load_checkpoint(str(tmp_path / name), 'cpu')
        assert loaded['x'].tolist() == [0, 1, 2]
