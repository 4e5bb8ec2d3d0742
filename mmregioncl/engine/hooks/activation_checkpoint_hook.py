# Copyright (c) mmregioncl contributors. All rights reserved.
"""Trade arithmetic for memory: keep the input of each block, no more."""
from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Callable, Iterator

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@HOOKS.register_module()
class ActivationCheckpointHook(Hook):
    """Compute the blocks of the backbone again in the backward pass.

    Of each residual block only the input is kept for the backward pass, the
    rest is computed once more: a third more arithmetic for the passes with
    gradient. Loss, gradients and BatchNorm statistics stay the same. (With
    MMEngine's ``activation_checkpointing`` and with ``with_cp`` of a backbone
    the second computation updates the statistics once more.)
    """

    def before_train(self, runner: Runner) -> None:
        """Wrap the blocks; the key encoder keeps nothing anyway.

        Args:
            runner (Runner): The runner.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        checkpoint_blocks(model.backbone)


def checkpoint_blocks(backbone: nn.Module) -> None:
    """Let each block of a backbone's stages be computed again.

    Args:
        backbone (nn.Module): Its stages are children of type Sequential,
            as in ResNet. Changed in place; the state dict stays the same.

    Raises:
        ValueError: If the backbone has no such stages.
    """
    blocks = [
        block for stage in backbone.children()
        if isinstance(stage, nn.Sequential) for block in stage
        if any(True for _ in block.children())
    ]
    if not blocks:
        name = type(backbone).__name__
        raise ValueError(
            'ActivationCheckpointHook looks for residual blocks in the '
            f'Sequential stages of model.backbone, but {name} has none; take '
            'the hook out of custom_hooks')
    for block in blocks:
        block.forward = partial(_twice, block, block.forward)  # type: ignore


def _twice(block: nn.Module, forward: Callable[..., Any], *args: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args)
    return checkpoint(
        forward,
        *args,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _keep_statistics(block)))


@contextmanager
def _keep_statistics(block: nn.Module) -> Iterator[None]:
    """BatchNorm works on copies of its running statistics for a while."""
    norms = [each for each in block.modules() if isinstance(each, _BatchNorm)]
    kept = [dict(norm._buffers) for norm in norms]
    for norm, buffers in zip(norms, kept):
        norm._buffers.update({
            name: buffer if buffer is None else buffer.clone()
            for name, buffer in buffers.items()
        })
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept):
            norm._buffers.update(buffers)
