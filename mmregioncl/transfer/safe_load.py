# Copyright (c) mmregioncl contributors. All rights reserved.
"""Open a checkpoint of a stranger without running any of its code."""
from __future__ import annotations

import os
import re
import zipfile
from typing import Any

import torch

from mmregioncl.compat import allow_mmengine_checkpoints

_EXPECTED = ('Expected a PyTorch (.pth, .pt) or safetensors file that holds '
             'tensors')
# First bytes of what people hand over instead of a checkpoint.
_IMPOSTORS = (
    (b'<', 'a web page or XML; the download probably failed'),
    (b'version https://git-lfs', 'a Git LFS pointer; run `git lfs pull`'),
    (b'\x1f\x8b', 'a gzip archive; unpack it first'),
)
# What torch and mmregioncl.compat say of a call that they do not allow.
_CODE_SIGNS = ('unrecognized function', 'asks for the attribute')


def load_checkpoint_file(path: str | os.PathLike) -> dict[str, Any]:
    """Load a checkpoint file as data, never as code.

    ``.pth`` and ``.pt`` files go through ``torch.load(weights_only=True)``;
    beyond torch's own list only what MMEngine's training checkpoints hold is
    allowed, see :func:`mmregioncl.compat.allow_mmengine_checkpoints`. The
    format is told by the first bytes, not by the name.

    Args:
        path (str | os.PathLike): A ``.pth``, ``.pt`` or ``.safetensors``
            file.

    Returns:
        dict: The checkpoint, its tensors on the CPU. A safetensors file gives
        its tensors directly.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut short, is no checkpoint, or asks to
            run code. Nothing of it has been executed then.
    """
    path = os.path.expanduser(os.fspath(path))
    if not os.path.exists(path):
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    if not os.path.isfile(path):
        kind = 'a folder' if os.path.isdir(path) else 'no regular file'
        raise ValueError(f'{path} is {kind}, not a checkpoint. {_EXPECTED}.')
    head = _first_bytes(path)
    if not head:
        raise ValueError(f'{path} is empty (0 bytes). {_EXPECTED}.')
    for start, what in _IMPOSTORS:
        if head.lstrip().startswith(start):
            raise ValueError(f'{path} holds {what}. {_EXPECTED}.')
    # A safetensors file begins with the length of its JSON header.
    if path.endswith('.safetensors') or head[8:9] == b'{':
        return _load_safetensors(path)
    return _load_torch(path, head)


def _first_bytes(path: str) -> bytes:
    with open(path, 'rb') as file:
        return file.read(64)


def _load_safetensors(path: str) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    try:
        return load_file(path, device='cpu')
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f'{path} is no complete safetensors file; it is cut short or '
            f'damaged ({error}). Copy or download it again.') from error


def _load_torch(path: str, head: bytes) -> dict[str, Any]:
    allow_mmengine_checkpoints()
    try:
        size = _unpacked_size(path) if head.startswith(b'PK') else 0
    except Exception as error:  # hostile bytes raise just about anything
        raise ValueError(_explain(path, head, error)) from error
    if size > os.path.getsize(path):
        raise ValueError(
            f'{path} refused: it would unpack to {size} bytes, from '
            f'{os.path.getsize(path)}. torch.save does not compress; this is '
            'a zip bomb, or was packed by another program.')
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # hostile bytes raise just about anything
        raise ValueError(_explain(path, head, error)) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f'{path} holds a {type(checkpoint).__name__}, not a '
                         f'checkpoint. {_EXPECTED}, as a dictionary.')
    return checkpoint


def _unpacked_size(path: str) -> int:
    """What the parts of a zip archive say that they take in memory."""
    with zipfile.ZipFile(path) as archive:
        return sum(part.file_size for part in archive.infolist())


def _explain(path: str, head: bytes, error: Exception) -> str:
    """Say in one sentence why a file was refused."""
    text = str(error)
    wanted = re.search(r'GLOBAL (\S+)', text)
    if wanted or any(sign in text for sign in _CODE_SIGNS):
        name = repr(wanted.group(1)) if wanted else 'a function'
        return (f'{path} refused: loading it would run or build {name}, '
                f'which is not data; nothing of it was executed. {_EXPECTED} '
                'and nothing else; where you trust the file, save its tensors '
                'alone (`torch.save(state_dict, ...)`) and use that.')
    first_line = text.splitlines()[0] if text else type(error).__name__
    if head.startswith(b'PK') and ('central directory' in text
                                   or 'not a zip file' in text):
        return (f'{path} is cut short (truncated): it begins as a PyTorch '
                'checkpoint and its end is missing. Copy or download it '
                'again, or use the checkpoint before it.')
    if head.startswith((b'PK', b'\x80')):
        return (f'{path} is cut short, damaged, or no PyTorch checkpoint '
                f'({first_line}). {_EXPECTED}.')
    return (f'{path} is not a checkpoint; it begins with {head[:8]!r}. '
            f'{_EXPECTED}.')
