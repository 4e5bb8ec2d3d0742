# Copyright (c) mmregioncl contributors. All rights reserved.
"""Data sets. The demo scenes need NumPy and OpenCV only: the rest waits."""
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .image_folder import ImageFolder

__all__ = ['ImageFolder']


def __getattr__(name: str) -> Any:
    if name != 'ImageFolder':
        raise AttributeError(f'module {__name__!r} has no {name!r}')
    from .image_folder import ImageFolder
    return ImageFolder
