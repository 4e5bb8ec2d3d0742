# Copyright (c) mmregioncl contributors. All rights reserved.
"""What the hosts with a momentum encoder share: keys and their queue."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import broadcast_object_list, get_rank, get_world_size
from torch import Tensor, nn

from mmregioncl.core import (draw_permutation, enqueue, exchange_rows,
                             gather_rows, split_batchnorm)
from ..fused_ema import FusedEMA


class MomentumKeys(nn.Module):
    """Mix-in: momentum encoder, shuffle-BN and queue of MoCo and DenseCL.

    Call :meth:`init_keys` in the constructor, after the host's.
    """
    backbone: nn.Module
    neck: Any
    queue: Tensor
    queue_ptr: Tensor

    def init_keys(self, momentum: float, key_shuffle: str,
                  bn_splits: int) -> None:
        """Replace the host's slow parts; see the algorithms for arguments.

        Raises:
            ValueError: If an argument is out of its range.
        """
        if key_shuffle not in ('global', 'local', 'none'):
            raise ValueError("model.key_shuffle must be 'global', 'local' or "
                             f"'none', got {key_shuffle!r}")
        if key_shuffle == 'local' and bn_splits == 1:
            raise ValueError(
                "model.key_shuffle='local' shuffles the groups of one "
                'process, and model.bn_splits=1 makes no groups: nothing '
                'would be shuffled. Set model.bn_splits=8, or '
                "key_shuffle='none' where the backbone has no BatchNorm")
        self.encoder_k = FusedEMA(
            nn.Sequential(self.backbone, self.neck), 1 - momentum)
        self.key_shuffle = key_shuffle
        self.bn_splits = bn_splits
        split_batchnorm(self.backbone, bn_splits)
        split_batchnorm(self.encoder_k, bn_splits)
        self._shuffle_seed: int | None = None

    @torch.no_grad()
    def encode_keys(
        self, view: Tensor,
        encode: Callable[[Tensor],
                         tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Update the momentum encoder, then encode the key view with it.

        Args:
            view (Tensor): Shape (N, 3, H, W).
            encode (Callable): From images to a tuple of (N, ...), with
                ``self.encoder_k``.

        Returns:
            tuple[Tensor]: What ``encode`` gives, in the order of ``view``.
        """
        step = self.encoder_k.steps_taken
        self.encoder_k.update_parameters(
            nn.Sequential(self.backbone, self.neck))
        local = self.key_shuffle == 'local' or get_world_size() == 1
        # One BatchNorm batch, shuffled within itself, is the same batch.
        if self.key_shuffle == 'none' or local and self.bn_splits == 1:
            return encode(view)
        if local:
            order = draw_permutation(
                len(view), self.shuffle_seed() + get_rank(), step)
            source = order.to(view.device, non_blocking=True)
            back = order.argsort().to(view.device, non_blocking=True)
            return tuple(keys[back] for keys in encode(view[source]))
        order = draw_permutation(
            len(view) * get_world_size(), self.shuffle_seed(), step)
        shuffled = exchange_rows(view, order)  # (N, 3, H, W)
        back = order.argsort()
        return tuple(exchange_rows(keys, back) for keys in encode(shuffled))

    def shuffle_seed(self) -> int:
        """Seed of the permutations, agreed upon once by all ranks."""
        if self._shuffle_seed is None:
            agreed = [torch.initial_seed() % 2**31]
            broadcast_object_list(agreed)
            self._shuffle_seed = agreed[0]
        return self._shuffle_seed

    def _dequeue_and_enqueue(self, keys: Tensor) -> None:
        """Put the keys of all ranks into the queue.

        Args:
            keys (Tensor): This rank's keys, unit vectors of shape (N, D).
        """
        enqueue(self.queue, self.queue_ptr, gather_rows(keys))


def check_momentum_settings(momentum: float, queue_len: int, feat_dim: int,
                            neck: dict) -> None:
    """Raise ValueError for what would fail late or train badly.

    Args:
        momentum (float): Share of the key encoder that stays in a step.
        queue_len (int): K.
        feat_dim (int): D of the queue.
        neck (dict): Its ``out_channels`` must be D.
    """
    if not 0.5 <= momentum < 1:
        hint = f'. Did you mean {1 - momentum:g}?' if 0 < momentum < 1 else ''
        raise ValueError(
            f'model.momentum={momentum!r} is on the wrong side: it is the '
            'share of the key encoder that stays in each step, 0.999 in the '
            f'paper{hint}')
    if not isinstance(queue_len, int) or queue_len < 1:
        raise ValueError('model.queue_len must be a positive number of keys, '
                         f'got {queue_len!r}')
    if neck.get('out_channels', feat_dim) != feat_dim:
        raise ValueError(
            f'model.feat_dim={feat_dim}, but model.neck.out_channels='
            f'{neck["out_channels"]}; the queue holds what the neck gives, '
            'set both alike')
