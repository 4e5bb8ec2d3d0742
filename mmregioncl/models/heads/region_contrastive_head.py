# Copyright (c) mmregioncl contributors. All rights reserved.
"""The head of the contrastive hosts: instance, canvas and paste terms."""
from __future__ import annotations

import math

from mmselfsup.models.heads import ContrastiveHead
from mmselfsup.registry import MODELS
from torch import Tensor

from mmregioncl.core import (SwappedRegions, info_nce, mean_or_zero,
                             region_info_nce)


@MODELS.register_module()
class RegionContrastiveHead(ContrastiveHead):
    """InfoNCE for whole images and for regions.

    Called with positive and negative logits it is MMSelfSup's
    ``ContrastiveHead``; :meth:`region_loss` adds what RegionCL needs, in
    closed form and with one product with the queue for all three terms.

    Args:
        loss (dict): Cross entropy, the only loss that the closed form knows.
            Its ``loss_weight`` scales every term. Defaults to
            ``dict(type='mmcls.CrossEntropyLoss')``.
        temperature (float): tau. Defaults to 0.2, that of MoCo v2 and of the
            authors' run.
        intra_negative (bool): Whether the other region of the same composite
            is a negative. Defaults to True, as in the paper.

    Raises:
        ValueError: If the temperature is not positive, or the loss is not
            plain cross entropy.
    """

    def __init__(self,
                 loss: dict = dict(type='mmcls.CrossEntropyLoss'),
                 temperature: float = 0.2,
                 intra_negative: bool = True) -> None:
        check_contrastive_settings(loss, temperature)
        super().__init__(loss=loss, temperature=temperature)
        self.intra_negative = intra_negative

    def region_loss(self, query: Tensor, canvas: Tensor, paste: Tensor,
                    key: Tensor, regions: SwappedRegions,
                    queue: Tensor) -> dict[str, Tensor]:
        """Instance and region loss, and how often the positive wins.

        Fewer queries or composites than keys are possible, and none: see
        :func:`~mmregioncl.core.region_info_nce`. A term of none is 0.

        Args:
            query (Tensor): Unit vectors of the query views, (N, D).
            canvas (Tensor): Unit vectors in composite order, (n, D).
            paste (Tensor): Unit vectors in composite order, (n, D).
            key (Tensor): Unit vectors of the key views, (N, D).
            regions (SwappedRegions): What was swapped.
            queue (Tensor): Negatives as columns, (D, K).

        Returns:
            dict[str, Tensor]: The scalars ``loss_instance``,
            ``loss_region`` = (canvas + paste) / 2 and, without gradient, for
            instance, canvas and paste apart: ``gap_*``, the logit of the
            positive minus that of the hardest negative, and ``acc_*``, in
            percent how often that is above 0.
        """
        terms = region_info_nce(query, canvas, paste, key, regions.donors,
                                queue, self.temperature, self.intra_negative)
        weight = self.loss.loss_weight
        gaps = {
            name: terms[f'{name}_gap']
            for name in ('instance', 'canvas', 'paste') if len(terms[name])
        }
        return dict(
            loss_instance=weight * mean_or_zero(terms['instance']),
            loss_region=weight *
            (mean_or_zero(terms['canvas']) + mean_or_zero(terms['paste'])) / 2,
            **{
                f'acc_{name}': 100 * (gap > 0).float().mean()
                for name, gap in gaps.items()
            },
            **{
                f'gap_{name}': gap.mean()
                for name, gap in gaps.items()
            })

    def dense_loss(self, query: Tensor, key: Tensor, queue: Tensor) -> Tensor:
        """InfoNCE of rows against a queue, averaged.

        Shape:
            (M, D), (M, D), (D, K) -> ()
        """
        losses = info_nce(query, key, queue, self.temperature)
        return self.loss.loss_weight * losses.mean()


def check_contrastive_settings(loss: dict, temperature: float) -> None:
    """Raise ValueError for what the closed form cannot do.

    Args:
        loss (dict): The head's loss.
        temperature (float): tau.
    """
    if not isinstance(temperature, (int, float)) or not temperature > 0:
        raise ValueError('head.temperature must be positive, got '
                         f'{temperature!r}; MoCo v2 uses 0.2')
    if not isinstance(loss, dict):
        raise ValueError(f'head.loss must be a dict of settings, got {loss!r}')
    weight = loss.get('loss_weight', 1.0)
    if not isinstance(weight, (int, float)) or not math.isfinite(weight):
        raise ValueError('head.loss.loss_weight must be a finite number, got '
                         f'{weight!r}')
    settings = {key: loss[key] for key in loss if key != 'loss_weight'}
    if settings not in (dict(type='mmcls.CrossEntropyLoss'),
                        dict(type='CrossEntropyLoss')):
        raise ValueError(
            'RegionCL computes plain cross entropy in closed form and cannot '
            f'use head.loss={loss!r}; set '
            "dict(type='mmcls.CrossEntropyLoss', loss_weight=...)")
