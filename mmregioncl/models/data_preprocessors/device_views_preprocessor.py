# Copyright (c) mmregioncl contributors. All rights reserved.
"""Finish the views of a batch on the device, and normalise them."""
from __future__ import annotations

from typing import Any

import torch
from mmselfsup.models.utils import SelfSupDataPreprocessor
from mmselfsup.registry import MODELS
from torch import Tensor

from .finish_views import finish_views

# A CPU is faster on parts that are not far larger than its cache.
_PIXELS_ON_CPU = 16 * 224 * 224


@MODELS.register_module()
class DeviceViewsPreprocessor(SelfSupDataPreprocessor):
    """SelfSupDataPreprocessor that also finishes what LoadViews began.

    In training, a batch that :class:`PackViews` packed gets its colour
    jitter, grey, blur and flip here. Any other batch is normalised as by
    the parent class, and nothing else.

    All random numbers come with the batch, so that this keeps no state and
    draws nothing: seeds, ranks and a resumed run are the data loader's
    affair, as they are with MMSelfSup's own pipeline.

    Args:
        non_blocking (bool): Whether to go on while a pinned batch is copied
            to the device. Defaults to True.
        kwargs: ``mean``, ``std``, ``bgr_to_rgb`` and ``rgb_to_bgr`` of
            MMSelfSup's SelfSupDataPreprocessor.
    """

    def __init__(self, non_blocking: bool = True, **kwargs: Any) -> None:
        super().__init__(non_blocking=non_blocking, **kwargs)

    def forward(self,
                data: dict,
                training: bool = False) -> tuple[list[Tensor], Any]:
        """Copy to the device, finish, normalise.

        Args:
            data (dict): A batch of ``default_collate``.
            training (bool): Whether to finish the views. Defaults to False.

        Returns:
            tuple[list[Tensor], list | None]: Views and data samples.

        Shape:
            - views that are unfinished: (N, H, W, 3) -> (N, 3, H, W)
            - any other: (N, 3, H, W) -> (N, 3, H, W)
        """
        if 'view_steps' not in data:
            return super().forward(data, training)
        inputs, samples = self.cast_data(
            [data['inputs'], data['data_samples']])
        inputs = [each.permute(0, 3, 1, 2).contiguous() for each in inputs]
        if not training:
            return super().forward(
                dict(inputs=inputs, data_samples=samples), training)
        steps = data['view_steps'].unbind(1)
        return [self.finish(*each) for each in zip(inputs, steps)], samples

    @torch.no_grad()
    def finish(self, view: Tensor, steps: Tensor) -> Tensor:
        """Finish and normalise one view of the batch.

        Args:
            view (Tensor): Crops, BGR, uint8, of shape (N, 3, H, W).
            steps (Tensor): What to do to each, on the CPU, (N, COLUMNS).

        Returns:
            Tensor: float32, of shape (N, 3, H, W).
        """
        # the step may run in half precision; 8 bits of colour need more
        with torch.autocast(view.device.type, enabled=False):
            if view.device.type != 'cpu':
                return self._finish_part(view, steps)
            size = max(_PIXELS_ON_CPU // view[0, 0].numel(), 1)
            return torch.cat([
                self._finish_part(*part)
                for part in zip(view.split(size), steps.split(size))
            ])

    def _finish_part(self, view: Tensor, steps: Tensor) -> Tensor:
        images = finish_views(view.flip(1).float().div_(255), steps)
        if not self._channel_conversion:  # the network takes BGR
            images = images.flip(1)
        images.mul_(255)
        if self._enable_normalize:
            images.sub_(self.mean).div_(self.std)
        return images
