# Copyright (c) mmregioncl contributors. All rights reserved.
"""RegionCL-M in two processes against one process with the joint batch."""
from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from tests.models import tiny_moco
from tests.models.tiny_moco import FixedSwap

WORLD, NUM = 2, 3  # ranks, images on each
# of each rank, in its own numbering: pairs are formed within a rank
BOXES = [[(0, 0, 1, 1), (1, 1, 3, 2), (0, 0, 4, 2)],
         [(3, 2, 1, 1), (2, 0, 1, 3), (1, 0, 2, 3)]]
DONORS = [[1, 2, 0], [2, 0, 1]]
SEED = 100  # of the first rank
# a queue that the joint batch of 6 does not divide
PLAIN = tiny_moco.config(norm='GN', queue_len=10)
BATCHNORM = tiny_moco.config(norm='BN', queue_len=10)


def two_steps(model: Any, call: Callable[..., dict[str, Tensor]],
              batches: list[list[Tensor]]) -> list[dict[str, Any]]:
    """Two SGD steps; what each of them left behind."""
    query = tiny_moco.query_parameters(model)
    stepper = torch.optim.SGD(query.values(), lr=0.1)
    steps = []
    for views in batches:
        losses = call(views, None, mode='loss')
        stepper.zero_grad()
        (losses['loss_instance'] + losses['loss_region']).backward()
        stepper.step()
        steps.append(
            dict(
                losses={name: losses[name].detach() for name in
                        ('loss_instance', 'loss_region')},
                slopes={name: each.grad.clone()
                        for name, each in query.items()},
                query={name: each.detach().clone()
                       for name, each in query.items()},
                key={name: each.clone() for name, each in
                     model.encoder_k.named_parameters()},
                queue=model.queue.clone(),
                pointer=model.queue_ptr.clone()))
    return steps


def steps_of_a_rank(rank: int, cfg: dict, weights: dict,
                    batches: list[list[Tensor]]) -> list[dict[str, Any]]:
    model = tiny_moco.build(cfg)
    model.load_state_dict(weights)
    torch.manual_seed(SEED + rank)  # the permutation is agreed upon
    model.region_swap = FixedSwap(BOXES[rank], DONORS[rank])
    mine = slice(rank * NUM, (rank + 1) * NUM)
    wrapped = DistributedDataParallel(
        model, broadcast_buffers=False, find_unused_parameters=False)
    return two_steps(model, wrapped,
                     [[view[mine] for view in views] for views in batches])


def mmengine_run(rank: int) -> dict[str, Any]:
    """Three steps as MMEngine's runner takes them, boxes from RegionSwap."""
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim import OptimWrapper
    model = tiny_moco.build(tiny_moco.config(queue_len=10), double=False)
    torch.manual_seed(0)  # as MMEngine seeds: all ranks alike
    swap = tiny_moco.RecordedSwap(model.region_swap)
    model.region_swap = swap
    wrapped = MMDistributedDataParallel(
        model, broadcast_buffers=False, find_unused_parameters=False)
    optimizer = OptimWrapper(
        torch.optim.SGD(tiny_moco.query_parameters(model).values(), lr=0.1))
    images = torch.Generator().manual_seed(rank)
    boxes, logs = [], []
    for _ in range(3):
        views = [torch.rand(NUM, 3, tiny_moco.HEIGHT, tiny_moco.WIDTH,
                            generator=images) for _ in range(2)]
        logs.append(
            wrapped.train_step(
                dict(inputs=views, data_samples=None), optimizer))
        boxes.append(swap.regions.boxes[0].tolist())
    return dict(
        boxes=boxes,
        logs=[set(each) for each in logs],
        shared={
            name: each for name, each in model.state_dict().items()
            if 'running' not in name  # BatchNorm statistics stay local
        })


def groups_of_a_local_shuffle(rank: int, weights: dict,
                              views: list[Tensor]) -> None:
    cfg = copy.deepcopy(BATCHNORM) | dict(key_shuffle='local', bn_splits=3)
    model = tiny_moco.build(cfg)
    model.load_state_dict(weights)
    model.loss([view[rank * NUM:(rank + 1) * NUM] for view in views], None)
    # three groups of one image each: BatchNorm of that image alone
    image = views[1][rank * NUM + 1:rank * NUM + 2]
    key = model.encoder_k(torch.cat([image] * 3))[0][0]
    torch.testing.assert_close(
        model.queue[:, rank * NUM + 1], key / key.norm())


def bytes_received(cfg: dict, rank: int,
                   views: list[Tensor]) -> dict[str, int]:
    """Of the second step: in the first one the ranks agree on a seed."""
    from wire_count import WireCount
    model = tiny_moco.build(cfg)
    mine = [view[rank * NUM:(rank + 1) * NUM] for view in views]
    model.loss(mine, None)
    with WireCount() as wire:
        model.loss(mine, None)
    return dict(wire.received)


def everything_on_a_rank(rank: int, world_size: int, weights: dict,
                         batches: list[list[Tensor]]) -> dict[str, Any]:
    results: dict[str, Any] = {
        norm: steps_of_a_rank(rank, cfg, weights[norm], batches)
        for norm, cfg in (('GN', PLAIN), ('BN', BATCHNORM))
    }
    groups_of_a_local_shuffle(rank, weights['BN'], batches[0])
    results['host wire'] = bytes_received(tiny_moco.host_config(), rank,
                                          batches[0])
    for shuffle in ('global', 'local', 'none'):
        results[f'{shuffle} wire'] = bytes_received(
            tiny_moco.config(
                key_shuffle=shuffle, bn_splits=1 + 2 * (shuffle == 'local')),
            rank, batches[0])
    results['mmengine'] = mmengine_run(rank)
    return results


@pytest.fixture(scope='module')
def batches() -> list[list[Tensor]]:
    torch.manual_seed(3)
    return [tiny_moco.draw_views(WORLD * NUM) for _ in range(2)]


@pytest.fixture(scope='module')
def weights() -> dict[str, dict]:
    states = {}
    for norm, cfg in (('GN', PLAIN), ('BN', BATCHNORM)):
        states[norm] = tiny_moco.build(cfg, seed=5).state_dict()
    return states


@pytest.fixture(scope='module')
def ranks(run_distributed: Callable[..., list[Any]], weights: dict,
          batches: list[list[Tensor]],
          repo_root: Path) -> list[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        # of wire_count.py; the ranks inherit the path
        patch.syspath_prepend(str(repo_root / 'tools' / 'benchmarks'))
        # each rank imports MMSelfSup: a minute on a busy machine
        return run_distributed(
            everything_on_a_rank, WORLD, weights, batches, timeout=300.)


def joint_steps(cfg: dict, weights: dict, seed: int,
                batches: list[list[Tensor]]) -> list[dict[str, Any]]:
    """One process, the batches of both ranks one behind the other."""
    model = tiny_moco.build(cfg)
    model.load_state_dict(weights)
    donors = [rank * NUM + donor for rank in range(WORLD)
              for donor in DONORS[rank]]
    model.region_swap = FixedSwap(BOXES[0] + BOXES[1], donors)
    model._shuffle_seed = seed
    return two_steps(model, model, batches)


@pytest.mark.parametrize('norm', ['GN', 'BN'])
def test_two_processes_are_one(norm: str, ranks: list[dict[str, Any]],
                               weights: dict,
                               batches: list[list[Tensor]]) -> None:
    """Losses, gradients, keys and weights. GN: nothing depends on the other
    images. BN: two processes with shuffle-BN are one with bn_splits=2, which
    holds only if the keys meet in the same groups."""
    cfg = PLAIN if norm == 'GN' else BATCHNORM | dict(bn_splits=2)
    joint = joint_steps(cfg, weights[norm], SEED, batches)
    for step, whole in enumerate(joint):
        parts = [rank[norm][step] for rank in ranks]
        for name, loss in whole['losses'].items():
            torch.testing.assert_close(
                sum(part['losses'][name] for part in parts) / WORLD, loss)
        for part in parts:
            for name in ('slopes', 'query', 'key', 'queue', 'pointer'):
                torch.testing.assert_close(part[name], whole[name],
                                           rtol=1e-8, atol=1e-10)
    assert joint[1]['pointer'].item() == 2  # 12 keys into a queue of 10


def test_the_seed_of_the_keys_matters(weights: dict,
                                      batches: list[list[Tensor]]) -> None:
    """So that the test above could fail: other groups, other keys."""
    cfg = BATCHNORM | dict(bn_splits=2)
    one, other = (joint_steps(cfg, weights['BN'], seed, batches[:1])[0]
                  for seed in (SEED, SEED + 1))
    assert (one['queue'] - other['queue']).abs().max() > 1e-3


def test_bytes_on_the_wire(ranks: list[dict[str, Any]]) -> None:
    """Host: all images of the other rank, and its keys twice. Ours: at most
    as many images as a rank has, none without a global shuffle, keys once."""
    image = 3 * tiny_moco.HEIGHT * tiny_moco.WIDTH * 8  # float64
    key = 8 * 8
    for rank, found in enumerate(ranks):
        assert found['host wire'] == dict(
            all_gather=NUM * (image + 2 * key),
            broadcast=8 * WORLD * NUM * rank)
        shuffled = found['global wire']
        images, rest = divmod(shuffled['all_to_all_single'], image)
        assert 0 < images <= NUM and rest <= NUM * key
        assert shuffled['all_gather_into_tensor'] == NUM * key
        for name in ('local wire', 'none wire'):
            assert found[name] == dict(all_gather_into_tensor=NUM * key)


def test_ranks_stay_in_step(ranks: list[dict[str, Any]]) -> None:
    """MMDistributedDataParallel, find_unused_parameters=False, 3 steps."""
    first, second = (rank['mmengine'] for rank in ranks)
    assert first['shared']['queue_ptr'].item() == 18 % 10
    assert first['shared']['encoder_k.steps'].item() == 3
    assert set(first['shared']) == set(second['shared'])
    for name, tensor in first['shared'].items():
        assert torch.equal(tensor, second['shared'][name]), name
    for logged in (*first['logs'], *second['logs']):
        assert {'loss', 'loss_instance', 'loss_region', 'acc_paste'} <= logged
    assert first['boxes'] != second['boxes']  # each rank draws its own
