# Copyright (c) mmregioncl contributors. All rights reserved.
"""BatchNorm over groups of a batch: one device does what several would do.

Shuffle-BN needs several BatchNorm batches to hide a key from its query. On a
single device there is one, and shuffling it changes nothing: the network can
tell key from query by the statistics (see the MoCo paper, Sec. 3.3). Split
into 8 groups, one device behaves as 8 do.
"""
from __future__ import annotations

from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Module = TypeVar('Module', bound=nn.Module)


class SplitBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d that normalises each of ``num_splits`` groups by itself.

    Sample ``i`` of a batch of N is in group ``i // (N / num_splits)``, as it
    would be on rank ``i // (N / num_splits)``. The running statistics average
    over the groups. In evaluation it is a BatchNorm2d. The state dict is that
    of BatchNorm2d.

    Shape:
        (N, C, H, W) -> (N, C, H, W)

    Raises:
        ValueError: In training, if N is no multiple of ``num_splits``.
    """
    num_splits: int

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.num_splits == 1:
            return super().forward(input)
        if len(input) % self.num_splits:
            raise ValueError(
                f'a batch of {len(input)} cannot be split into bn_splits='
                f'{self.num_splits} equal groups; change the batch size (or '
                'the share of it in region_budget) or bn_splits, and set '
                'drop_last=True')
        N, C, H, W = input.shape
        groups = self.num_splits
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        # Groups become channels: (N/G, G*C, H, W) is what batch_norm takes.
        stacked = input.reshape(groups, N // groups, C, H, W)
        stacked = stacked.transpose(0, 1).reshape(N // groups, groups * C, H,
                                                  W)
        means = self.running_mean.repeat(groups)  # type: ignore[union-attr]
        variances = self.running_var.repeat(groups)  # type: ignore
        output = F.batch_norm(
            stacked, means, variances,
            self.weight.repeat(groups) if self.affine else None,
            self.bias.repeat(groups) if self.affine else None, True,
            self._share(), self.eps)  # yapf: disable
        self.running_mean.copy_(means.view(groups, C).mean(0))  # type: ignore
        self.running_var.copy_(  # type: ignore[union-attr]
            variances.view(groups, C).mean(0))
        output = output.view(N // groups, groups, C, H, W)
        return output.transpose(0, 1).reshape(N, C, H, W)

    def _share(self) -> float:
        """Of this batch in the running statistics."""
        if self.momentum is None:  # the average of all batches
            return 1 / int(self.num_batches_tracked)  # type: ignore[arg-type]
        return self.momentum


def split_batchnorm(module: Module, num_splits: int) -> Module:
    """Let every BatchNorm2d of a module normalise in groups, in place.

    Args:
        module (nn.Module): For example a key encoder.
        num_splits (int): Number of groups; 8 is what the paper's 8 GPUs do.

    Returns:
        nn.Module: The same module, with the same parameters and keys.

    Raises:
        ValueError: If ``num_splits`` is below 1, or if the module holds a
            BatchNorm that cannot be split (SyncBN, or one without running
            statistics).
    """
    if num_splits < 1:
        raise ValueError(f'bn_splits must be at least 1, got {num_splits}')
    for name, child in module.named_modules():
        if (isinstance(child, nn.BatchNorm2d) and num_splits > 1
                and not child.track_running_stats):
            raise ValueError(
                f'bn_splits={num_splits} keeps running statistics, and {name} '
                'has track_running_stats=False; leave that out of norm_cfg')
        if type(child) in (nn.BatchNorm2d, SplitBatchNorm2d):
            child.__class__ = SplitBatchNorm2d
            child.num_splits = num_splits  # type: ignore[assignment]
        elif isinstance(child, _BatchNorm) and num_splits > 1:
            raise ValueError(
                f'bn_splits={num_splits} goes with BatchNorm2d, but {name} is '
                f"{type(child).__name__}; set norm_cfg=dict(type='BN')")
    return module
