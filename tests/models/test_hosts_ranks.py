# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-D, -S, BYOL and SimCLR in two processes, all in one spawn."""
from __future__ import annotations

from typing import Any, Callable

import pytest
import torch
from mmengine.logging import MessageHub
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from tests.models import tiny_hosts, tiny_moco
from tests.models.tiny_moco import FixedSwap

WORLD, NUM = 2, 3  # ranks, images on each
# of each rank, in its own numbering: pairs are formed within a rank
BOXES = [[(0, 0, 1, 1), (1, 1, 3, 2), (0, 0, 4, 2)],
         [(3, 2, 1, 1), (2, 0, 1, 3), (1, 0, 2, 3)]]
DONORS = [[1, 2, 0], [2, 0, 1]]
# BN: BatchNorm of each rank's own batch, which SyncBN cannot be on a CPU.
# GN: nothing depends on the other images of a batch.
CONFIGS = {
    'densecl': tiny_hosts.densecl,
    'simsiam': tiny_hosts.simsiam,
    'byol': tiny_hosts.byol,
    'simclr': tiny_hosts.simclr,
}
# settings under which a parameter could be left out of the backward pass
SETTINGS = [
    ('densecl', dict(loss_lambda=0.)),  # as DenseCLHook sets it
    ('densecl', dict(loss_lambda=1., region_under_lambda=True)),
    ('simsiam', dict(region_bn='separate', symmetric=True)),
    ('byol', dict(region_loss_weight=0.)),
    ('simclr', dict(region_bn='separate', region_loss_weight=0.)),
]


def two_steps(model: Any, call: Callable[..., dict[str, Tensor]],
              batches: list[list[Tensor]]) -> list[dict[str, Any]]:
    """Two SGD steps; what each of them left behind."""
    MessageHub.get_current_instance().update_info('max_iters', 10)  # BYOL
    parameters = tiny_hosts.trained(model)
    stepper = torch.optim.SGD(parameters.values(), lr=0.1)
    steps = []
    for views in batches:
        losses = {name: loss for name, loss in
                  call(views, None, mode='loss').items()
                  if name.startswith('loss')}
        stepper.zero_grad()
        sum(losses.values()).backward()
        stepper.step()
        steps.append(
            dict(
                losses={name: loss.detach() for name, loss in losses.items()},
                slopes={name: each.grad.clone()
                        for name, each in parameters.items()},
                state={name: each.clone()
                       for name, each in model.state_dict().items()
                       if 'running' not in name}))
    return steps


def steps_of_a_rank(rank: int, cfg: dict,
                    batches: list[list[Tensor]]) -> list[dict[str, Any]]:
    model = tiny_hosts.build(cfg, seed=5)
    model.region_swap = FixedSwap(BOXES[rank], DONORS[rank])
    mine = slice(rank * NUM, (rank + 1) * NUM)
    wrapped = DistributedDataParallel(
        model, broadcast_buffers=False, find_unused_parameters=False)
    return two_steps(model, wrapped,
                     [[view[mine] for view in views] for views in batches])


def everything_on_a_rank(rank: int, world_size: int,
                         batches: list[list[Tensor]]) -> dict[str, Any]:
    results = {
        f'{host} {norm}': steps_of_a_rank(rank, config(norm), batches)
        for host, config in CONFIGS.items() for norm in ('GN', 'BN')
    }
    for number, (host, settings) in enumerate(SETTINGS):
        results[f'settings {number}'] = steps_of_a_rank(
            rank, CONFIGS[host](**settings), batches)
    return results


@pytest.fixture(scope='module')
def batches() -> list[list[Tensor]]:
    torch.manual_seed(3)
    return [tiny_moco.draw_views(WORLD * NUM) for _ in range(2)]


@pytest.fixture(scope='module')
def ranks(run_distributed: Callable[..., list[Any]],
          batches: list[list[Tensor]]) -> list[dict[str, Any]]:
    # each rank imports MMSelfSup: a minute on a busy machine
    return run_distributed(
        everything_on_a_rank, WORLD, batches, timeout=300.)


@pytest.mark.parametrize('host', CONFIGS)
def test_two_processes_are_one(host: str, ranks: list[dict[str, Any]],
                               batches: list[list[Tensor]]) -> None:
    """Losses, gradients and weights, queues and momentum encoders included.
    For SimCLR this takes the gradient of each rank's losses with respect to
    the candidates of the other."""
    model = tiny_hosts.build(CONFIGS[host]('GN'), seed=5)
    model.region_swap = FixedSwap(
        BOXES[0] + BOXES[1],
        [rank * NUM + donor for rank in range(WORLD)
         for donor in DONORS[rank]])
    for step, whole in enumerate(two_steps(model, model, batches)):
        parts = [rank[f'{host} GN'][step] for rank in ranks]
        for name, loss in whole['losses'].items():
            torch.testing.assert_close(
                sum(part['losses'][name] for part in parts) / WORLD, loss)
        for part in parts:
            for kind in ('slopes', 'state'):
                torch.testing.assert_close(part[kind], whole[kind],
                                           rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize('run', [f'{host} BN' for host in CONFIGS] + [
    f'settings {number}' for number in range(len(SETTINGS))])
def test_no_parameter_is_unused(run: str,
                                ranks: list[dict[str, Any]]) -> None:
    """find_unused_parameters=False: DDP would stop in the second step, or
    the ranks would drift apart."""
    first, second = (rank[run] for rank in ranks)
    for one, other in zip(first, second, strict=True):
        for kind in ('slopes', 'state'):
            for name, tensor in one[kind].items():
                assert torch.equal(tensor, other[kind][name]), name
        assert one['losses'] != other['losses']  # of different images
    moved = [not torch.equal(first[0]['state'][name], first[1]['state'][name])
             for name, slope in first[1]['slopes'].items() if slope.any()]
    assert all(moved)
