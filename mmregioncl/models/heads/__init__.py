# Copyright (c) mmregioncl contributors. All rights reserved.
from .region_contrastive_head import RegionContrastiveHead
from .region_latent_predict_head import RegionLatentPredictHead

__all__ = ['RegionContrastiveHead', 'RegionLatentPredictHead']
