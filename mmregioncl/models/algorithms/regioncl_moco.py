# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-M: MoCo v2 with region pairs."""
from __future__ import annotations

from typing import Any

from mmselfsup.models.algorithms import MoCo
from mmselfsup.registry import MODELS
from torch import Tensor

from mmregioncl.core import unit
from .momentum_keys import MomentumKeys, check_momentum_settings
from .region_host import RegionHost, two_views


@MODELS.register_module()
class RegionCLMoCo(MomentumKeys, RegionHost, MoCo):
    """RegionCL-M (https://arxiv.org/abs/2111.12309) on MMSelfSup's MoCo.

    ============  ====================================================
    code          paper and authors' code
    ============  ====================================================
    query, key    q = norm g(f(x_q)), k = norm g_xi(f_xi(x_k))
    canvas        c_j of composite j, positive k_j, intra negative p_j
    paste         p_j of composite j, positive k_donor, negative c_j
    queue         Q, K keys of former steps
    ============  ====================================================

    The state dict is that of MoCo.

    Args:
        backbone (dict): As for MoCo.
        neck (dict): ``RegionMoCoV2Neck`` with MoCo's arguments.
        head (dict): ``RegionContrastiveHead``.
        region_swap (dict): Arguments of ``RegionSwap``.
        queue_len (int): K. Any length goes with any batch. Defaults to 65536.
        feat_dim (int): D. Defaults to 128.
        momentum (float): Share of the key encoder that stays. Defaults to
            0.999.
        region_loss_weight (float): Factor of ``loss_region``. Defaults to
            1.0, as in the paper.
        key_shuffle (str): ``'global'``: shuffle-BN across ranks. ``'local'``:
            shuffle within the rank, to go with ``bn_splits``; sends nothing.
            ``'none'``: for SyncBN or no BN. Defaults to ``'global'``.
        bn_splits (int): Groups in which the BatchNorms of both encoders
            normalise; 8 gives one device what shuffle-BN gives eight.
            Defaults to 1.
        region_budget (dict, optional): Arguments of :class:`RegionBudget`:
            cheaper forms of the region term. Defaults to None, the paper's.
        **kwargs: ``pretrained``, ``data_preprocessor``, ``init_cfg`` of MoCo.

    Raises:
        ValueError: If a setting is out of its range, or does not go with
            another.
    """

    needs_clean_views = False

    def __init__(self,
                 backbone: dict,
                 neck: dict,
                 head: dict,
                 region_swap: dict,
                 queue_len: int = 65536,
                 feat_dim: int = 128,
                 momentum: float = 0.999,
                 region_loss_weight: float = 1.0,
                 key_shuffle: str = 'global',
                 bn_splits: int = 1,
                 region_budget: dict | None = None,
                 **kwargs: Any) -> None:
        check_momentum_settings(momentum, queue_len, feat_dim, neck)
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            queue_len=queue_len,
            feat_dim=feat_dim,
            momentum=momentum,
            **kwargs)
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
            dict[str, Tensor]: ``loss_instance``, ``loss_region``, and the
            contrast accuracies ``acc_*`` in percent.
        """
        query_view, key_view = two_views(inputs)  # 2 x (N, 3, H, W)
        query = self.encode_clean(self.region_budget.clean(query_view))
        canvas, paste, regions = self.encode_regions(query_view, query)

        key, = self.encode_keys(
            key_view, lambda images: (unit(self.encoder_k(images)[0]), ))

        losses = self.head.region_loss(query, unit(canvas), unit(paste), key,
                                       regions, self.queue)
        losses['loss_region'] *= self.region_loss_weight
        self._dequeue_and_enqueue(key)
        return losses

    def encode_clean(self, view: Tensor) -> Tensor:
        """Unit vectors of whole query views; none for none.

        Shape:
            (N, 3, H, W) -> (N, D)
        """
        if not len(view):  # BatchNorm refuses an empty batch
            return view.new_zeros(0, len(self.queue))
        return unit(self.neck(self.backbone(view))[0])
