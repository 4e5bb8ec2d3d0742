# Copyright (c) mmregioncl contributors. All rights reserved.
"""The C4 detector's shared head with a norm after it. Needs mmdet.

Import it by ``custom_imports=dict(imports=[
'mmregioncl.transfer.res_layer_extra_norm'])``; nothing else here does, so
that a segmentor does not need mmdet.
"""
from __future__ import annotations

from typing import Any

from mmcv.cnn import build_norm_layer
from mmdet.models.backbones import ResNet
from mmdet.models.roi_heads.shared_heads import ResLayer
from mmdet.registry import MODELS
from torch import Tensor


class ResLayerExtraNorm(ResLayer):
    """Stage res5 followed by a norm, as MoCo's C4 benchmark has it.

    Detectron2's ``Res5ROIHeadsExtraNorm``. The weights of the stage come from
    the pretrained ``layer4``; the norm after it is new. Same arguments, keys
    and results as the class of this name in MMSelfSup, which must not be
    imported to have it.

    Args:
        depth (int): Depth of the ResNet.
        stage (int): Index of the stage. Defaults to 3.
        norm_cfg (dict): Of the stage and of the norm after it.
            Defaults to ``dict(type='BN', requires_grad=True)``.
        kwargs: As :class:`mmdet.models.ResLayer`.

    Shape:
        - Input: (N, 1024, h, w) for ResNet-50.
        - Output: (N, 2048, h / 2, w / 2).
    """

    def __init__(self, depth: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(depth, *args, **kwargs)
        block, _ = ResNet.arch_settings[depth]
        channels = 64 * 2**self.stage * block.expansion
        self.norm = build_norm_layer(self.norm_cfg, channels)[1]

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))


# MMSelfSup registers its own under the same name where it was imported first;
# the two are interchangeable. Where it comes later, mmregioncl.compat makes
# way for it.
if 'ResLayerExtraNorm' not in MODELS.module_dict:
    MODELS.register_module(module=ResLayerExtraNorm)
