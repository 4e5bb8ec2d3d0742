# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mmregioncl.core import losses, queue_log_sum_exp

# M, D, K: a queue of one, shorter than the batch, of no multiple of it
SIZES = [(2, 3, 1), (3, 4, 2), (5, 6, 7), (7, 2, 33)]


def vectors(*shape: int, grad: bool = True) -> Tensor:
    """Unit vectors, leaves of the graph."""
    rows = torch.randn(*shape, dtype=torch.float64)
    return (rows / rows.norm(dim=1, keepdim=True)).requires_grad_(grad)


@pytest.mark.parametrize('temperature', [0.2, 1.0, 0.07])
@pytest.mark.parametrize('num, dim, length', SIZES)
def test_queue_log_sum_exp(num: int, dim: int, length: int,
                           temperature: float) -> None:
    anchors, queue = vectors(num, dim), vectors(length, dim, grad=False).t()
    log_sum, hardest = queue_log_sum_exp(anchors, queue, temperature)
    assert log_sum.shape == hardest.shape == (num, )
    assert not hardest.requires_grad
    log_sum = log_sum.detach()
    for i in range(num):
        logits = [float(anchors[i].detach() @ queue[:, m]) / temperature
                  for m in range(length)]
        slow = math.log(sum(math.exp(each) for each in logits))
        assert math.isclose(log_sum[i], slow, rel_tol=1e-12, abs_tol=1e-12)
        assert math.isclose(hardest[i], max(logits), rel_tol=1e-12)


@pytest.mark.parametrize('num, dim, length', SIZES)
@pytest.mark.parametrize('chunk', [1, 2**26])
def test_queue_log_sum_exp_gradcheck(num: int, dim: int, length: int,
                                     chunk: int,
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, '_MAX_LOGITS', chunk)
    anchors, queue = vectors(num, dim), vectors(length, dim, grad=False).t()
    assert torch.autograd.gradcheck(
        lambda rows: queue_log_sum_exp(rows, queue, 0.2)[0], anchors)


@pytest.mark.parametrize('rows', [1, 2, 3, 4, 5])
def test_chunks_change_nothing(rows: int,
                               monkeypatch: pytest.MonkeyPatch) -> None:
    anchors, queue = vectors(5, 3), vectors(8, 3, grad=False).t()
    whole = queue_log_sum_exp(anchors, queue, 0.2)
    slope, = torch.autograd.grad(whole[0].square().sum(), anchors)
    monkeypatch.setattr(losses, '_MAX_LOGITS', 8 * rows + 7)
    parts = queue_log_sum_exp(anchors, queue, 0.2)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(
        torch.autograd.grad(parts[0].square().sum(), anchors)[0], slope)


def test_queue_log_sum_exp_does_not_overflow() -> None:
    """exp(1 / 0.001) is beyond any float."""
    anchors = torch.tensor([[1., 0.]], requires_grad=True)
    queue = torch.tensor([[1., -1.], [0., 0.]])
    log_sum, hardest = queue_log_sum_exp(anchors, queue, 0.001)
    assert log_sum.item() == hardest.item() == pytest.approx(1000)
    assert torch.autograd.grad(log_sum.sum(), anchors)[0].isfinite().all()


def test_gradient_survives_new_keys() -> None:
    """The queue may change between the forward and the backward pass."""
    anchors, queue = vectors(3, 4), vectors(6, 4, grad=False).t()
    expected, = torch.autograd.grad(
        queue_log_sum_exp(anchors, queue, 0.2)[0].sum(), anchors)
    log_sum, _ = queue_log_sum_exp(anchors, queue, 0.2)
    queue.zero_()
    assert torch.equal(
        torch.autograd.grad(log_sum.sum(), anchors)[0], expected)


def test_a_second_derivative_is_refused() -> None:
    """Better than a wrong one."""
    anchors, queue = vectors(2, 3), vectors(4, 3, grad=False).t()
    slope, = torch.autograd.grad(
        queue_log_sum_exp(anchors, queue, 0.2)[0].square().sum(),
        anchors,
        create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        slope.sum().backward()


def test_nothing_of_the_size_of_the_queue_is_kept() -> None:
    """Not for the backward pass, and no copy on the way."""
    kept = []
    anchors, queue = torch.randn(2, 3, requires_grad=True), torch.randn(3, 500)

    class Copies(TorchDispatchMode):

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            assert not (isinstance(out, Tensor) and out.numel() >= 1500
                        and out.untyped_storage().data_ptr() !=
                        queue.untyped_storage().data_ptr()), func
            return out

    with Copies(), torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: kept.append(tensor.numel()) or tensor,
            lambda tensor: tensor):
        log_sum, _ = queue_log_sum_exp(anchors, queue, 0.2)
        log_sum.sum().backward()
    assert kept and max(kept) <= anchors.numel()
