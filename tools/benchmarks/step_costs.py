# Copyright (c) mmregioncl contributors. All rights reserved.
"""Arithmetic and memory of a training step, counted operation by operation.

Counted, not timed: the same on every machine, and on the ``meta`` device,
where nothing is computed, too.
"""
from __future__ import annotations

import weakref
from typing import Any, Callable, Iterable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


class PeakMemory(TorchDispatchMode):
    """Bytes of all tensors that are alive at one time.

    Sizes as the tensors have them: without the rounding and the reserves of
    an allocator, and without the workspaces inside an operation.

    Args:
        held (Iterable[Tensor]): What is there before: weights, batch, state
            of the optimiser.
    """

    def __init__(self, held: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._alive: dict[int, Any] = {}
        for tensor in held:
            self._add(tensor)
        self.held = self.now

    def __torch_dispatch__(self,
                           func: Any,
                           types: Any,
                           args: Any = (),
                           kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._add(leaf)
        return out

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place = storage._cdata
        if place in self._alive:
            return
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)

        def freed(_: Any) -> None:
            self.now -= size
            del self._alive[place]

        self._alive[place] = weakref.ref(storage, freed)


class Operations(TorchDispatchMode):
    """Arithmetic and traffic of every operation that would launch a kernel.

    Traffic is each operand and each result once: what an operation without
    caches and without second looks would read and write.

    Args:
        kind (str): Type of the device; what runs elsewhere is not counted.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.each: list[tuple[str, int, int]] = []  # name, flops, bytes

    def __torch_dispatch__(self,
                           func: Any,
                           types: Any,
                           args: Any = (),
                           kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if func.is_view or 'empty' in name or name == 'detach':
            return out
        moved = sum(sizes(
            (args, kwargs), self.kind)) + sum(sizes(out, self.kind))
        count_flops = flop_registry.get(func.overloadpacket)
        flops = count_flops(*args, **kwargs, out_val=out) if count_flops else 0
        if moved:
            self.each.append((name, flops, moved))
        return out


def sizes(tree: Any, kind: str) -> list[int]:
    """Bytes of each tensor in nested containers that is on such a device."""
    tensors = {
        id(leaf): leaf
        for leaf in tree_leaves(tree)
        if isinstance(leaf, Tensor) and leaf.device.type == kind
    }
    return [each.numel() * each.element_size() for each in tensors.values()]


def count(step: Callable[[], Any], held: Iterable[Tensor],
          kind: str) -> dict[str, int]:
    """Count one step while it is taken.

    Args:
        step (Callable): Forward, backward and optimiser.
        held (Iterable[Tensor]): See :class:`PeakMemory`.
        kind (str): Type of the device.

    Returns:
        dict[str, int]: ``flops``: two per multiplication and addition of
        convolutions and matrix products, of the forward and the backward
        pass; all else is left out. ``held`` and ``peak``: bytes.
    """
    memory, operations = PeakMemory(held), Operations(kind)
    with memory, operations:
        step()
    return dict(
        flops=sum(flops for _, flops, _ in operations.each),
        held=memory.held,
        peak=memory.peak)


def held_by(model: torch.nn.Module, optimizer: torch.optim.Optimizer,
            inputs: Iterable[Tensor]) -> list[Tensor]:
    """Everything that is there before a step begins."""
    state = [
        value for each in optimizer.state.values() for value in each.values()
        if isinstance(value, Tensor)
    ]
    return [*model.parameters(), *model.buffers(), *state, *inputs]
