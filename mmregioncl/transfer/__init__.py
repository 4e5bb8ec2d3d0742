# Copyright (c) mmregioncl contributors. All rights reserved.
"""Pretrained weights on their way out: export, load, and proof.

Downstream configs name this package in ``custom_imports``. Importing it lets
MMEngine read raw training checkpoints and safetensors files, and registers
the hooks. It imports nothing of MMSelfSup, mmdet or mmseg.
"""
import mmregioncl.cpu_distributed  # noqa: F401
from mmregioncl.compat import allow_mmengine_checkpoints
from .backbone import Backbone, find_backbone
from .export import ExportReport, export_backbone
from .load_gate import CheckPretrainedHook
from .precise_bn import PreciseBNHook
from .safe_load import load_checkpoint_file
from .safe_mmengine import guard_mmengine

# MMEngine calls torch.load, which refuses what its own checkpoints hold.
allow_mmengine_checkpoints()
guard_mmengine()

__all__ = [
    'Backbone', 'CheckPretrainedHook', 'ExportReport', 'PreciseBNHook',
    'export_backbone', 'find_backbone', 'load_checkpoint_file'
]
