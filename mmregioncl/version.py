# Copyright (c) mmregioncl contributors. All rights reserved.
"""The version, in the one place that setup.cfg reads too."""
from __future__ import annotations

__version__ = '0.1.0'


def parse_version_info(version: str) -> tuple[int | str, ...]:
    """Split a version into comparable parts, as OpenMMLab packages do.

    Args:
        version (str): Such as ``'1.2.3'`` or ``'1.2.0rc1'``.

    Returns:
        tuple: ``(1, 2, 3)``, and ``(1, 2, 0, 'rc1')``.

    Example:
        >>> parse_version_info('0.2.0rc3')
        (0, 2, 0, 'rc3')
    """
    parts: list[int | str] = []
    for part in version.split('.'):
        number, mark, candidate = part.partition('rc')
        parts.append(int(number))
        if mark:
            parts.append(f'rc{candidate}')
    return tuple(parts)


version_info = parse_version_info(__version__)

__all__ = ['__version__', 'parse_version_info', 'version_info']
