# Copyright (c) mmregioncl contributors. All rights reserved.
"""Whatever MMEngine loads, it loads as data.

``--resume``, ``load_from`` and ``init_cfg=dict(type='Pretrained')`` go
through MMEngine's own loaders, which would run a stranger's code in three
ways. :func:`guard_mmengine` closes them.
"""
from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit

import torch

from .safe_load import load_checkpoint_file

# torch.hub's: eight or more digits of the sha256 before the ending
_NAMED_HASH = r'-([0-9a-f]{8,64})\.[^.]+$'


def guard_mmengine() -> None:
    """Let MMEngine open checkpoints with our loader; safetensors too.

    * Files: as :func:`~mmregioncl.transfer.safe_load.load_checkpoint_file`
      reads them, so that refusals are explained.
    * ``http(s)://``, ``torchvision://``, ``open-mmlab://``, ``mmcls://``:
      torch.hub unpickles what it fetches without restriction.
    * ``meta.config``, a key of MMEngine's oldest checkpoints: resuming
      executes that text as a Python config, to read one number of it. Nothing
      is lost without it.

    With torch below 2.6 plain files stay with MMEngine: that torch cannot
    read MMEngine's training checkpoints as data, and resuming there trusts
    the file.
    """
    from mmengine.runner import CheckpointLoader, checkpoint
    from mmengine.utils import digit_version
    checkpoint.load_url = _load_url  # by which all the addresses go
    schemes = [r'(?!\w+://).*\.safetensors$']  # matched from the start
    if digit_version(torch.__version__) >= digit_version('2.6.0'):
        schemes.append('')
    CheckpointLoader.register_scheme(schemes, load_from_local, force=True)


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load a file for MMEngine, onto the CPU: all that load from it copy.

    Args:
        filename (str): The file.
        map_location (Any): Not used. Defaults to None.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, or asks to run code.
    """
    loaded = load_checkpoint_file(filename)
    meta = loaded.get('meta')
    if isinstance(meta, dict):
        meta.pop('config', None)
    return loaded


def _load_url(url: str,
              model_dir: str | None = None,
              map_location: Any = None,
              progress: bool = True,
              **kwargs: Any) -> dict[str, Any]:
    """In place of ``torch.hub.load_state_dict_from_url``, to the same file."""
    folder = model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints')
    path = os.path.join(folder, os.path.basename(urlsplit(url).path))
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        named = re.search(_NAMED_HASH, path)
        torch.hub.download_url_to_file(url, path, named and named[1], progress)
    return load_from_local(path)
