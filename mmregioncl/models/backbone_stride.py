# Copyright (c) mmregioncl contributors. All rights reserved.
"""Ask a backbone for its stride, without computing anything."""
from __future__ import annotations

from typing import Any

import torch
from torch import nn

# Any side that is a multiple of the strides in use (8, 14, 16, 32) will do;
# nothing of this size is ever allocated.
SIDE = 896


def backbone_stride(backbone: nn.Module) -> int:
    """Pixels per cell of the backbone's last feature map.

    The backbone runs on the meta device, where tensors have shapes only.

    Args:
        backbone (nn.Module): Returns a tuple of feature maps (N, C, h, w).

    Returns:
        int: The stride.

    Raises:
        ValueError: If it gives something else than feature maps.
    """
    features = on_meta(backbone, torch.empty(1, 3, SIDE, SIDE, device='meta'))
    last = features[-1] if isinstance(features, (tuple, list)) else None
    if not isinstance(last, torch.Tensor) or last.ndim != 4:
        found = getattr(last, 'shape', type(last).__name__)
        raise ValueError(
            f'model.backbone of type {type(backbone).__name__} gives {found} '
            'and no feature maps (N, C, h, w), from which regions are '
            'pooled; have it keep them: gap_before_final_norm=False of '
            'ConvNeXt, output_cls_token=False of VisionTransformer')
    return SIDE // last.shape[-1]


def on_meta(module: nn.Module, inputs: Any) -> Any:
    """What a module gives, computed for shapes only.

    Args:
        module (nn.Module): On any device; it stays there.
        inputs (Any): Tensors of the meta device.

    Returns:
        Any: Its output, of the meta device too.
    """
    tensors = {
        name: tensor.to('meta')
        for named in (module.named_parameters(), module.named_buffers())
        for name, tensor in named
    }
    was_training = module.training
    module.eval()  # SyncBN in training refuses anything but a GPU
    try:
        with torch.no_grad():
            return torch.func.functional_call(module, tensors, (inputs, ))
    finally:
        module.train(was_training)
