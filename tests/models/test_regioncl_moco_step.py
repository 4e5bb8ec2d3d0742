# Copyright (c) mmregioncl contributors. All rights reserved.
"""What a step of RegionCL-M costs, its precision, and bad input to it."""
from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models import tiny_moco


class CopiesOf(TorchDispatchMode):
    """Counts the operations that make a copy of one tensor."""

    def __init__(self, watched: Tensor) -> None:
        super().__init__()
        self.place = watched.untyped_storage().data_ptr()
        self.numel = watched.numel()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (),
                           kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        reads = any(
            isinstance(each, Tensor)
            and each.untyped_storage().data_ptr() == self.place
            for each in args)
        if (reads and isinstance(out, Tensor) and out.numel() == self.numel
                and out.untyped_storage().data_ptr() != self.place):
            self.count[func.overloadpacket.__name__] += 1
        return out


def copies_in_a_step(cfg: dict, autocast: bool) -> Counter[str]:
    model = tiny_moco.build(cfg, double=False)
    views = [view.float() for view in tiny_moco.draw_views(4)]
    place = model.queue.data_ptr()
    with CopiesOf(model.queue) as copies:
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            losses = model.loss(views, None)
        sum(value for name, value in losses.items()
            if name.startswith('loss')).backward()
    assert model.queue.data_ptr() == place and model.queue_ptr.item() == 4
    return copies.count


@pytest.mark.parametrize('autocast', [False, True])
def test_the_queue_is_never_copied(autocast: bool) -> None:
    assert not copies_in_a_step(tiny_moco.config(queue_len=1000), autocast)


def test_the_host_copies_the_queue() -> None:
    """So that the test above could fail."""
    copies = copies_in_a_step(tiny_moco.host_config(queue_len=1000), False)
    assert copies == {'clone': 1}


def test_bf16_autocast_is_close_to_fp32() -> None:
    """Networks in bf16; similarities, losses, keys and queue in fp32."""
    model = tiny_moco.build(tiny_moco.config(norm='GN'), double=False)
    views = [view.float() for view in tiny_moco.draw_views(6)]
    model.region_swap = tiny_moco.FixedSwap([(1, 0, 2, 2)] * 6,
                                            [1, 2, 0, 5, 3, 4])
    seen: dict[str, Tensor] = {}
    region_loss = model.head.region_loss

    def watch(query: Tensor, canvas: Tensor, paste: Tensor, key: Tensor,
              regions: Any, queue: Tensor) -> dict[str, Tensor]:
        seen.update(query=query, canvas=canvas, paste=paste, key=key,
                    queue=queue)
        return region_loss(query, canvas, paste, key, regions, queue)

    exact = copy.deepcopy(model).loss(views, None)
    model.head.region_loss = watch
    with torch.autocast('cpu', torch.bfloat16):
        assert model.backbone(views[0])[0].dtype == torch.bfloat16
        losses = model.loss(views, None)
    assert {each.dtype for each in seen.values()} == {torch.float32}
    for name in ('loss_instance', 'loss_region'):
        assert losses[name].dtype == torch.float32
        torch.testing.assert_close(losses[name], exact[name], rtol=0.02,
                                   atol=0)
    for name in ('query', 'canvas', 'paste', 'key'):
        torch.testing.assert_close(seen[name].norm(dim=1), torch.ones(6))
    sum(losses[name] for name in ('loss_instance', 'loss_region')).backward()
    for parameter in tiny_moco.query_parameters(model).values():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()


def swap(**settings: Any) -> dict:
    return dict(region_swap=dict(stride=tiny_moco.STRIDE, cells=(1, 2))
                | settings)


@pytest.mark.parametrize('settings, message', [
    (swap(stride=32), 'region_swap.stride=32, but .* backbone has stride 8; '
     'set model.region_swap.stride=8'),
    (swap(cells=(0, 2)), 'region_swap.cells must be'),
    (dict(momentum=0.001), r'momentum=0.001 is on the wrong side.*mean 0.999'),
    (dict(momentum=1.0), 'momentum=1.0'),
    (dict(momentum=0.0), 'momentum=0.0'),
    (dict(queue_len=0), 'queue_len must be a positive number .* got 0'),
    (dict(queue_len=1e3), 'queue_len must be a positive number .* got 1000.0'),
    (dict(feat_dim=16), 'feat_dim=16, but model.neck.out_channels=8'),
    (dict(region_loss_weight=-1), 'region_loss_weight must be 0 or more, '
     'got -1'),
    (dict(region_loss_weight=float('nan')), 'region_loss_weight .* got nan'),
    (dict(key_shuffle='ddp'), "key_shuffle must be .*'none', got 'ddp'"),
    (dict(key_shuffle='local'), 'bn_splits=1 makes no groups'),
    (dict(bn_splits=0), 'bn_splits must be at least 1, got 0'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_moco.build(tiny_moco.config(**settings))


@pytest.mark.parametrize('inputs, message', [
    ([torch.zeros(1, 3, 24, 32)] * 2, 'batch of one'),
    ([torch.zeros(4, 3, 24, 30)] * 2, '24 x 30 pixels is no multiple'),
    ([torch.zeros(4, 3, 8, 8)] * 2, 'does not fit an image of 8 x 8'),
    ([torch.zeros(4, 3, 24, 32)], 'two views .* got 1; .*num_views=2'),
    ([torch.zeros(4, 3, 24, 32)] * 3, 'two views .* got 3'),
    (torch.zeros(2, 3, 24, 32), 'two views .* got a Tensor'),
])
def test_bad_batches(inputs: Any, message: str) -> None:
    model = tiny_moco.build(tiny_moco.config(), double=False)
    with pytest.raises(ValueError, match=message):
        model.loss(inputs, None)
    assert model.queue_ptr.item() == 0  # nothing was learnt from it
