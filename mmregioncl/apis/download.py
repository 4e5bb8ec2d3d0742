# Copyright (c) mmregioncl contributors. All rights reserved.
"""Fetch a file and prove that it is the one that was meant."""
from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import urllib.error
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

_SCHEMES = ('https', 'http', 'file')
_PATIENCE = 30  # seconds without a byte
_BLOCK = 2**20


def download_checkpoint(url: str,
                        sha256: str,
                        folder: str | os.PathLike | None = None) -> Path:
    """Fetch a checkpoint unless it is there; see :func:`download_file`.

    Args:
        url (str): Its address.
        sha256 (str): Of the whole file, 64 hexadecimal digits.
        folder (str | os.PathLike, optional): Where it goes. Defaults to None,
            ``checkpoints`` in torch.hub's folder.

    Returns:
        Path: The file. Open it with
        :func:`mmregioncl.transfer.safe_load.load_checkpoint_file`: a checksum
        says whose it is, not that it runs no code.
    """
    if folder is None:
        import torch
        folder = Path(torch.hub.get_dir()) / 'checkpoints'
    return download_file(url, sha256, folder)


def download_file(url: str, sha256: str, folder: str | os.PathLike) -> Path:
    """Fetch a file unless it is there already, and verify it before use.

    It is written under a temporary name and renamed once the checksum is
    right: whoever finds the file under its own name finds all of it.

    Args:
        url (str): Address, ``https``, ``http`` or ``file``. Its last part is
            the name of the file.
        sha256 (str): Of the whole file, 64 hexadecimal digits.
        folder (str | os.PathLike): Where it goes; made if there is none.

    Returns:
        Path: The file.

    Raises:
        ValueError: If the address or the checksum is no such thing, or the
            file is another than the checksum says. Nothing of it is left.
        OSError: If it cannot be fetched or written.
    """
    if not isinstance(sha256, str) or not re.fullmatch('[0-9a-fA-F]{64}',
                                                       sha256):
        raise ValueError('sha256 must be the 64 hexadecimal digits of the '
                         f'whole file, got {sha256!r}')
    target = Path(folder).expanduser() / _file_name(url)
    if target.exists():
        found = file_sha256(target)
        if found != sha256.lower():
            raise ValueError(
                f'{target} is there already, but its sha256 is {found} and '
                f'{sha256.lower()} is expected: remove it, or name another '
                'folder')
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f'.{os.getpid()}-{target.name}')
    try:
        _fetch(url, partial)
        found = file_sha256(partial)
        if found != sha256.lower():
            raise ValueError(
                f'{url} gave a file of {partial.stat().st_size} bytes whose '
                f'sha256 is {found}; {sha256.lower()} is expected. The file '
                'was not opened, and nothing of it was kept: it was cut '
                'short, or replaced by another')
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def file_sha256(path: str | os.PathLike) -> str:
    """Checksum of a file, without reading it into memory at once.

    Args:
        path (str | os.PathLike): The file.

    Returns:
        str: 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _file_name(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError(f'{url!r} cannot be fetched: an address begins with '
                         f'{", ".join(f"{each}://" for each in _SCHEMES)}')
    name = unquote(parts.path.rsplit('/', 1)[-1])
    # an encoded slash, backslash or drive would leave the folder
    if (not name.strip('. ') or '\0' in name
            or PureWindowsPath(name).name != name):
        raise ValueError(f'{url!r} names no file: its last part is {name!r}')
    return name


def _fetch(url: str, path: Path) -> None:
    try:
        with urlopen(url, timeout=_PATIENCE) as source, \
                open(path, 'wb') as sink:
            shutil.copyfileobj(source, sink, _BLOCK)
    except urllib.error.HTTPError as error:
        raise OSError(
            f'{url} answers {error.code} ({error.reason})') from error
    except urllib.error.URLError as error:
        raise OSError(f'{url} cannot be reached ({error.reason}); check the '
                      'address and the network') from error
    except http.client.HTTPException as error:
        raise OSError(f'{url} gave no proper answer ({error!r})') from error
