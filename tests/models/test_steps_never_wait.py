# Copyright (c) mmregioncl contributors. All rights reserved.
"""A step of every algorithm runs without once waiting for the device.

There is no GPU in these tests. The ``meta`` device stands in for it: its
tensors have shapes and no values, so that whatever would make the host wait
for values (item, nonzero, masks as indices, copies to the host) raises.
"""
from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from mmengine.logging import MessageHub
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mmregioncl.engine.health import StepGuard
from tests.models import tiny_hosts, tiny_moco
from tests.models.test_regioncl_moco_step import CopiesOf

CONFIGS = {
    'moco': tiny_moco.config,
    'densecl': tiny_hosts.densecl,
    'simsiam': tiny_hosts.simsiam,
    'byol': tiny_hosts.byol,
    'simclr': tiny_hosts.simclr,
}
SPLIT = dict(bn_splits=2, key_shuffle='local')


class Copies(TorchDispatchMode):
    """Notes what goes from one device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int, bool]] = []

    def __torch_dispatch__(self,
                           func: Any,
                           types: Any,
                           args: Any = (),
                           kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        pairs = []
        if func.overloadpacket.__name__ == '_to_copy':
            pairs = [(args[0], out)]
        elif func.overloadpacket.__name__ == 'copy_':
            pairs = [(args[1], args[0])]
        for source, target in pairs:
            if source.device != target.device:
                self.seen.append(
                    (f'{source.device} to {target.device}', source.numel(),
                     kwargs.get('non_blocking', False)))
        return out


def on_a_device(cfg: dict, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model that has taken one step on the CPU, then moved."""
    # only switched off in the step, and not known for this device
    monkeypatch.setattr(torch, 'autocast', lambda *_, **__: nullcontext())
    MessageHub.get_current_instance().update_info('max_iters', 10)  # BYOL
    model = tiny_hosts.build(cfg, double=False)
    model.loss([view.float() for view in tiny_moco.draw_views(4)], None)
    return model.to('meta')


def step(model: Any) -> Copies:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    views = [view.float().to('meta') for view in tiny_moco.draw_views(4)]
    guard = StepGuard(model, optimizer)  # of HealthHook, on by default
    with Copies() as copies:
        guard.remember(4)
        losses = model.loss(views, None)
        sum(value for name, value in losses.items()
            if name.startswith('loss')).backward()
        optimizer.step()
    with pytest.raises((RuntimeError, NotImplementedError)):
        guard.bad_gradients()  # it waits, after the step
    return copies


@pytest.mark.parametrize('host, settings, more', [
    *((host, {}, 0) for host in CONFIGS),
    ('moco', SPLIT, 2),
    ('densecl', SPLIT, 2),
    ('simsiam', dict(symmetric=True), 2),
])
def test_it_never_waits(host: str, settings: dict, more: int,
                        monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes and donors go to the device; with a shuffle within the rank its
    order and the inverse, with a second swap its boxes and donors."""
    model = on_a_device(CONFIGS[host](**settings), monkeypatch)
    seen = step(model).seen
    assert len(seen) == 2 + more
    for direction, size, non_blocking in seen:
        assert direction == 'cpu to meta' and non_blocking
        assert size in (4, 4 * 4)  # (N, ) or (N, 4)


@pytest.mark.parametrize(
    'host, error',
    [
        ('moco', 'item'),  # the step count of the key encoder, once per step
        ('byol', 'item'),  # the same, once per parameter
        ('simclr', 'masked_select'),  # masks as indices
    ])
def test_the_hosts_wait(host: str, error: str,
                        monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above could fail."""
    cfg = (
        tiny_moco.host_config()
        if host == 'moco' else tiny_hosts.host_config(CONFIGS[host]()))
    model = on_a_device(cfg, monkeypatch)
    with pytest.raises((RuntimeError, NotImplementedError), match=error):
        step(model)


def products_with(queue: Tensor, model: Any) -> list[tuple[int, ...]]:
    """Shapes of the matrix products that have a queue as a factor."""
    place = queue.untyped_storage().data_ptr()
    shapes: list[tuple[int, ...]] = []

    class Products(TorchDispatchMode):

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if func.overloadpacket.__name__ in ('mm', 'bmm', 'addmm') and any(
                    isinstance(each, Tensor)
                    and each.untyped_storage().data_ptr() == place
                    for each in args):
                shapes.append(tuple(out.shape))
            return out

    views = [view.float() for view in tiny_moco.draw_views(4)]
    with Products():
        losses = model.loss(views, None)
        sum(value for name, value in losses.items()
            if name.startswith('loss')).backward()
    return shapes


@pytest.mark.parametrize('host', ['moco', 'densecl'])
def test_one_product_with_the_queue(host: str) -> None:
    """Query, canvas and paste: 3 x 4 rows against 24 keys at once, and once
    more for the gradient."""
    model = tiny_hosts.build(CONFIGS[host](), double=False)
    assert products_with(model.queue, model) == [(12, 24), (12, 8)]
    if host == 'densecl':  # 4 x 12 cells against the keys of the dense queue
        assert products_with(model.queue2, model) == [(48, 24), (48, 8)]


@pytest.mark.parametrize('name', ['queue', 'queue2'])
def test_densecl_copies_neither_queue(name: str) -> None:
    """RegionCL-M: see test_regioncl_moco_step.py."""
    model = tiny_hosts.build(tiny_hosts.densecl(queue_len=1000), double=False)
    views = [view.float() for view in tiny_moco.draw_views(4)]
    with CopiesOf(getattr(model, name)) as copies:
        losses = model.loss(views, None)
        sum(value for key, value in losses.items()
            if key.startswith('loss')).backward()
    assert not copies.count


@pytest.mark.parametrize('host', CONFIGS)
def test_similarities_stay_in_fp32_under_autocast(host: str) -> None:
    """What is normalised is fp32, and so is each loss; the products of the
    losses (not those of the linear layers) have fp32 on both sides."""
    MessageHub.get_current_instance().update_info('max_iters', 10)  # BYOL
    model = tiny_hosts.build(CONFIGS[host](), double=False)
    similar: list[torch.dtype] = []

    class Similarities(TorchDispatchMode):

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            name = func.overloadpacket.__name__
            if name in ('linalg_vector_norm', 'logsumexp', 'softplus',
                        'logaddexp', 'exp_'):
                similar.append(args[0].dtype)
            return out

    views = [view.float() for view in tiny_moco.draw_views(4)]
    with torch.autocast('cpu', torch.bfloat16), Similarities():
        losses = model.loss(views, None)
    assert similar and set(similar) == {torch.float32}
    for name, loss in losses.items():
        assert loss.dtype == torch.float32, name
