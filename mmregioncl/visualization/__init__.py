# Copyright (c) mmregioncl contributors. All rights reserved.
"""What the pictures of demo/ and tools/analysis_tools/ are drawn with.

Matplotlib without pyplot: no window, and no state between two figures.
"""
from .composite_sheet import draw_composites, draw_views, figure_image
from .outlines import CANVAS, PASTE, outline_box, outline_composite, show_image
from .page import open_folder, write_page
from .pixels import to_pixels

__all__ = [
    'CANVAS', 'PASTE', 'draw_composites', 'draw_views', 'figure_image',
    'open_folder', 'outline_box', 'outline_composite', 'show_image',
    'to_pixels', 'write_page'
]
