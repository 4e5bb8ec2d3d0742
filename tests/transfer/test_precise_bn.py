# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmregioncl.transfer.precise_bn import (PreciseBNHook, bn_layers,
                                            plain_average)
from mmregioncl.transfer.safe_load import load_checkpoint_file
from tests.transfer.skeletons import make_runner

BATCHES = torch.randn(
    5, 4, 3, 6, 6, generator=torch.Generator().manual_seed(1)) * torch.arange(
        1., 6.).view(5, 1, 1, 1, 1)


class TwoNorms(BaseModel):
    """Statistics of the second norm depend on the first one's."""

    def __init__(self) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(3, momentum=0.3)
        self.conv = nn.Conv2d(3, 2, 3)
        self.bn2 = nn.BatchNorm2d(2)
        self.frozen = nn.BatchNorm2d(2).eval()
        self.unused = nn.BatchNorm2d(2)

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self,
                inputs: Tensor,
                data_samples: Any = None,
                mode: str = 'tensor') -> Any:
        x = self.bn2(self.conv(self.bn1(inputs).relu()))
        return dict(loss=self.frozen(x).square().mean())


def reference(model: TwoNorms, batches: Tensor) -> dict[str, Tensor]:
    """Mean and unbiased variance of each batch, averaged by hand."""
    sums: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for x in batches:
            y = model.conv(((x - x.mean((0, 2, 3), keepdim=True)) / (x.var(
                (0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt() *
                            model.bn1.weight.view(1, -1, 1, 1) +
                            model.bn1.bias.view(1, -1, 1, 1)).relu())
            for name, z in (('bn1', x), ('bn2', y)):
                sums.setdefault(f'{name}.running_mean',
                                []).append(z.mean((0, 2, 3)))
                sums.setdefault(f'{name}.running_var',
                                []).append(z.var((0, 2, 3)))
    return {key: torch.stack(each).mean(0) for key, each in sums.items()}


def test_plain_average_and_what_stays() -> None:
    model = TwoNorms().train()
    for layer in (model.bn1, model.unused):
        layer.num_batches_tracked.fill_(70)
        layer.running_mean.fill_(3.)
    expected = reference(model, BATCHES)
    layers = bn_layers(model)
    assert len(layers) == 3  # not the frozen one
    with torch.no_grad(), plain_average(layers):
        for batch in BATCHES:
            model(batch)
    state = model.state_dict()
    for key, value in expected.items():
        torch.testing.assert_close(state[key], value, rtol=1e-4, atol=1e-5)
    assert (model.bn1.momentum, model.bn2.momentum) == (0.3, 0.1)
    assert model.bn1.num_batches_tracked == 70
    assert model.unused.running_mean.tolist() == [3., 3.]
    assert model.unused.num_batches_tracked == 70


class Count(Hook):
    """Forward passes, and the statistics that evaluation would see."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.iters = 0

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        self.iters += 1


def run(work_dir: Path,
        train_cfg: dict,
        workers: int = 0,
        **precise: Any) -> tuple[Any, Count, Tensor]:
    model = TwoNorms()
    count = Count()
    runner = make_runner(
        model,
        work_dir, [dict(type='PreciseBNHook', **precise), count],
        train_dataloader=dict(
            batch_size=4,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=dict(type='default_collate'),
            dataset=[dict(inputs=x) for x in BATCHES.flatten(0, 1)],
            sampler=dict(type='DefaultSampler', shuffle=False)),
        train_cfg=train_cfg)
    weights = model.conv.weight.detach().clone()
    runner.train()
    return runner, count, weights


@pytest.mark.parametrize('train_cfg, iters',
                         [(dict(by_epoch=True, max_epochs=2), 10),
                          (dict(by_epoch=False, max_iters=7), 7)])
def test_in_a_run(train_cfg: dict, iters: int, tmp_path: Path) -> None:
    # 10 batches: the data set twice over
    runner, count, weights = run(tmp_path, train_cfg, num_iters=10)
    model = runner.model
    assert count.iters == iters
    assert torch.equal(model.conv.weight, weights)  # lr is 0
    assert model.bn1.num_batches_tracked == iters
    expected = reference(model, BATCHES)
    last = (tmp_path / 'last_checkpoint').read_text()
    saved = load_checkpoint_file(last)['state_dict']
    for key, value in expected.items():
        torch.testing.assert_close(
            model.state_dict()[key], value, rtol=1e-4, atol=1e-5)
        assert torch.equal(saved[key], model.state_dict()[key]), key
    # The moving average is far from it on these batches.
    assert (model.bn1.running_var / BATCHES[-1].var((0, 2, 3)) < 0.8).all()


def test_persistent_workers_do_not_prolong_the_epoch(tmp_path: Path) -> None:
    _, count, _ = run(
        tmp_path, dict(by_epoch=True, max_epochs=1), 1, num_iters=3)
    assert count.iters == 5


class Recorder:
    """A data set that notes what was asked of it."""

    asked: list[int] = []  # of the class: a runner copies what it is given

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> dict:
        self.asked.append(index)
        return dict(inputs=BATCHES.flatten(0, 1)[index])


def test_goes_on_where_the_iterations_ended(tmp_path: Path) -> None:
    """Not a second pass: mmdet's aspect ratio sampler hangs in one."""
    Recorder.asked.clear()
    make_runner(
        TwoNorms(),
        tmp_path, [dict(type='PreciseBNHook', num_iters=2)],
        train_dataloader=dict(
            batch_size=4,
            num_workers=0,
            collate_fn=dict(type='default_collate'),
            dataset=Recorder(),
            sampler=dict(type='InfiniteSampler', shuffle=False)),
        train_cfg=dict(by_epoch=False, max_iters=3)).train()
    assert Recorder.asked == list(range(20))


def test_no_norm_in_training_mode(tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.BatchNorm2d(2).eval(), nn.BatchNorm2d(2, track_running_stats=False))
    assert bn_layers(model) == []


def test_bad_number() -> None:
    with pytest.raises(ValueError, match='num_iters'):
        PreciseBNHook(num_iters=0)


def _two_ranks(rank: int, world_size: int, work_dir: str) -> list[Tensor]:
    model = TwoNorms().train()
    from mmengine.dist import all_reduce
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    layers = bn_layers(model)
    hook = PreciseBNHook(num_iters=2)

    class Runner:
        """What the hook uses of a runner."""

        class logger:
            info = staticmethod(print)

        class optim_wrapper:

            @staticmethod
            def optim_context(model: nn.Module) -> Any:
                return torch.no_grad()

    runner: Any = Runner()
    runner.model = model
    hook._update(runner, iter([dict(inputs=x) for x in BATCHES[rank::2]]))
    flag = torch.ones(1)
    all_reduce(flag)
    assert flag == world_size and len(layers) == 3
    return [model.bn1.running_mean, model.bn1.running_var]


def test_ranks_agree(run_distributed: Callable[..., list[Any]],
                     tmp_path: Path) -> None:
    first, second = run_distributed(_two_ranks, 2, str(tmp_path))
    expected = [
        BATCHES[:4].mean((1, 3, 4)).mean(0),
        BATCHES[:4].transpose(1, 2).flatten(2).var(2).mean(0)
    ]
    for a, b, c in zip(first, second, expected):
        assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))
        torch.testing.assert_close(torch.as_tensor(a), c, rtol=1e-4, atol=1e-5)
