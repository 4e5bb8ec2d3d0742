# Copyright (c) mmregioncl contributors. All rights reserved.
"""The command that a run can be repeated with."""
from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from mmregioncl.cfg_options import as_text

# Where a run was and what it wrote down, not what it did. How it was started
# has arguments of its own.
ELSEWHERE = {
    'work_dir', 'load_from', 'resume', 'launcher', 'log_level',
    'log_processor', 'visualizer', 'auto_scale_lr'
}
_ABSENT = object()


def repeat_command(config: str, run: dict, plain: dict, seed: int) -> str:
    """What repeats a run, from the config that it ran with.

    Args:
        config (str): Path of the config in the repository.
        run (dict): The config as it ran, options merged.
        plain (dict): The config as it stands in the repository.
        seed (int): Of the run.

    Returns:
        str: A call of tools/train.py.

    Raises:
        ValueError: If the two differ in something that no option can say.

    Example:
        >>> repeat_command('tiny.py', dict(lr=0.1), dict(lr=0.2), 3)
        'python tools/train.py tiny.py --seed 3 --cfg-options lr=0.1'
    """
    words = ['python', 'tools/train.py', config, '--seed', str(seed)]
    if run.get('auto_scale_lr', {}).get('enable'):
        words.append('--auto-scale-lr')
    options = []
    for key, value in sorted(_differences(run, plain, '')):
        if isinstance(value, dict) or value is _ABSENT or (
                isinstance(value, (list, tuple)) and not _is_plain(value)):
            raise ValueError(
                f'the run differs from {config} in {key!r} in a way that no '
                'option of tools/train.py can say; give the run a config of '
                'its own below configs/')
        options.append(f'{key}={as_text(value)}')
    if options:
        words += ['--cfg-options', *options]
    return shlex.join(words)


def _differences(run: Any, plain: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Settings of ``run`` that ``plain`` has otherwise, with their keys."""
    if _is_place(key) or run == plain:
        return
    if isinstance(run, dict) and run and plain is _ABSENT:
        plain = {}
    if isinstance(run, dict) and isinstance(plain, dict):
        names = [*run, *(name for name in plain if name not in run)]
        pairs = {
            name: (run.get(name, _ABSENT), plain.get(name, _ABSENT))
            for name in names
        }
    elif (isinstance(run, (list, tuple)) and isinstance(plain, (list, tuple))
          and len(run) == len(plain)
          and not (_is_plain(run) and _is_plain(plain))):
        pairs = {str(i): pair for i, pair in enumerate(zip(run, plain))}
    else:
        yield key, run
        return
    for name, (ours, theirs) in pairs.items():
        yield from _differences(ours, theirs, f'{key}.{name}'.lstrip('.'))


def _is_plain(values: list | tuple) -> bool:
    return not any(isinstance(each, (dict, list, tuple)) for each in values)


def _is_place(key: str) -> bool:
    parts = key.split('.')
    return (parts[0] in ELSEWHERE or parts[-1] == 'data_root'
            or key == 'randomness.seed')
