# Copyright (c) mmregioncl contributors. All rights reserved.
"""The training steps that throughput.py compares."""
from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import revert_sync_batchnorm
from step_costs import count, held_by
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import mmregioncl.register  # noqa: F401
from mmregioncl.engine.hooks.activation_checkpoint_hook import \
    checkpoint_blocks

# isort: split
from mmselfsup.registry import MODELS  # after register, which mends it

REPO = Path(__file__).resolve().parents[2]

# Encoder passes of host and of RegionCL: forward 1, with backward 3.
PASSES = dict(
    mocov2=(4, 7),  # query fb + key f; + composite fb
    densecl=(4, 7),
    simsiam=(6, 9),  # two views fb; + composite fb
    byol=(8, 11),  # two views fb, two targets f; + composite fb
    simclr=(6, 9))

_DTYPES = dict(bf16=torch.bfloat16, fp16=torch.float16)


@dataclass(frozen=True)
class Settings:
    """How a step is taken; the options of throughput.py."""
    device: str = 'cpu'
    precision: str = 'fp32'
    channels_last: bool = False
    compile: bool = False
    checkpoint: bool = False
    batch: int = 16
    size: int = 224
    depth: int = 50
    width: int = 64
    queue: int = 65536
    share: float = 1.
    clean_share: float = 1.

    def __str__(self) -> str:
        return ', '.join([
            self.precision,
            *(name for name in ('channels_last', 'compile', 'checkpoint')
              if getattr(self, name)),
            *(f'{name}={value}' for name, value in self.budget.items()
              if value != 1)
        ])

    @property
    def budget(self) -> dict[str, float]:
        return dict(share=self.share, clean_share=self.clean_share)

    def passes(self, method: str) -> tuple[float, float]:
        """Those of the host and of RegionCL with this budget."""
        host, ours = PASSES[method]
        composites = (ours - host) * self.share
        return host, host - 3 * (1 - self.clean_share) + composites


class Contestant:
    """A model with its optimiser and a batch, ready to take steps.

    Args:
        method (str): One of ``PASSES``.
        side (str): ``'host'``, ``'regioncl'`` or ``'supervised'``.
        settings (Settings): How.
    """

    def __init__(self, method: str, side: str, settings: Settings) -> None:
        self.settings = settings
        torch.manual_seed(0)
        self.model = (_supervised(settings) if side == 'supervised' else
                      _algorithm(method, side, settings)).to(
                          settings.device).train()
        shape = (settings.batch, 3, settings.size, settings.size)
        self.batch = [
            torch.randn(shape, device=settings.device)
            for _ in range(1 if side == 'supervised' else 2)
        ]
        if settings.channels_last:
            self.model.to(memory_format=torch.channels_last)
            self.batch = [
                view.to(memory_format=torch.channels_last)
                for view in self.batch
            ]
        if settings.checkpoint and side != 'supervised':
            checkpoint_blocks(self.model.backbone)
        self.optimizer = torch.optim.SGD(
            [p for p in self.model.parameters() if p.requires_grad],
            lr=1e-3,
            momentum=0.9)
        self.scaler = torch.amp.GradScaler(
            self.kind, enabled=settings.precision == 'fp16')
        self.network: Any = self.model
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []

    @property
    def kind(self) -> str:
        return torch.device(self.settings.device).type

    def distribute(self) -> None:
        """Average the gradients of all ranks, as MMEngine would have it."""
        self.network = DistributedDataParallel(
            self.model,
            device_ids=[torch.cuda.current_device()]
            if self.kind == 'cuda' else None,
            broadcast_buffers=False)

    def losses(self) -> Tensor:
        """The sum of all losses of the batch."""
        if len(self.batch) == 1:
            labels = torch.zeros(len(self.batch[0]), dtype=torch.long,
                                 device=self.settings.device)  # yapf: disable
            return nn.functional.cross_entropy(
                self.model(self.batch[0]), labels)
        losses = self.network(self.batch, None, mode='loss')
        return sum(value for name, value in losses.items()
                   if 'loss' in name)  # type: ignore[return-value]

    def step(self) -> None:
        """Forward, backward and SGD."""
        dtype = _DTYPES.get(self.settings.precision)
        with torch.autocast(self.kind, dtype) if dtype else nullcontext():
            loss = self.losses()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def measure(self) -> dict[str, Any]:
        """Arithmetic and peak memory of a step, then compile if asked to.

        Returns:
            dict[str, Any]: ``flops``, ``peak`` in bytes, and ``source`` of
            the latter.
        """
        self.step()  # the state of the optimiser is there from now on
        held = held_by(self.model, self.optimizer, self.batch)
        figures: dict[str, Any] = dict(count(self.step, held, self.kind))
        figures['source'] = 'bytes of live tensors'
        del held
        if self.settings.compile:
            compile_encoders(self.model)
        if self.kind == 'cuda':
            self.step()
            torch.cuda.reset_peak_memory_stats()
            self.step()
            # of all contestants: what the others hold is taken off
            figures['peak'] = (
                torch.cuda.max_memory_allocated() -
                torch.cuda.memory_allocated() + figures['held'])
            figures['source'] = 'max_memory_allocated'
        return figures

    def timed_step(self, keep: bool) -> None:
        """Take a step and note its seconds."""
        self._wait()
        wall, cpu = time.perf_counter(), time.process_time()
        self.step()
        self._wait()
        if keep:
            self.seconds.append(time.perf_counter() - wall)
            self.cpu_seconds.append(time.process_time() - cpu)

    def _wait(self) -> None:
        if self.kind == 'cuda':
            torch.cuda.synchronize()


def compile_encoders(model: Any) -> None:
    """Compile backbone and key encoder, where the arithmetic is."""
    if not hasattr(model, 'backbone'):  # torchvision's
        model.compile()
        return
    model.backbone.compile()
    for name in ('encoder_k', 'target_net'):
        if hasattr(model, name):
            getattr(model, name).module[0].compile()


def _supervised(settings: Settings) -> nn.Module:
    return getattr(torchvision.models, f'resnet{settings.depth}')()


def _algorithm(method: str, side: str, settings: Settings) -> nn.Module:
    """The algorithm of a config, or its plain host."""
    MMLogger.get_current_instance().setLevel('WARNING')  # no list of weights
    # BYOL asks for the length of the run
    MessageHub.get_current_instance().update_info('max_iters', 10**6)
    folder = 'configs' if side == 'regioncl' else 'configs/_base_/models'
    prefix = 'regioncl_' if side == 'regioncl' else ''
    cfg = Config.fromfile(REPO / folder / f'{prefix}{method}_r50.py').model
    cfg.backbone.update(
        depth=settings.depth,
        base_channels=settings.width,
        stem_channels=settings.width)
    cfg.neck.in_channels = settings.width * (8 if settings.depth < 50 else 32)
    cfg.pop('data_preprocessor', None)  # the views are finished
    if 'queue_len' in cfg:
        cfg.queue_len = settings.queue
    if side == 'regioncl':
        cfg.region_budget = settings.budget
    model = revert_sync_batchnorm(MODELS.build(cfg))
    model.init_weights()
    return model
