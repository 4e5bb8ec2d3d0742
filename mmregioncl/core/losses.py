# Copyright (c) mmregioncl contributors. All rights reserved.
"""The contrastive and the cosine terms of RegionCL, as pure functions.

With s(a, b) = a . b / tau, unit vectors, Q the queue before this step's keys
and sg the stop-gradient::

    L_inst    = -log e^s(q, k) / (e^s(q, k) + sum_m e^s(q, Q_m))
    L_canvas  = -log e^s(c, k) / (e^s(c, k) + e^s(c, sg p) + sum_m e^s(c, Q_m))
    L_paste   = the same for p, k[donor], sg c
    L_region  = (L_canvas + L_paste) / 2

RegionCL (https://arxiv.org/abs/2111.12309); the constants are those of the
authors' code (RegionCLM.py:241-265).
"""
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class _QueueLogSumExp(torch.autograd.Function):
    """log sum_m exp(anchor . queue_m / tau) without keeping the queue.

    The gradient with respect to an anchor is the mean of the queue under the
    softmax, over tau. It is computed in the forward pass, so that nothing of
    size (M, K) is kept and the queue may take new keys before the backward
    pass. MoCo keeps a clone of the queue for that instead.
    """

    @staticmethod
    def forward(ctx: Any, anchors: Tensor, queue: Tensor,
                temperature: float) -> tuple[Tensor, Tensor]:
        logits = (anchors @ queue).div_(temperature)  # (M, K)
        hardest = logits.amax(1)  # (M, )
        log_sum = logits.logsumexp(1)  # (M, )
        softmax = logits.sub_(log_sum[:, None]).exp_()  # (M, K)
        ctx.save_for_backward((softmax @ queue.t()).div_(temperature))
        ctx.mark_non_differentiable(hardest)
        return log_sum, hardest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_log_sum: Tensor,
                 _: Tensor) -> tuple[Tensor, None, None]:
        mean_negative, = ctx.saved_tensors  # (M, D)
        return grad_log_sum[:, None] * mean_negative, None, None


def queue_log_sum_exp(anchors: Tensor, queue: Tensor,
                      temperature: float) -> tuple[Tensor, Tensor]:
    """Sum up the negatives of the queue, for any number of anchors at once.

    Always in fp32 or better, under autocast too.

    Args:
        anchors (Tensor): Unit vectors.
        queue (Tensor): Keys as columns, no gradient.
        temperature (float): tau.

    Returns:
        tuple[Tensor, Tensor]: ``log sum_m exp(s(anchor, Q_m))`` and, without
        gradient, ``max_m s(anchor, Q_m)``.

    Shape:
        (M, D), (D, K) -> (M, ), (M, )
    """
    with torch.autocast(anchors.device.type, enabled=False):
        exact = torch.promote_types(anchors.dtype, torch.float32)
        return _QueueLogSumExp.apply(
            anchors.to(exact), queue.to(exact), temperature)


def unit(features: Tensor) -> Tensor:
    """Scale each row to length one, in fp32 or better.

    Shape:
        (N, D) -> (N, D); also (N, D, S), along D
    """
    exact = torch.promote_types(features.dtype, torch.float32)
    return F.normalize(features.to(exact), dim=1)


def similarity(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """s(a, b) = a . b / tau, row by row, in fp32 or better.

    Shape:
        (N, D), (N, D) -> (N, )
    """
    exact = torch.promote_types(first.dtype, torch.float32)
    return (first.to(exact) * second.to(exact)).sum(1) / temperature


def region_info_nce(
    query: Tensor,
    canvas: Tensor,
    paste: Tensor,
    key: Tensor,
    donors: Tensor,
    queue: Tensor,
    temperature: float = 0.2,
    intra_negative: bool = True,
) -> dict[str, Tensor]:
    """Instance, canvas and paste terms of RegionCL-M, one value per row.

    Canvas and paste come in the order of the composites. The intra negative
    of a region is the other region of the same composite, detached. The
    three share one product with the queue.

    Args:
        query (Tensor): Unit vectors of the whole query views.
        canvas (Tensor): Unit vectors; ``canvas[i]`` belongs to image ``i``.
        paste (Tensor): Unit vectors; ``paste[i]`` to image ``donors[i]``.
        key (Tensor): Unit vectors of the key views, no gradient.
        donors (Tensor): See :class:`~mmregioncl.core.SwappedRegions`.
        queue (Tensor): Keys of former batches as columns, no gradient.
        temperature (float): tau. Defaults to 0.2, that of MoCo v2.
        intra_negative (bool): Whether the other region of the same composite
            is a negative. Defaults to True.

    Returns:
        dict[str, Tensor]: For each of ``instance``, ``canvas`` and ``paste``
        the loss of each row, and without gradient as ``*_correct`` whether
        the positive beats every negative.

    Shape:
        query, canvas, paste, key: (N, D); donors: (N, ); queue: (D, K);
        each value returned: (N, )
    """
    num = len(query)
    anchors = torch.cat((query, canvas, paste))  # (3N, D)
    log_negatives, hardest = queue_log_sum_exp(anchors, queue, temperature)

    positives = similarity(anchors, torch.cat((key, key, key[donors])),
                           temperature)  # (3N, )
    if intra_negative:
        regions = similarity(
            torch.cat((canvas, paste)),
            torch.cat((paste, canvas)).detach(), temperature)  # (2N, )
        log_negatives = torch.cat(
            (log_negatives[:num], torch.logaddexp(log_negatives[num:],
                                                  regions)))
        hardest = torch.cat(
            (hardest[:num], torch.maximum(hardest[num:], regions.detach())))

    # -log e^pos / (e^pos + negatives) = softplus(log negatives - pos)
    losses = F.softplus(log_negatives - positives)  # (3N, )
    correct = positives.detach() > hardest
    terms = {}
    for name, loss, hit in zip(('instance', 'canvas', 'paste'),
                               losses.chunk(3), correct.chunk(3)):
        terms[name], terms[f'{name}_correct'] = loss, hit
    return terms


def info_nce(anchors: Tensor,
             positives: Tensor,
             queue: Tensor,
             temperature: float = 0.2) -> Tensor:
    """InfoNCE of each anchor against a queue, one value per row.

    Args:
        anchors (Tensor): Unit vectors.
        positives (Tensor): Unit vectors, row by row.
        queue (Tensor): Keys as columns, no gradient.
        temperature (float): tau. Defaults to 0.2.

    Shape:
        (M, D), (M, D), (D, K) -> (M, )
    """
    log_negatives, _ = queue_log_sum_exp(anchors, queue, temperature)
    return F.softplus(log_negatives -
                      similarity(anchors, positives, temperature))


def negative_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """D(a, b) = -cos(a, sg b) of SimSiam and BYOL, one value per row.

    Shape:
        (N, D), (N, D) -> (N, )
    """
    exact = torch.promote_types(prediction.dtype, torch.float32)
    return -F.cosine_similarity(
        prediction.to(exact), target.detach().to(exact), dim=1)
