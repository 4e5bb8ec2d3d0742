# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL for the OpenMMLab world. Holds the version and nothing else.

``mmregioncl.core`` is plain torch; ``import mmregioncl.register`` registers
every class with MMSelfSup.
"""
from .version import __version__, version_info

__all__ = ['__version__', 'version_info']
