# Copyright (c) mmregioncl contributors. All rights reserved.
"""One vector per image from any algorithm of MMSelfSup."""
from __future__ import annotations

from typing import Any, NamedTuple

import torch
from mmengine.dist import all_gather, get_world_size
from torch import Tensor, nn
from torch.utils.data import DataLoader


class Features(NamedTuple):
    """Features of images, their labels and their numbers in the data set.

    Shape:
        vectors: (N, D), labels: (N, ) long, indices: (N, ) long
    """

    vectors: Tensor
    labels: Tensor
    indices: Tensor


@torch.no_grad()
def image_features(model: nn.Module, batch: dict) -> Features:
    """Features of one batch: pooled backbone output of unit length.

    Args:
        model (nn.Module): A MMSelfSup algorithm, not wrapped, in eval mode.
        batch (dict): A batch of the data loader, not yet preprocessed.

    Returns:
        Features: On the device of the model.

    Raises:
        ValueError: If the samples have no label or number, or if the
            algorithm gives no feature map, or one that is not finite.
    """
    host: Any = model  # nn.Module knows neither of the two methods
    inputs, samples = host.data_preprocessor(batch, False)
    name = type(model).__name__
    try:
        last = host.extract_feat(inputs)
    except (TypeError, NotImplementedError) as error:
        # MMSelfSup's masked image models hide most of the image there
        raise ValueError(
            f'k-NN cannot evaluate {name}: its extract_feat does not take '
            f'plain images ({error}); set val_cfg=None') from error
    while isinstance(last, (tuple, list)):  # stages; [patches, class token]
        last = last[-1]
    if not isinstance(last, Tensor) or last.ndim not in (2, 4):
        raise ValueError(
            f'k-NN cannot evaluate {name}: its extract_feat gives '
            f'{getattr(last, "shape", type(last).__name__)} instead of a '
            'feature map (N, C, h, w) or vectors (N, C); set val_cfg=None')
    if last.ndim == 4:
        last = last.mean(dim=(2, 3))  # global average pooling, (N, C)
    vectors = nn.functional.normalize(last.float(), dim=1)
    if not vectors.isfinite().all():  # they would be everyone's neighbours
        raise ValueError(f'features of {name} are not finite; the backbone '
                         'diverged or its file is damaged')
    for sample in samples:
        check_sample(sample, 'a batch')
    labels, indices = torch.tensor([(sample.label, sample.index)
                                    for sample in samples],
                                   device=vectors.device).unbind(1)
    return Features(vectors, labels, indices)


def check_sample(sample: Any, where: str) -> None:
    """Say what is wrong with a pipeline.

    Args:
        sample (SelfSupDataSample): Of one image.
        where (str): For the error, what the sample is of.

    Raises:
        ValueError: If it has no label or number.
    """
    if 'label' not in sample or 'index' not in sample:
        raise ValueError(f'the samples of {where} have no label and number; '
                         'end the pipeline with PackLabelledImage')


def extract_features(model: nn.Module, dataloader: DataLoader) -> Features:
    """Features of this rank's share of a data set.

    Args:
        model (nn.Module): A MMSelfSup algorithm, not wrapped, in eval mode.
        dataloader (DataLoader): The images, not augmented.

    Returns:
        Features: On the device of the model.
    """
    parts = [image_features(model, batch) for batch in dataloader]
    return Features(*(torch.cat(each) for each in zip(*parts)))


def gather_features(part: Features) -> Features:
    """The features of all ranks, each image once, in the data set's order.

    Samplers repeat images to give each rank as many, and an image may stand
    in for one that could not be read; the number in the data set tells.

    Args:
        part (Features): Those of this rank.

    Returns:
        Features: The same on each rank.
    """
    if get_world_size() > 1:
        device = part.indices.device
        sizes = all_gather(torch.tensor([len(part.indices)], device=device))
        longest = int(torch.cat(sizes).max())
        gathered = []
        for tensor in part:
            # all_gather takes tensors of one size only
            padded = tensor.new_zeros((longest, ) + tensor.shape[1:])
            padded[:len(tensor)] = tensor
            gathered.append(
                torch.cat([
                    each[:int(size)]
                    for each, size in zip(all_gather(padded), sizes)
                ]))
        part = Features(*gathered)
    order = torch.argsort(part.indices, stable=True)
    ordered = part.indices[order]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    kept = order[first]
    return Features(part.vectors[kept], part.labels[kept], part.indices[kept])
