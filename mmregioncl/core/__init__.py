# Copyright (c) mmregioncl contributors. All rights reserved.
"""The mathematics of RegionCL in plain torch. Imports nothing else."""
from .batch_shuffle import draw_permutation, exchange_rows, gather_rows
from .feature_queue import enqueue
from .gather_with_grad import gather_with_grad
from .losses import (in_batch_info_nce, info_nce, mean_or_zero,
                     queue_log_sum_exp, region_cosine, region_info_nce,
                     similarity, unit)
from .momentum import ema_update
from .regions import (SwappedRegions, check_regions, paste_boxes, pool_regions,
                      swap_regions)
from .samplers import pair_flip, pair_random, sample_grid, sample_legacy
from .split_batchnorm import SplitBatchNorm2d, split_batchnorm

__all__ = [
    'SplitBatchNorm2d', 'SwappedRegions', 'check_regions', 'draw_permutation',
    'ema_update', 'enqueue', 'exchange_rows', 'gather_rows',
    'gather_with_grad', 'in_batch_info_nce', 'info_nce', 'mean_or_zero',
    'pair_flip', 'pair_random', 'paste_boxes', 'pool_regions',
    'queue_log_sum_exp', 'region_cosine', 'region_info_nce', 'sample_grid',
    'sample_legacy', 'similarity', 'split_batchnorm', 'swap_regions', 'unit'
]
