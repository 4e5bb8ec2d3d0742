# Copyright (c) mmregioncl contributors. All rights reserved.
"""Ask a backbone for its stride, without computing anything."""
from __future__ import annotations

import torch
from torch import nn

# Any side that is a multiple of the strides in use (8, 14, 16, 32) will do;
# nothing of this size is ever allocated.
_SIDE = 896


def backbone_stride(backbone: nn.Module) -> int:
    """Pixels per cell of the backbone's last feature map.

    The backbone runs on the meta device, where tensors have shapes only.

    Args:
        backbone (nn.Module): Returns a tuple of feature maps (N, C, h, w).

    Returns:
        int: The stride.
    """
    tensors = {
        name: tensor.to('meta')
        for named in (backbone.named_parameters(), backbone.named_buffers())
        for name, tensor in named
    }
    was_training = backbone.training
    backbone.eval()  # SyncBN in training refuses anything but a GPU
    try:
        with torch.no_grad():
            features = torch.func.functional_call(
                backbone, tensors,
                (torch.empty(1, 3, _SIDE, _SIDE, device='meta'), ))
    finally:
        backbone.train(was_training)
    return _SIDE // features[-1].shape[-1]
