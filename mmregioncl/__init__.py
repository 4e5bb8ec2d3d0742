# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL for the OpenMMLab world. Holds the version and nothing else.

``mmregioncl.core`` is plain torch; ``import mmregioncl.register`` registers
every class with MMSelfSup. ``mmregioncl.get_model`` and
``mmregioncl.list_models`` are those of :mod:`mmregioncl.apis`, imported when
first asked for.
"""
from typing import TYPE_CHECKING, Any

from .version import __version__, version_info

if TYPE_CHECKING:
    from .apis import get_model, list_models

__all__ = ['__version__', 'version_info', 'get_model', 'list_models']


def __getattr__(name: str) -> Any:
    # `import mmregioncl.core` comes through here and needs nothing but torch
    if name in ('get_model', 'list_models'):
        from . import apis
        return getattr(apis, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
