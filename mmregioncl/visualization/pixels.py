# Copyright (c) mmregioncl contributors. All rights reserved.
"""From what a network gets back to what a person can look at."""
from __future__ import annotations

from typing import Any

from torch import Tensor


def to_pixels(images: Tensor, preprocessor: Any) -> Tensor:
    """Undo the normalisation.

    Args:
        images (Tensor): As the data preprocessor gave them.
        preprocessor (nn.Module): That one; its ``mean`` and ``std`` count, if
            it has any.

    Returns:
        Tensor: RGB, uint8, on the CPU.

    Shape:
        (N, 3, H, W) -> (N, 3, H, W)
    """
    images = images.detach().float()
    if getattr(preprocessor, '_enable_normalize', False):
        images = images * preprocessor.std + preprocessor.mean
    return images.round().clamp(0, 255).byte().cpu()
