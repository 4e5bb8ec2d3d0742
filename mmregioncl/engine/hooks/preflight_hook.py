# Copyright (c) mmregioncl contributors. All rights reserved.
"""What can be known to go wrong before the first iteration."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Iterator

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import all_reduce, barrier, get_world_size, master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmselfsup.registry import HOOKS
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader, Dataset

from mmregioncl.datasets import ImageFolder
from mmregioncl.datasets.skip_record import append_path
from mmregioncl.datasets.transforms import RegionSwap
from ..unfinished_views import check_finished


@HOOKS.register_module()
class PreflightHook(Hook):
    """Check the run before it starts, and say what its figures mean.

    Stops a run that cannot work (a batch of one, RegionSwap in a per-image
    pipeline), warns of one that will not learn (an lr for another batch, a
    queue longer than the data set), prints the loss of a random guess, and
    reports the images that could not be read.
    """

    def before_train(self, runner: Runner) -> None:
        """Check everything.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If the run cannot work.
        """
        loader = runner.train_dataloader
        check_pipeline(loader.dataset)
        check_finished(_unwrapped_datasets(loader.dataset), _unwrapped(runner))
        check_batch(loader)
        self._set_skip_file(runner)
        self._report_batch(runner)
        self._report_queue(runner)
        self._report_shuffle(runner)

    def _set_skip_file(self, runner: Runner) -> None:
        """Before the first data loader starts its workers."""
        file = Path(runner.work_dir) / 'skipped.txt'
        if runner.iter == 0:
            self._remove(file)
        barrier()
        for dataset in image_folders(runner):
            dataset.skip_file = str(file)
            # k-NN has looked at its first image when it was built
            for number in dataset.skipped.bad.nonzero().flatten().tolist():
                append_path(str(file),
                            dataset.get_data_info(number)['img_path'])

    @staticmethod
    @master_only
    def _remove(file: Path) -> None:
        """Away with the list of an earlier run in the same folder."""
        file.unlink(missing_ok=True)

    def _report_batch(self, runner: Runner) -> None:
        batch, ranks = batch_size(runner.train_dataloader), get_world_size()
        if batch is None or not isinstance(runner.optim_wrapper, OptimWrapper):
            return
        steps = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        total = batch * ranks * steps
        parts = f'{ranks} process(es) x {batch} images'
        if steps > 1:
            parts += f' x {steps} accumulated'
        rates = {
            group.get('initial_lr', group['lr'])
            for group in runner.optim_wrapper.optimizer.param_groups
        }
        lr = ', '.join(f'{each:g}' for each in sorted(rates))
        runner.logger.info(f'Total batch {total} = {parts}, lr {lr}')
        scaling = runner.auto_scale_lr or {}
        base = scaling.get('base_batch_size')
        if scaling.get('enable', False):
            if steps != scaling.get('counts', 1):
                runner.logger.warning(
                    'auto_scale_lr.enable=True of a config leaves '
                    f'accumulative_counts={steps} out, so that the lr {lr} is '
                    f'for {batch * ranks} images: leave it out and pass '
                    '--auto-scale-lr, which counts them')
        elif base and base != total:
            scaled = ', '.join(f'{each * total / base:g}'
                               for each in sorted(rates))
            runner.logger.warning(
                f'The lr {lr} is meant for a total batch of {base}, and this '
                f'run has {total}: pass --auto-scale-lr to train with '
                f'{scaled}')

    def _report_queue(self, runner: Runner) -> None:
        queue = getattr(_unwrapped(runner), 'queue', None)
        if not isinstance(queue, Tensor) or queue.ndim != 2:
            return
        length, images = queue.shape[1], len(runner.train_dataloader.dataset)
        runner.logger.info(
            f'ln(K + 1) = {math.log(length + 1):.2f} is the loss of a random '
            f'guess among one positive and K = {length} negatives: a loss '
            'that stays there has not begun to learn')
        batch = batch_size(runner.train_dataloader)
        if batch is not None:
            steps = length / (batch * get_world_size())
            runner.logger.info(
                f'The oldest of the K keys is {math.ceil(steps)} steps or '
                f'{length / images:.3g} epochs old')
        if length > images:
            runner.logger.warning(
                f'queue_len={length} is longer than the data set of {images} '
                'images: most queries meet their own image among the '
                f'negatives. Set model.queue_len={suggest_queue_len(images)}')

    def _report_shuffle(self, runner: Runner) -> None:
        model: Any = _unwrapped(runner)
        if (getattr(model, 'key_shuffle', None) == 'global'
                and model.bn_splits == 1 and get_world_size() == 1
                and any(isinstance(each, _BatchNorm)
                        for each in model.backbone.modules())):
            runner.logger.info(
                'One process normalises queries and keys in one batch each, '
                'and shuffling changes nothing; what eight GPUs do for MoCo, '
                'model.bn_splits=8 and model.key_shuffle=local do here')

    def before_train_epoch(self, runner: Runner) -> None:
        """Stop if too many images were bad, counted over all ranks.

        At the beginning of the next epoch: the last one is saved by then.

        Args:
            runner (Runner): The runner.
        """
        for dataset in image_folders(runner):
            dataset.check_skipped(_skipped(dataset), 'over all processes')

    def after_train_epoch(self, runner: Runner) -> None:
        """One line on the images that could not be read, if any.

        Args:
            runner (Runner): The runner.
        """
        for dataset in image_folders(runner):
            count = _skipped(dataset)
            if count:
                runner.logger.warning(
                    f'Skipped {count} of {len(dataset)} images below '
                    f'{dataset.data_root!r} that could not be read; they are '
                    f'listed in {dataset.skip_file}')


def check_batch(loader: DataLoader) -> None:
    """Raise ValueError if a batch may hold a single image, or none comes.

    Args:
        loader (DataLoader): The training data of this rank.
    """
    size = batch_size(loader)
    if size is None:
        return
    if size < 2:
        raise ValueError(
            f'train_dataloader.batch_size={size}: contrasting, swapping '
            'regions and batch norm all take at least two images per '
            'process; set it to 2 or more')
    if isinstance(loader.sampler, InfiniteSampler):  # its batches are full
        return
    images = len(loader.sampler)  # type: ignore[arg-type]
    _check_ranks(loader, 0 if loader.drop_last else images % size)
    if loader.drop_last and images < size:
        raise ValueError(
            f'train_dataloader.batch_size={size} with drop_last=True, and '
            f'{images} images per process: there is not one full batch; set '
            f'a batch_size of {images} or less')
    if not loader.drop_last and images % size == 1:
        raise ValueError(
            f'train_dataloader.batch_size={size} and {images} images per '
            'process: the last batch of an epoch would hold a single image; '
            'set train_dataloader.drop_last=True or another batch_size')


def _check_ranks(loader: DataLoader, last: int) -> None:
    """All processes need the same batches, or they wait for each other."""
    mine = torch.tensor([len(loader), last])
    both = torch.cat([mine, -mine])
    all_reduce(both, op='max')
    if not torch.equal(both[:2], -both[2:]):
        raise ValueError(
            f'this process has {len(loader)} batches of an epoch'
            f'{f", the last of {last} images" if last else ""}, and another '
            'one has more, or fewer images in its last: set train_dataloader.'
            'drop_last=True and sampler.round_up=True')


def batch_size(loader: DataLoader) -> int | None:
    """Images per batch, as far as the batch sampler tells.

    Args:
        loader (DataLoader): A data loader.

    Returns:
        int | None: None for a batch sampler without a fixed size.
    """
    return getattr(loader.batch_sampler, 'batch_size', loader.batch_size)


def check_pipeline(dataset: Dataset) -> None:
    """Raise ValueError if RegionSwap is among the per-image transforms.

    Args:
        dataset (Dataset): A data set, or a wrapper of some.
    """
    for each in _unwrapped_datasets(dataset):
        if _holds_region_swap(getattr(each, 'pipeline', None)):
            raise ValueError(
                'RegionSwap swaps between the images of a batch and has no '
                'place in a per-image pipeline: take it out of '
                'train_pipeline and set model.region_swap=dict(...)')


def suggest_queue_len(images: int) -> int:
    """The largest power of two that is at most half of the data set.

    Where images come in a new order each epoch and the queue holds the last
    share s of them, a query meets its own image with probability s**2 / 2:
    one in eight for a half.

    Args:
        images (int): Size of the data set.

    Returns:
        int: A number of keys, at least 2.
    """
    return 2**max(int(math.log2(max(images, 4) / 2)), 1)


def image_folders(runner: Runner) -> Iterator[ImageFolder]:
    """Every ImageFolder that a run reads: training, queries, bank.

    Args:
        runner (Runner): The runner.

    Yields:
        ImageFolder: Each of them.
    """
    loaders = [runner.train_dataloader]
    if runner.val_loop is not None:
        loaders.append(runner.val_loop.dataloader)
        loaders.append(getattr(runner.val_loop, 'bank_dataloader', None))
    for loader in loaders:
        for dataset in _unwrapped_datasets(getattr(loader, 'dataset', None)):
            if isinstance(dataset, ImageFolder):
                yield dataset


def _unwrapped_datasets(dataset: Any) -> Iterator[Any]:
    inner = getattr(dataset, 'datasets', None)  # ConcatDataset
    if inner is None and hasattr(dataset, 'dataset'):  # RepeatDataset, Subset
        inner = [dataset.dataset]
    if inner is None:
        yield dataset
    else:
        for each in inner:
            yield from _unwrapped_datasets(each)


def _holds_region_swap(transform: Any) -> bool:
    if isinstance(transform, RegionSwap):
        return True
    if isinstance(transform, (list, tuple)):
        return any(_holds_region_swap(each) for each in transform)
    # Compose, MultiView, RandomApply, ...
    return _holds_region_swap(getattr(transform, 'transforms', ()))


def _skipped(dataset: ImageFolder) -> int:
    """Images that any rank found bad."""
    union = dataset.skipped.bad.clone()
    all_reduce(union, op='max')
    return int(torch.count_nonzero(union))


def _unwrapped(runner: Runner) -> torch.nn.Module:
    model = runner.model
    return model.module if is_model_wrapper(model) else model
