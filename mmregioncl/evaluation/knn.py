# Copyright (c) mmregioncl contributors. All rights reserved.
"""Weighted k-nearest-neighbour classification. Plain torch.

Wu et al., `Unsupervised Feature Learning via Non-Parametric Instance
Discrimination <https://arxiv.org/abs/1805.01978>`_, section 3.4: the k most
similar images of a labelled bank vote with the weight exp(similarity / tau).
"""
from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def knn_classify(bank: Tensor,
                 bank_labels: Tensor,
                 queries: Tensor,
                 k: int = 20,
                 temperature: float = 0.07,
                 chunk: int = 256) -> Tensor:
    """Label each query by its neighbours in the bank.

    Args:
        bank (Tensor): Features with known labels; rows of unit length, so
            that a product is the cosine.
        bank_labels (Tensor): Their labels, from 0.
        queries (Tensor): Features to label; rows of unit length, on the
            device of the bank.
        k (int): Neighbours that vote; all, where the bank has fewer.
            Defaults to 20.
        temperature (float): tau; the smaller, the more the nearest count.
            Defaults to 0.07.
        chunk (int): Queries at a time. Their similarities to the whole bank
            are held in memory: 1.3 GB for 256 queries and ImageNet.
            Defaults to 256.

    Returns:
        Tensor: The predicted labels.

    Raises:
        ValueError: If a setting is out of range or the bank is not labelled.

    Shape:
        bank: (B, D), bank_labels: (B, ) long, queries: (N, D) -> (N, ) long
    """
    if k < 1 or chunk < 1 or temperature <= 0:
        raise ValueError('k-NN needs k >= 1, chunk >= 1 and temperature > 0, '
                         f'got k={k}, chunk={chunk}, '
                         f'temperature={temperature}')
    if len(bank) == 0 or len(bank) != len(bank_labels):
        raise ValueError('the k-NN bank needs a label for each feature, got '
                         f'{len(bank)} features and {len(bank_labels)} labels')
    if int(bank_labels.min()) < 0:
        raise ValueError('the k-NN bank holds images without a label; set '
                         'with_label=True in its data set')
    k = min(k, len(bank))
    num_classes = int(bank_labels.max()) + 1
    predicted = []
    for part in queries.split(chunk):
        similarity, nearest = (part @ bank.t()).topk(k, dim=1)  # (n, k)
        # relative to the nearest: the vote is the same, and exp(1 / tau)
        # cannot overflow
        weight = ((similarity - similarity[:, :1]) / temperature).exp()
        votes = weight.new_zeros(len(part), num_classes)
        votes.scatter_add_(1, bank_labels[nearest], weight)
        predicted.append(votes.argmax(dim=1))
    if not predicted:
        return bank_labels.new_zeros(0)
    return torch.cat(predicted)
