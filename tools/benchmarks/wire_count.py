# Copyright (c) mmregioncl contributors. All rights reserved.
"""Count the bytes that a rank receives from the others."""
from __future__ import annotations

from collections import Counter
from typing import Any, Callable

import torch.distributed as dist
from torch import Tensor


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


class WireCount:
    """Watches the collectives of ``torch.distributed`` for a while.

    Payload alone, and what comes from other ranks: rows that stay where they
    are cost nothing. An all-reduce counts as a ring, 2 (W - 1) / W of the
    tensor. DistributedDataParallel reduces gradients in C++ and is not seen.

    Example:
        >>> with WireCount() as wire:
        ...     model.loss(views, None)
        >>> wire.received['all_to_all_single'], wire.calls.total()
    """

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._originals: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> WireCount:
        for name in ('all_to_all_single', 'all_gather_into_tensor',
                     'all_gather', 'all_reduce', 'broadcast'):
            self._originals[name] = getattr(dist, name)
            setattr(dist, name, self._counting(name))
        return self

    def __exit__(self, *_: Any) -> None:
        for name, original in self._originals.items():
            setattr(dist, name, original)

    def _counting(self, name: str) -> Callable[..., Any]:
        original = self._originals[name]
        size = getattr(self, f'_{name}')

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            self.received[name] += size(*args, **kwargs)
            return original(*args, **kwargs)

        return counted

    @staticmethod
    def _all_to_all_single(output: Tensor, input: Tensor,
                           output_split_sizes: list[int] | None = None,
                           *_: Any, **__: Any) -> int:  # yapf: disable
        world, rank = dist.get_world_size(), dist.get_rank()
        if output_split_sizes is None:
            return _bytes(output) * (world - 1) // world
        others = sum(output_split_sizes) - output_split_sizes[rank]
        return _bytes(output) * others // len(output)

    @staticmethod
    def _all_gather_into_tensor(output_tensor: Tensor, input_tensor: Tensor,
                                *_: Any, **__: Any) -> int:  # yapf: disable
        return _bytes(output_tensor) - _bytes(input_tensor)

    @staticmethod
    def _all_gather(tensor_list: list[Tensor], tensor: Tensor, *_: Any,
                    **__: Any) -> int:
        return sum(map(_bytes, tensor_list)) - _bytes(tensor)

    @staticmethod
    def _all_reduce(tensor: Tensor, *_: Any, **__: Any) -> int:
        world = dist.get_world_size()
        return 2 * _bytes(tensor) * (world - 1) // world

    @staticmethod
    def _broadcast(tensor: Tensor, src: int | None = None, *_: Any,
                   **__: Any) -> int:
        return 0 if dist.get_rank() == src else _bytes(tensor)
