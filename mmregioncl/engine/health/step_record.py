# Copyright (c) mmregioncl contributors. All rights reserved.
"""One training step in a file, so that it can be run again."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from torch import Tensor, nn

from mmregioncl.transfer.safe_load import load_checkpoint_file

_KEYS = ('iteration', 'rank', 'batch', 'state_dict', 'random', 'losses')


def random_state() -> dict[str, Tensor]:
    """torch's random streams: boxes, permutations, dropout."""
    state = dict(cpu=torch.get_rng_state())
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def write_step(path: Path, model: nn.Module, batch: dict[str, Any],
               random: dict[str, Tensor], **facts: Any) -> None:
    """Write what a step had: tensors, numbers and names, nothing that runs.

    Args:
        path (Path): The file. It gets its name when it is complete.
        model (nn.Module): As it was before the step, but for the momentum
            encoder, which is as the step used it. Not wrapped.
        batch (dict): What the data loader gave. Its data samples, of which no
            algorithm here makes use, are left out.
        random (dict[str, Tensor]): Of :func:`random_state`, before the step.
        **facts: What else is known: ``iteration``, ``losses``, ``undone``:
            False if the model is as it was after the step, ...
    """
    swap = getattr(model, 'region_swap', None)
    budget = getattr(model, 'region_budget', None)
    regions = getattr(swap, 'last_regions', None)
    if regions is not None and budget and budget.due():  # else an old one's
        facts |= dict(boxes=regions.boxes.cpu(), donors=regions.donors.cpu())
    seed = getattr(model, '_shuffle_seed', None)
    if seed is not None:
        facts['shuffle_seed'] = seed
    step = dict(
        facts,
        rank=get_rank(),
        batch={
            key: _on_cpu(value)
            for key, value in batch.items() if key != 'data_samples'
        },
        random=random,
        state_dict=_on_cpu(dict(model.state_dict())))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{os.getpid()}-{path.name}')
    try:
        torch.save(step, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_step(path: str | os.PathLike) -> dict[str, Any]:
    """Read it again, as data.

    Args:
        path (str | os.PathLike): A file of :func:`write_step`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no step, or asks to run code.
    """
    step = load_checkpoint_file(path)
    missing = [key for key in _KEYS if key not in step]
    if missing:
        raise ValueError(
            f'{path} holds no training step, {", ".join(missing)} are not in '
            'it; HealthHook writes such files to nonfinite/ in the work dir')
    return step


def _on_cpu(values: Any) -> Any:
    if isinstance(values, Tensor):
        return values.detach().cpu()
    if isinstance(values, dict):
        return {key: _on_cpu(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_on_cpu(value) for value in values]
    return values
