# Copyright (c) mmregioncl contributors. All rights reserved.
"""The backbone of a config with some weights, ready to look at."""
from __future__ import annotations

import logging
from typing import Any

import torch
from mmengine.config import Config
from mmselfsup.registry import MODELS
from torch import Tensor, nn

from mmregioncl.evaluation.load_backbone import load_backbone


def build_quietly(settings: dict, seed: int) -> Any:
    """Build something registered with its random weights, in eval mode.

    Args:
        settings (dict): A model, or a part of one; stays as it is.
        seed (int): Of the weights.

    Returns:
        nn.Module: The same for the same seed; random streams stay as they
        were.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.INFO)  # MMEngine tells of each parameter
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = MODELS.build(settings)
            model.init_weights()
    finally:
        logging.disable(disabled)
    model.eval()  # returns nothing, where MMClassification overrides train
    return model


def build_algorithm(cfg: Config,
                    checkpoint: str | None = None,
                    seed: int = 0) -> nn.Module:
    """Build the algorithm of a config, in eval mode.

    Args:
        cfg (Config): A pretraining config.
        checkpoint (str, optional): Weights of its backbone. Defaults to None,
            random ones.
        seed (int): Of random weights. Defaults to 0.

    Returns:
        nn.Module: The algorithm.

    Raises:
        ValueError: If a tensor of the backbone is not in the checkpoint.
    """
    model = build_quietly(cfg.model, seed)
    if checkpoint is not None:
        load_backbone(model.backbone, checkpoint)
    return model


class Backbone:
    """Feature maps of single images.

    Args:
        cfg (Config): A pretraining config.
        checkpoint (str, optional): Weights. Defaults to None, random ones.
        stage (int, optional): Which stage of a ResNet to look at, 1 to 4.
            Defaults to None, as in the config.
        seed (int): Of random weights. Defaults to 0.

    Raises:
        ValueError: If a tensor of the backbone is not in the checkpoint, or
            the backbone has no such stage.
    """

    def __init__(self,
                 cfg: Config,
                 checkpoint: str | None = None,
                 stage: int | None = None,
                 seed: int = 0) -> None:
        settings = dict(cfg.model.backbone)
        if stage is not None:
            if stage not in (1, 2, 3, 4):
                raise ValueError(f'stage={stage}: a ResNet has stages 1 to 4')
            settings['out_indices'] = [stage]
        self.module: nn.Module = build_quietly(settings, seed)
        self.preprocessor = MODELS.build({
            'type':
            'SelfSupDataPreprocessor',
            **cfg.model.get('data_preprocessor', {})
        })
        if checkpoint is not None:
            load_backbone(self.module, checkpoint)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Its last feature map, of unit length in each cell.

        Args:
            image (Tensor): RGB, uint8.

        Returns:
            Tensor: The features.

        Shape:
            (3, H, W) -> (C, h, w)
        """
        pixels = image.float()
        if self.preprocessor._enable_normalize:
            mean, std = self.preprocessor.mean, self.preprocessor.std
            pixels = (pixels - mean) / std
        features = self.module(pixels[None])[-1][0]
        return nn.functional.normalize(features, dim=0)
