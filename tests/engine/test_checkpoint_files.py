# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch

from mmregioncl.engine.checkpoint_files import (incomplete, list_checkpoints,
                                                newest_complete,
                                                replace_durably)

NAMES = ['epoch_0_iter_3.pth', 'epoch_2.pth', 'epoch_2_iter_15.pth',
         'epoch_9.pth', 'epoch_10.pth', 'epoch_10_iter_64.pth']
POINTER = 'last_checkpoint'


def save(path: Path) -> Path:
    torch.save(dict(weights=torch.arange(4000), step=1), path)
    return path


@pytest.mark.parametrize('size', [0, 1, 100, -1, -30, -200, -9000])
def test_cut_short(tmp_path: Path, size: int) -> None:
    path = save(tmp_path / 'a.pth')
    assert incomplete(path) == ''
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)
    assert incomplete(path)


def test_every_kilobyte_is_checked(tmp_path: Path) -> None:
    """Of the content; the archive has gaps of padding between records."""
    path = save(tmp_path / 'a.pth')
    content = path.read_bytes()
    begin = content.index(torch.arange(4000).numpy().tobytes())
    for place in range(begin, begin + 32000, 1000):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert 'is damaged' in incomplete(path)


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    assert 'FileNotFoundError' in incomplete(tmp_path / 'gone.pth')
    (tmp_path / 'a.pth').write_text('<html>')
    assert 'not a zip file' in incomplete(tmp_path / 'a.pth')


def test_in_the_order_of_training(tmp_path: Path) -> None:
    for name in (*reversed(NAMES), 'epoch_x.pth', 'epoch_3.pth.part',
                 'best_acc_epoch_3.pth', 'iter_5.pth', POINTER):
        (tmp_path / name).touch()
    (tmp_path / 'epoch_4.pth').mkdir()
    found = list_checkpoints(tmp_path, 'epoch_{}.pth')
    assert [each.name for each in found] == NAMES
    found = list_checkpoints(tmp_path, 'iter_{}.pth')
    assert [each.name for each in found] == ['iter_5.pth']


def newest(folder: Path) -> tuple[str | None, list[str]]:
    warnings: list[str] = []
    found = newest_complete(folder, 'epoch_{}.pth', folder / POINTER,
                            warnings.append)
    return found and found.name, warnings


def test_newest_that_is_complete(tmp_path: Path) -> None:
    assert newest(tmp_path) == (None, [])
    for number in (1, 2, 3):
        save(tmp_path / f'epoch_{number}.pth')
    assert newest(tmp_path) == ('epoch_3.pth', [])
    os.truncate(tmp_path / 'epoch_3.pth', 99)
    (tmp_path / 'epoch_2.pth').write_bytes(b'')
    name, warnings = newest(tmp_path)
    assert name == 'epoch_1.pth'
    assert len(warnings) == 2 and 'epoch_3.pth is cut short' in warnings[0]
    os.truncate(tmp_path / 'epoch_1.pth', 99)
    assert newest(tmp_path)[0] is None


def test_another_run_in_the_folder(tmp_path: Path) -> None:
    """An old run went further than the new one, which points to its own."""
    old, mine, later = (
        save(tmp_path / f'epoch_{number}.pth') for number in (200, 2, 3))
    (tmp_path / POINTER).write_text(f'/moved/from/elsewhere/{mine.name}')
    os.utime(old, (1, 1))
    os.utime(later, (1, 1))
    assert newest(tmp_path)[0] == 'epoch_2.pth'
    # killed between the renaming of a checkpoint and that of the pointer
    os.utime(later)
    assert newest(tmp_path)[0] == 'epoch_3.pth'
    (tmp_path / POINTER).write_text('epoch_77.pth')  # which is not there
    assert newest(tmp_path)[0] == 'epoch_200.pth'
    save(tmp_path / 'named_otherwise.pth')
    (tmp_path / POINTER).write_text('named_otherwise.pth')
    assert newest(tmp_path)[0] == 'named_otherwise.pth'


def test_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    path.write_text('old')
    (tmp_path / 'a.pth.part').write_text('new')
    replace_durably(path)
    assert path.read_text() == 'new'
    assert os.listdir(tmp_path) == ['a.pth']
    with pytest.raises(FileNotFoundError):
        replace_durably(path)


@pytest.mark.parametrize('code, raised', [(errno.EINVAL, False),
                                          (errno.ENOTSUP, False),
                                          (errno.EIO, True)])
def test_folders_that_cannot_be_synced(tmp_path: Path, code: int, raised: bool,
                                       monkeypatch: Any) -> None:
    """SMB and FUSE refuse; the file itself is written and named."""
    sync = os.fsync

    def fsync(number: int) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(code, os.strerror(code))
        sync(number)

    monkeypatch.setattr(os, 'fsync', fsync)
    path = tmp_path / 'a.pth'
    (tmp_path / 'a.pth.part').write_text('new')
    with pytest.raises(OSError) if raised else contextlib.nullcontext():
        replace_durably(path)
    assert path.read_text() == 'new'
