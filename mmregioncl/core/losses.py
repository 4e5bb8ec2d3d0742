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

# Logits held at a time: 256 MiB in fp32. 3 x 128 rows against 65,536 keys are
# 25 million; the 49 x 128 rows of a dense loss come in seven parts.
_MAX_LOGITS = 2**26


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
        log_sum = anchors.new_empty(len(anchors))
        hardest = anchors.new_empty(len(anchors))
        mean_negative = torch.empty_like(anchors)
        rows = max(1, _MAX_LOGITS // queue.shape[1])
        for part in range(0, len(anchors), rows):
            chunk = slice(part, part + rows)
            logits = (anchors[chunk] @ queue).div_(temperature)  # (rows, K)
            hardest[chunk] = logits.amax(1)
            log_sum[chunk] = logits.logsumexp(1)
            softmax = logits.sub_(log_sum[chunk, None]).exp_()  # (rows, K)
            torch.mm(softmax, queue.t(), out=mean_negative[chunk])
        ctx.save_for_backward(mean_negative.div_(temperature))
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


def mean_or_zero(rows: Tensor) -> Tensor:
    """Mean of the rows; 0 of none, where torch gives NaN.

    Shape:
        (N, ) -> ()
    """
    return rows.sum() / max(1, len(rows))


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
    three share one product with the queue. Where there are fewer than N,
    queries are those of the first images and composites are made of the last.

    Args:
        query (Tensor): Unit vectors of the whole query views.
        canvas (Tensor): Unit vectors; ``canvas[i]`` belongs to composite
            ``i``, which is image ``i`` where there are n = N.
        paste (Tensor): Unit vectors; ``paste[i]`` to image ``donors[i]``.
        key (Tensor): Unit vectors of the key views, no gradient.
        donors (Tensor): See :class:`~mmregioncl.core.SwappedRegions`.
        queue (Tensor): Keys of former batches as columns, no gradient.
        temperature (float): tau. Defaults to 0.2, that of MoCo v2.
        intra_negative (bool): Whether the other region of the same composite
            is a negative. Defaults to True.

    Returns:
        dict[str, Tensor]: For each of ``instance``, ``canvas`` and ``paste``
        the loss of each row, and without gradient as ``*_gap`` the logit of
        the positive minus that of the hardest negative.

    Shape:
        key: (N, D); query: (m, D); canvas, paste: (n, D); donors: (n, );
        queue: (D, K); returned: (m, ) for the instance, (n, ) for the others
    """
    num, composites = len(query), len(canvas)
    anchors = torch.cat((query, canvas, paste))  # (m + 2n, D)
    log_negatives, hardest = queue_log_sum_exp(anchors, queue, temperature)

    own = key[len(key) - composites:]  # (n, D)
    positives = similarity(anchors, torch.cat((key[:num], own, own[donors])),
                           temperature)  # (m + 2n, )
    if intra_negative:
        regions = similarity(
            torch.cat((canvas, paste)),
            torch.cat((paste, canvas)).detach(), temperature)  # (2n, )
        log_negatives = torch.cat(
            (log_negatives[:num], torch.logaddexp(log_negatives[num:],
                                                  regions)))
        hardest = torch.cat(
            (hardest[:num], torch.maximum(hardest[num:], regions.detach())))

    # -log e^pos / (e^pos + negatives) = softplus(log negatives - pos)
    losses = F.softplus(log_negatives - positives)  # (m + 2n, )
    gaps = positives.detach() - hardest
    sizes = (num, composites, composites)
    terms = {}
    for name, loss, gap in zip(('instance', 'canvas', 'paste'),
                               losses.split(sizes), gaps.split(sizes)):
        terms[name], terms[f'{name}_gap'] = loss, gap
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


def region_cosine(canvas: Tensor, paste: Tensor, target: Tensor,
                  donors: Tensor) -> Tensor:
    """Region term of the hosts without negatives (SimSiam, BYOL).

    With D(a, b) = -cos(a, sg b)::

        L_region = mean_j (D(canvas_j, t_j) + D(paste_j, t_pi(j))) / 2

    Args:
        canvas (Tensor): Predictions in composite order.
        paste (Tensor): Predictions in composite order.
        target (Tensor): Clean targets of the images; detached here.
        donors (Tensor): See :class:`~mmregioncl.core.SwappedRegions`.

    Shape:
        canvas, paste, target: (N, D); donors: (N, ); returned: ()
    """
    predictions = unit(torch.cat((canvas, paste)))  # (2N, D)
    targets = unit(torch.cat((target, target[donors]))).detach()  # (2N, D)
    return -(predictions * targets).sum(1).mean()


def in_batch_info_nce(anchors: Tensor,
                      candidates: Tensor,
                      positive: Tensor,
                      ignored: Tensor,
                      temperature: float,
                      intra: Tensor | None = None) -> Tensor:
    """InfoNCE against the batch itself (SimCLR), one value per row.

    Args:
        anchors (Tensor): Unit vectors.
        candidates (Tensor): Unit vectors of the clean views of all ranks.
        positive (Tensor): Row of each anchor's positive.
        ignored (Tensor): True where a candidate is no negative of an anchor.
        temperature (float): tau.
        intra (Tensor, optional): One more negative per anchor: the other
            region of the same composite, detached here.

    Shape:
        anchors, intra: (M, D); candidates: (B, D); positive: (M, ) long;
        ignored: (M, B) bool; returned: (M, )
    """
    exact = torch.promote_types(anchors.dtype, torch.float32)
    with torch.autocast(anchors.device.type, enabled=False):
        logits = anchors.to(exact) @ candidates.to(exact).t() / temperature
    positives = logits.gather(1, positive[:, None]).squeeze(1)  # (M, )
    log_negatives = logits.masked_fill(
        ignored.scatter(1, positive[:, None], True), -torch.inf).logsumexp(1)
    if intra is not None:
        log_negatives = torch.logaddexp(
            log_negatives, similarity(anchors, intra.detach(), temperature))
    return F.softplus(log_negatives - positives)
