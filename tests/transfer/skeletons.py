# Copyright (c) mmregioncl contributors. All rights reserved.
"""Models with a ResNet's tensors and hardly a forward pass, and their runs."""
from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel, BaseModule
from mmengine.runner import Runner
from torch import Tensor, nn

from mmregioncl.transfer.resnet_layout import ResNetLayout

GATE = dict(type='CheckPretrainedHook')
_COUNTER = itertools.count()


class Skeleton(BaseModule):
    """The tensors of a ResNet, or of some of its parts, in their places."""

    def __init__(self,
                 layout: ResNetLayout,
                 init_cfg: Any = None,
                 parts: tuple[str, ...] = ('conv1', 'bn1', 'layer'),
                 deep_stem: bool = False) -> None:
        super().__init__(init_cfg)
        shapes = layout.tensor_shapes()
        for name, shape in shapes.items():
            if not name.endswith('.weight') or not name.startswith(parts):
                continue
            module: nn.Module = nn.BatchNorm2d(shape[0])
            if len(shape) == 4:
                module = nn.Conv2d(shape[1], shape[0], shape[2], bias=False)
            _plant(self, name.removesuffix('.weight'), module)
        if deep_stem:
            del self.conv1, self.bn1
            _plant(self, 'stem.0', nn.Conv2d(3, 8, 3, bias=False))


def _plant(root: nn.Module, path: str, module: nn.Module) -> None:
    *parents, leaf = path.split('.')
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = getattr(root, parent)
    root.add_module(leaf, module)


class SkeletonModel(BaseModel):
    """A downstream model: a backbone and, as C4 has it, a shared head."""

    def __init__(self,
                 backbone: nn.Module,
                 shared_head: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.scale = nn.Parameter(torch.ones(1))
        if shared_head is not None:
            self.roi_head = BaseModule()
            self.roi_head.shared_head = shared_head

    def forward(self,
                inputs: Tensor,
                data_samples: Any = None,
                mode: str = 'tensor') -> Any:
        return dict(loss=(self.scale * inputs).mean())


def make_runner(model: nn.Module, work_dir: Path, hooks: list[dict],
                **settings: Any) -> Runner:
    """A run of two iterations, unless the settings say otherwise."""
    defaults = dict(
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            collate_fn=dict(type='default_collate'),
            dataset=[dict(inputs=torch.ones(3)) for _ in range(4)],
            sampler=dict(type='DefaultSampler', shuffle=False)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.)),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        custom_hooks=hooks,
        # MMEngine keeps loggers by this name, and their files with them
        experiment_name=f'skeleton_{next(_COUNTER)}')
    return Runner(model, str(work_dir), **{**defaults, **settings})


def read_log(work_dir: Path) -> str:
    return '\n'.join(path.read_text() for path in work_dir.rglob('*.log'))


def init_cfg(path: Path | str, prefix: str | None = 'backbone.') -> dict:
    cfg = dict(type='Pretrained', checkpoint=str(path))
    return cfg if prefix is None else dict(cfg, prefix=prefix)


def train_gated(layout: ResNetLayout,
                cfg: Any,
                work_dir: Path,
                hooks: list[Any] | None = None,
                **settings: Any) -> str:
    """Train with the gate; returns the log."""
    model = SkeletonModel(Skeleton(layout, cfg))
    make_runner(model, work_dir / 'run', hooks or [GATE], **settings).train()
    return read_log(work_dir / 'run')
