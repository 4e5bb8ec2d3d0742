# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-D: DenseCL with region pairs."""
from __future__ import annotations

from typing import Any

import torch
from mmselfsup.models.algorithms import DenseCL
from mmselfsup.registry import MODELS
from torch import Tensor

from mmregioncl.core import enqueue, gather_rows, unit
from .momentum_keys import MomentumKeys, check_momentum_settings
from .region_host import RegionHost, two_views


@MODELS.register_module()
class RegionCLDenseCL(MomentumKeys, RegionHost, DenseCL):
    """RegionCL-D (https://arxiv.org/abs/2111.12309) on MMSelfSup's DenseCL.

    The region term lives on the global branch and the global queue. The
    dense branch and its queue see clean views only::

        L = (1 - lambda) L_inst + lambda L_dense + weight L_region

    The authors released neither code nor settings of RegionCL-D. This is the
    direct derivation from RegionCL-M, DenseCL's global branch being MoCo v2,
    and agrees with the one independent re-implementation (CoinCheung/DenseCL,
    67.5 % linear top-1 on ImageNet against 68.5 % in the paper), which weighs
    the region term with 1. Whether the authors put it under 1 - lambda is not
    known: ``region_under_lambda`` is for that reading.

    The state dict is that of DenseCL; ``DenseCLHook`` works as for the host.

    Args:
        backbone (dict): As for DenseCL.
        neck (dict): ``RegionDenseCLNeck`` with DenseCL's arguments.
        head (dict): ``RegionContrastiveHead``.
        region_swap (dict): Arguments of ``RegionSwap``.
        queue_len (int): K of both queues. Defaults to 65536.
        feat_dim (int): D. Defaults to 128.
        momentum (float): Share of the key encoder that stays. Defaults to
            0.999.
        loss_lambda (float): lambda. Defaults to 0.5.
        region_loss_weight (float): Factor of ``loss_region``. Defaults to
            1.0.
        region_under_lambda (bool): Whether ``loss_region`` also takes the
            factor 1 - lambda of the instance term. Defaults to False.
        key_shuffle (str): See :class:`RegionCLMoCo`. Defaults to
            ``'global'``.
        bn_splits (int): See :class:`RegionCLMoCo`. Defaults to 1.
        region_budget (dict, optional): Arguments of :class:`RegionBudget`.
            Defaults to None, the paper's.
        **kwargs: ``pretrained``, ``data_preprocessor``, ``init_cfg``.

    Raises:
        ValueError: If a setting is out of its range, or does not go with
            another.
    """

    loss_lambda: float
    queue2: Tensor
    queue2_ptr: Tensor

    def __init__(self,
                 backbone: dict,
                 neck: dict,
                 head: dict,
                 region_swap: dict,
                 queue_len: int = 65536,
                 feat_dim: int = 128,
                 momentum: float = 0.999,
                 loss_lambda: float = 0.5,
                 region_loss_weight: float = 1.0,
                 region_under_lambda: bool = False,
                 key_shuffle: str = 'global',
                 bn_splits: int = 1,
                 region_budget: dict | None = None,
                 **kwargs: Any) -> None:
        check_momentum_settings(momentum, queue_len, feat_dim, neck)
        if not 0 <= loss_lambda <= 1:
            raise ValueError('model.loss_lambda must be between 0 and 1, got '
                             f'{loss_lambda!r}; DenseCL uses 0.5')
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            queue_len=queue_len,
            feat_dim=feat_dim,
            momentum=momentum,
            loss_lambda=loss_lambda,
            **kwargs)
        self.region_under_lambda = region_under_lambda
        self.init_keys(momentum, key_shuffle, bn_splits)
        self.init_regions(
            region_swap, region_loss_weight, region_budget=region_budget)

    def loss(self, inputs: list[Tensor], data_samples: Any,
             **kwargs: Any) -> dict[str, Tensor]:
        """One training step up to the backward pass.

        Args:
            inputs (list[Tensor]): Query view and key view, (N, 3, H, W) each.
            data_samples (list): Not used.

        Returns:
            dict[str, Tensor]: ``loss_instance``, ``loss_dense``,
            ``loss_region``, and the contrast accuracies ``acc_*`` in percent.
        """
        query_view, key_view = two_views(inputs)  # 2 x (N, 3, H, W)
        query, grid, _, cells = self.encode_dense(query_view, self.backbone,
                                                  self.neck)
        canvas, paste, regions = self.encode_regions(query_view, query)

        key, key_grid, dense_key, key_cells = self.encode_keys(
            key_view,
            lambda images: self.encode_dense(images, *self.encoder_k.module))

        losses = self.head.region_loss(query, unit(canvas), unit(paste), key,
                                       regions, self.queue)
        matches = self.match_cells(cells, key_cells)  # (N, S)
        positives = key_grid.gather(2, matches[:, None].expand(
            -1, key_grid.shape[1], -1))  # (N, D, S)
        loss_dense = self.head.dense_loss(
            grid.transpose(1, 2).flatten(0, 1),
            positives.transpose(1, 2).flatten(0, 1), self.queue2)

        share = 1 - self.loss_lambda
        losses['loss_instance'] *= share
        losses['loss_dense'] = self.loss_lambda * loss_dense
        losses['loss_region'] *= self.region_loss_weight * (
            share if self.region_under_lambda else 1)
        self._dequeue_and_enqueue(key)
        self._dequeue_and_enqueue2(dense_key)
        return losses

    @staticmethod
    def encode_dense(view: Tensor, backbone: Any,
                     neck: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Encode one view with one of the two encoders.

        Returns:
            tuple[Tensor]: Unit vectors: global (N, D), dense (N, D, S),
            averaged dense (N, D), and backbone cells (N, C, S).

        Raises:
            ValueError: If ``neck.num_grid`` gives another S than the backbone.
        """
        features = backbone(view)  # last: (N, C, h, w)
        whole, grid, pooled_grid = neck(features)
        if grid.shape[2] != features[-1][0, 0].numel():
            raise ValueError(
                f'model.neck.num_grid gives {grid.shape[2]} dense features, '
                'but the cells of the backbone, by which they are matched, '
                f'are {features[-1][0, 0].numel()}; set num_grid=None')
        return (unit(whole), unit(grid), unit(pooled_grid),
                unit(features[-1].flatten(2)))

    @staticmethod
    @torch.no_grad()
    def match_cells(cells: Tensor, key_cells: Tensor) -> Tensor:
        """Find for each query cell the most similar key cell.

        Args:
            cells (Tensor): Unit vectors of the query's backbone, (N, C, S).
            key_cells (Tensor): Those of the key's backbone, (N, C, S).

        Returns:
            Tensor: Index of the match, (N, S), long.
        """
        with torch.autocast(cells.device.type, enabled=False):  # fp32
            return torch.bmm(cells.transpose(1, 2), key_cells).argmax(2)

    def _dequeue_and_enqueue2(self, keys: Tensor) -> None:
        """Put the averaged dense keys of all ranks into the dense queue.

        Args:
            keys (Tensor): This rank's keys, unit vectors of shape (N, D).
        """
        enqueue(self.queue2, self.queue2_ptr, gather_rows(keys))
