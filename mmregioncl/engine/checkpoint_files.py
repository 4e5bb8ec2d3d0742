# Copyright (c) mmregioncl contributors. All rights reserved.
"""Which checkpoints of a folder are whole, and how a whole one is made."""
from __future__ import annotations

import errno
import os
import re
import zipfile
from pathlib import Path
from typing import Callable

PART = '.part'  # what a file is called until it is complete


def incomplete(path: Path) -> str:
    """Why a checkpoint cannot be used.

    Reads all of it: the end of the archive may be there and a middle block of
    a copy missing.

    Args:
        path (Path): A file that torch.save wrote, a zip archive.

    Returns:
        str: Empty if each record has the checksum that was written with it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # damaged bytes raise just about anything
        return f'{type(error).__name__}: {error}'
    return f'the record {damaged} is damaged' if damaged else ''


def list_checkpoints(folder: Path, template: str) -> list[Path]:
    """Checkpoints of a run, in the order of training.

    Args:
        folder (Path): Where they are.
        template (str): Such as ``'epoch_{}.pth'``, which finds
            ``epoch_2_iter_450.pth``, from inside the third epoch, too.

    Returns:
        list[Path]: The files.
    """
    before, after = (re.escape(part) for part in template.split('{}'))
    pattern = re.compile(rf'{before}(\d+)(?:_iter_(\d+))?{after}')
    found = []
    for path in folder.glob('*'):
        match = pattern.fullmatch(path.name)
        if match and path.is_file():
            found.append((int(match[1]), int(match[2] or 0), path))
    return [path for _, _, path in sorted(found)]


def newest_complete(folder: Path, template: str, pointer: Path,
                    warn: Callable[[str], None]) -> Path | None:
    """The checkpoint to resume from.

    Args:
        folder (Path): Where the checkpoints are.
        template (str): As for :func:`list_checkpoints`.
        pointer (Path): The file ``last_checkpoint``. A checkpoint later in
            training than the one that it names is left over from another run
            in the same folder, unless it was written after it.
        warn (Callable): Called with one sentence for each file left out.

    Returns:
        Path | None: None if there is none.
    """
    found = list_checkpoints(folder, template)
    if pointer.is_file():
        last = folder / Path(pointer.read_text().strip()).name
        written = pointer.stat().st_mtime_ns
        if last in found:
            place = found.index(last) + 1
            found = found[:place] + [
                path
                for path in found[place:] if path.stat().st_mtime_ns >= written
            ]
        elif last.is_file():  # saved under another template
            found.append(last)
    for path in reversed(found):
        reason = incomplete(path)
        if not reason:
            return path
        warn(f'{path} is cut short or damaged ({reason}); the checkpoint '
             'before it is used')
    return None


def replace_durably(path: Path) -> None:
    """Give a file that is written its name, in one step.

    Whenever the machine stops, either the old file is there or the new one,
    whole.

    Args:
        path (Path): The name; the file is there as ``path.part``.
    """
    part = path.with_name(path.name + PART)
    with open(part, 'rb+') as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:  # SMB, FUSE and others sync no folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(folder)
