# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mmregioncl.core import SplitBatchNorm2d, split_batchnorm
from tests import references

# images, groups, channels, height, width
SIZES = [(6, 1, 3, 2, 3), (6, 2, 2, 3, 1), (6, 3, 4, 1, 2), (10, 5, 3, 2, 2),
         (3, 3, 2, 2, 3), (14, 7, 1, 1, 1)]


def layer(channels: int, **kwargs) -> nn.BatchNorm2d:
    """A BatchNorm in the middle of its training, in float64."""
    norm = nn.BatchNorm2d(channels, **kwargs).double()
    if norm.affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


@pytest.mark.parametrize('num, groups, channels, height, width', SIZES)
def test_one_batchnorm_per_group(num: int, groups: int, channels: int,
                                 height: int, width: int) -> None:
    norm = layer(channels, momentum=0.3)
    alone = [copy.deepcopy(norm) for _ in range(groups)]
    split_batchnorm(norm, groups)
    assert isinstance(norm, SplitBatchNorm2d)
    images = torch.randn(num, channels, height, width, dtype=torch.float64,
                         requires_grad=True)
    weights = torch.randn_like(images)

    output = norm(images)
    slow = torch.cat(
        [each(chunk) for each, chunk in zip(alone, images.chunk(groups))])
    torch.testing.assert_close(output, slow)
    torch.testing.assert_close(
        output,
        torch.cat([
            references.batch_norm(chunk, norm.weight, norm.bias, norm.eps)
            for chunk in images.chunk(groups)
        ]))

    ours = torch.autograd.grad((weights * output).sum(),
                               (images, norm.weight, norm.bias))
    theirs = torch.autograd.grad(
        (weights * slow).sum(),
        (images, *[a.weight for a in alone], *[a.bias for a in alone]))
    torch.testing.assert_close(ours[0], theirs[0])
    torch.testing.assert_close(ours[1], sum(theirs[1:1 + groups]))
    torch.testing.assert_close(ours[2], sum(theirs[1 + groups:]))

    for name in ('running_mean', 'running_var'):
        torch.testing.assert_close(
            getattr(norm, name),
            torch.stack([getattr(each, name) for each in alone]).mean(0))
    assert norm.num_batches_tracked == 1


def test_several_steps_and_memory_formats() -> None:
    norm = layer(3)
    alone = [copy.deepcopy(norm) for _ in range(2)]
    split_batchnorm(norm, 2)
    for step in range(3):
        images = torch.randn(4, 3, 2, 5, dtype=torch.float64)
        images = images.to(memory_format=torch.channels_last)
        slow = torch.cat(
            [each(chunk) for each, chunk in zip(alone, images.chunk(2))])
        torch.testing.assert_close(norm(images), slow)
        mean = torch.stack([each.running_mean for each in alone]).mean(0)
        torch.testing.assert_close(norm.running_mean, mean)
        for each in alone:  # one average for all from here on
            each.running_mean.copy_(mean)
            each.running_var.copy_(norm.running_var)
    assert norm.num_batches_tracked == 3


def test_without_affine() -> None:
    norm = layer(3, affine=False)
    alone = copy.deepcopy(norm)
    split_batchnorm(norm, 2)
    images = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    torch.testing.assert_close(
        norm(images), torch.cat([alone(half) for half in images.chunk(2)]))


def test_evaluation_is_batchnorm() -> None:
    norm = layer(3)
    plain = copy.deepcopy(norm).eval()
    split_batchnorm(norm, 4).eval()
    images = torch.randn(5, 3, 2, 2, dtype=torch.float64)  # 4 do not divide 5
    assert torch.equal(norm(images), plain(images))
    assert norm.num_batches_tracked == 0


def test_one_group_is_batchnorm() -> None:
    norm = layer(3)
    plain = copy.deepcopy(norm)
    split_batchnorm(norm, 1)
    images = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    assert torch.equal(norm(images), plain(images))
    assert torch.equal(norm.running_var, plain.running_var)


def test_keys_and_parameters_stay() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4),
        nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))
    before, parameters = module.state_dict(), list(module.parameters())
    assert split_batchnorm(module, 2) is module
    assert list(module.state_dict()) == list(before)
    assert all(a is b for a, b in zip(module.parameters(), parameters))
    module.load_state_dict(before)
    split = [m for m in module.modules() if isinstance(m, SplitBatchNorm2d)]
    assert [m.num_splits for m in split] == [2, 2]
    again = split_batchnorm(copy.deepcopy(module), 4)  # the last one counts
    assert [
        m.num_splits for m in again.modules()
        if isinstance(m, SplitBatchNorm2d)
    ] == [4, 4]


def test_a_batch_that_does_not_divide() -> None:
    norm = split_batchnorm(nn.BatchNorm2d(3), 4)
    with pytest.raises(ValueError, match='batch of 6 .* bn_splits=4'):
        norm(torch.zeros(6, 3, 2, 2))


@pytest.mark.parametrize('num_splits', [0, -1])
def test_too_few_groups(num_splits: int) -> None:
    with pytest.raises(ValueError, match=f'at least 1, got {num_splits}'):
        split_batchnorm(nn.BatchNorm2d(3), num_splits)


@pytest.mark.parametrize('norm', [nn.SyncBatchNorm, nn.BatchNorm1d])
def test_other_batchnorms(norm: type[nn.Module]) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 1), norm(3))
    with pytest.raises(ValueError, match=f'bn_splits=2 .* 1 is '
                       f'{norm.__name__}'):
        split_batchnorm(module, 2)
    split_batchnorm(module, 1)  # nothing to split
    assert type(module[1]) is norm


def test_the_average_of_all_batches() -> None:
    """momentum=None of torch: two groups of two batches."""
    layer = split_batchnorm(nn.BatchNorm2d(3, momentum=None), 2)
    batches = torch.randn(2, 8, 3, 4, 4)
    for batch in batches:
        layer(batch)
    torch.testing.assert_close(layer.running_mean, batches.mean((0, 1, 3, 4)))


def test_without_running_statistics() -> None:
    norm = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False))
    with pytest.raises(ValueError, match='track_running_stats=False'):
        split_batchnorm(norm, 2)
