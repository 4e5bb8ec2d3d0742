# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import functools
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file

from mmregioncl.transfer.safe_load import load_checkpoint_file


class Touch:
    """Unpickling this creates a file, where unpickling runs code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path, )


class ThroughGetattr:
    """The same, by the name that HistoryBuffer's methods go through."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return getattr, (Path(self.path), 'touch')


class AnyAttribute:
    """``getattr`` of something allowed, for more than is allowed."""

    def __init__(self, path: Path) -> None:
        pass

    def __reduce__(self) -> tuple:
        return getattr, (HistoryBuffer, 'register_statistics')


class Eval:

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return eval, (f'open({str(self.path)!r}, "w").close()', )


def mmengine_checkpoint() -> dict[str, Any]:
    buffer = HistoryBuffer()
    for value in (3., 2., 1.):
        buffer.update(value)
    return dict(
        state_dict={'backbone.conv1.weight': torch.ones(2, 3)},
        message_hub=dict(
            log_scalars={'train/loss': buffer},
            runtime_info=dict(
                best=np.float64(0.5),
                n=np.int64(3),
                single=np.float32(0.25),
                flag=np.bool_(True))),
        meta=dict(epoch=1))


def test_training_checkpoint_of_mmengine(tmp_path: Path) -> None:
    path = tmp_path / 'epoch_1.pth'
    torch.save(mmengine_checkpoint(), path)
    loaded = load_checkpoint_file(path)
    hub = loaded['message_hub']
    assert hub['log_scalars']['train/loss'].statistics('mean') == 2.
    assert hub['runtime_info']['best'] == 0.5
    assert loaded['state_dict']['backbone.conv1.weight'].sum() == 6


@pytest.mark.parametrize('name', ['w.safetensors', 'misnamed.pth'])
def test_safetensors_by_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_file({'conv1.weight': torch.arange(6.)}, path)
    assert load_checkpoint_file(path)['conv1.weight'].tolist() == list(
        range(6))


def test_old_torch_format(tmp_path: Path) -> None:
    path = tmp_path / 'old.pth'
    torch.save({'a': torch.ones(2)},
               path,
               _use_new_zipfile_serialization=False)
    assert load_checkpoint_file(str(path))['a'].tolist() == [1, 1]


@pytest.mark.parametrize('kind', [Touch, ThroughGetattr, AnyAttribute, Eval])
@pytest.mark.parametrize('fmt', ['zip', 'legacy', 'raw'])
def test_nothing_is_executed(tmp_path: Path, kind: type, fmt: str) -> None:
    bait = tmp_path / 'was_executed'
    path = tmp_path / 'stranger.pth'
    payload = dict(state_dict={'x': torch.ones(1)}, extra=kind(bait))
    if fmt == 'raw':
        path.write_bytes(pickle.dumps(dict(extra=kind(bait)), protocol=2))
    else:
        torch.save(payload, path, _use_new_zipfile_serialization=fmt == 'zip')
    with pytest.raises(ValueError, match='refused.*nothing .* was executed'):
        load_checkpoint_file(path)
    assert not bait.exists()


def test_names_what_it_would_have_run(tmp_path: Path) -> None:
    path = tmp_path / 'stranger.pth'
    torch.save(dict(extra=Eval(tmp_path / 'bait')), path)
    with pytest.raises(ValueError, match='eval.*nothing of it was executed'):
        load_checkpoint_file(path)


@pytest.mark.parametrize('share', [0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize('fmt', ['zip', 'legacy', 'safetensors'])
def test_truncated(tmp_path: Path, share: float, fmt: str) -> None:
    path = tmp_path / ('w.safetensors' if fmt == 'safetensors' else 'w.pth')
    tensors = {f'layer{i}': torch.randn(50, 50) for i in range(8)}
    if fmt == 'safetensors':
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=fmt == 'zip')
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    with pytest.raises(ValueError, match='cut short'):
        load_checkpoint_file(path)


def _zip_of_text() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('readme.txt', 'hello')
    return buffer.getvalue()


@pytest.mark.parametrize('content, said', [
    (b'', 'empty'),
    (b'<!DOCTYPE html><html>404</html>', 'web page'),
    (b'version https://git-lfs.github.com/spec/v1\noid', 'Git LFS'),
    (b'\x1f\x8b\x08\x00rest', 'gzip'),
    (b'plain text, long enough to be looked at', 'not a checkpoint'),
    (bytes(range(256)) * 4, 'not a checkpoint'),
    (_zip_of_text(), 'no PyTorch checkpoint'),
])
def test_not_a_checkpoint(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / 'w.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        load_checkpoint_file(path)


def test_not_a_dictionary(tmp_path: Path) -> None:
    path = tmp_path / 'w.pth'
    torch.save(torch.ones(3), path)
    with pytest.raises(ValueError, match='holds a Tensor'):
        load_checkpoint_file(path)


def test_whole_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'w.pth'
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ValueError, match='Linear'):
        load_checkpoint_file(path)


def test_partial_is_not_confused_with_getattr(tmp_path: Path) -> None:
    path = tmp_path / 'w.pth'
    torch.save(dict(extra=functools.partial(print, 'run')), path)
    with pytest.raises(ValueError, match='partial'):
        load_checkpoint_file(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='does not exist'):
        load_checkpoint_file(tmp_path / 'nowhere.pth')
    with pytest.raises(ValueError, match='folder'):
        load_checkpoint_file(tmp_path)
