# Copyright (c) mmregioncl contributors. All rights reserved.
"""First-in, first-out queue of keys."""
from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def enqueue(queue: Tensor, pointer: Tensor, keys: Tensor) -> None:
    """Overwrite the oldest keys, wrapping around at the end.

    Any queue length goes with any batch. Works in place and on the device
    alone: no clone, no synchronisation. Of a batch longer than the queue the
    last K keys stay.

    Args:
        queue (Tensor): Keys as columns, changed in place.
        pointer (Tensor): Column of the oldest key, changed in place.
        keys (Tensor): New keys as rows.

    Shape:
        queue: (D, K), pointer: (1, ) long, keys: (N, D)
    """
    num, length = len(keys), queue.shape[1]
    kept = min(num, length)
    columns = torch.arange(num - kept, num, device=queue.device)
    columns = (columns + pointer) % length  # (kept, )
    queue.index_copy_(1, columns, keys[num - kept:].t().to(queue.dtype))
    pointer.add_(num).remainder_(length)
