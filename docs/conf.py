# Copyright (c) mmregioncl contributors. All rights reserved.
"""The pages under docs/ as a site: `make docs`, or

    python -m sphinx -W --keep-going -b html docs docs/_build
"""
from __future__ import annotations

import os
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))
os.environ.setdefault('OMP_NUM_THREADS', '1')

import mmregioncl.register  # noqa: E402,F401  compat before mmselfsup
from mmregioncl import __version__  # noqa: E402

project = 'mmregioncl'
author = 'mmregioncl contributors'
copyright = author
release = version = __version__

extensions = [
    'myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon',
    'sphinx.ext.viewcode', 'sphinx_copybutton'
]
exclude_patterns = ['_build']
html_theme = 'sphinx_rtd_theme'
html_static_path: list[str] = []

# the docstrings are in the style of OpenMMLab
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [('Shape', 'notes_style')]
napoleon_use_rtype = False
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {
    'members': True,
    'imported-members': True,
    'show-inheritance': True
}

myst_heading_anchors = 3
# a prompt is not part of a command
copybutton_prompt_text = r'\$ |>>> '
copybutton_prompt_is_regexp = True
