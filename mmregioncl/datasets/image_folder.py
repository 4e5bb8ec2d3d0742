# Copyright (c) mmregioncl contributors. All rights reserved.
"""Any folder of images as a data set."""
from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable, Sequence

import cv2
import torch
from mmengine.dataset import BaseDataset
from PIL import UnidentifiedImageError
from PIL.Image import DecompressionBombError
from torch.utils.data import get_worker_info

from mmregioncl.compat import apply_compat
from mmregioncl.random_streams import kept_random_state, seed_streams
from .folder_settings import check_folder_settings
from .image_header import check_header
from .image_listing import IMAGE_EXTENSIONS
from .labelled_images import found_images, listed_images
from .skip_record import SkipRecord, append_path

apply_compat()  # a spawned worker comes here first

from mmselfsup.registry import DATASETS  # noqa: E402

# What a transform raises on an image that is odd, not on a wrong setting.
_IMAGE_ERRORS = (cv2.error, OSError, UnidentifiedImageError,
                 DecompressionBombError)


@DATASETS.register_module()
class ImageFolder(BaseDataset):
    """Any folder of images, with or without labels, with or without a list.

    ``data_root`` is all that pretraining needs. An image that cannot be read
    is skipped, another one is drawn in its place, its path goes to
    ``skip_file``, and the run goes on.

    Each item goes into the pipeline as a dict with ``img_path``,
    ``gt_label`` (-1 without labels) and ``sample_idx``.

    Args:
        data_root (str): The folder. Images are found at any depth, links are
            followed, the order is that of the sorted paths.
        ann_file (str): A list file, ``path`` or ``path label`` per line,
            below ``data_root`` unless absolute. Without one every image is
            taken. Defaults to ''.
        data_prefix (str | dict): Folder below ``data_root`` that holds the
            images and that listed paths start from; MMEngine's
            ``dict(img_path=...)`` is accepted too. Defaults to ''.
        with_label (bool): Whether to give labels: those of the list, else
            the number of the first folder of the image's path.
            Defaults to False.
        classes (Sequence[str], optional): The class folders in the order of
            their labels. Give the same to all sets of an evaluation where
            one of them lacks a class. Defaults to None, the sorted folders.
        extensions (Sequence[str]): Endings of image names, in any case.
            Defaults to ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif',
            '.tiff', '.ppm', '.pgm').
        max_images (int, optional): Take at most so many images, evenly
            spread over the sorted list so that each class keeps its share.
            (``indices=n`` takes the first n, which are of the first classes.)
            Defaults to None.
        max_skipped_share (float): Give up when more than this share of the
            images could not be read. Defaults to 0.1.
        max_pixels (int): An image of more is skipped before it is decoded:
            a file of a few kilobytes can unpack to gigabytes, in each worker
            at once. Defaults to 89478485, PIL's own limit, a quarter GiB of
            24-bit pixels.
        pipeline (Sequence[dict | Callable]): The transforms.
            Defaults to ().
        kwargs: Further arguments of :class:`mmengine.dataset.BaseDataset`.

    Attributes:
        skip_file (str | None): Where the paths of bad images are appended.
            :class:`PreflightHook` sets it to ``work_dir/skipped.txt``.

    Raises:
        ValueError: If the folder is missing or has no images, the list
            names images that are not there, or labels are missing.
    """

    def __init__(self,
                 data_root: str,
                 ann_file: str = '',
                 data_prefix: str | dict = '',
                 with_label: bool = False,
                 classes: Sequence[str] | None = None,
                 extensions: Sequence[str] = IMAGE_EXTENSIONS,
                 max_images: int | None = None,
                 max_skipped_share: float = 0.1,
                 max_pixels: int = 89478485,
                 pipeline: Sequence[dict | Callable] = (),
                 **kwargs: Any) -> None:
        check_folder_settings(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=data_prefix,
            with_label=with_label,
            classes=classes,
            extensions=extensions,
            max_images=max_images,
            max_skipped_share=max_skipped_share,
            max_pixels=max_pixels)
        if isinstance(extensions, str):
            extensions = (extensions, )
        if isinstance(data_prefix, str):
            data_prefix = dict(img_path=data_prefix)
        self.with_label = with_label
        self.extensions = tuple(extensions)
        self.max_images = max_images
        self.max_skipped_share = max_skipped_share
        self.max_pixels = max_pixels
        self.skip_file: str | None = None
        self.skipped: SkipRecord
        self._views = _no_seed()
        metainfo = dict(kwargs.pop('metainfo', None) or {})
        if classes is not None:
            metainfo['classes'] = tuple(classes)
        super().__init__(
            ann_file=ann_file,
            metainfo=metainfo,
            data_root=os.path.expanduser(data_root or ''),
            data_prefix=data_prefix,
            pipeline=list(pipeline),
            **kwargs)

    def full_init(self) -> None:
        """Find the images; done once, before the workers start."""
        if self._fully_initialized:
            return
        super().full_init()
        self.skipped = SkipRecord(len(self))

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep some images only; see :class:`mmengine.dataset.BaseDataset`."""
        super().get_subset_(indices)
        self.skipped = SkipRecord(len(self))

    def get_subset(self, indices: Sequence[int] | int) -> ImageFolder:
        """A copy with some images; see ``BaseDataset.get_subset``."""
        subset = super().get_subset(indices)
        subset.skipped = SkipRecord(len(subset))
        subset._views = _no_seed()
        return subset

    def load_data_list(self) -> list[dict]:
        """Path and label of every image.

        Returns:
            list[dict]: ``img_path`` and ``gt_label`` of each.
        """
        folder = self.data_prefix['img_path'].rstrip('/') or '/'
        if not self.data_root or not Path(folder).is_dir():
            raise ValueError(
                f'ImageFolder found no folder {folder!r} (data_root='
                f'{self.data_root!r}); set data_root to a folder of images')
        given = (folder, self.extensions, self.with_label,
                 self._metainfo.get('classes'))
        if self.ann_file:
            samples = listed_images(self.ann_file, *given)
        else:
            samples, classes = found_images(*given)
            if classes is not None:
                self._metainfo['classes'] = classes
        if self.max_images is not None and self.max_images < len(samples):
            count, kept = len(samples), self.max_images
            samples = [samples[i * count // kept] for i in range(kept)]
        return [
            dict(img_path=os.path.join(folder, name), gt_label=label)
            for name, label in samples
        ]

    def seed_views(self, seed: int, epoch: int) -> None:
        """From now on, draw the views of image i from (seed, epoch, i).

        Args:
            seed (int): Seed of the run, 0 or more.
            epoch (int): Number of the epoch, from 0.
        """
        self._views.copy_(torch.tensor([seed, epoch]))

    def __getitem__(self, idx: int) -> Any:
        """One image through the pipeline.

        Args:
            idx (int): Its number.

        Returns:
            Any: What the pipeline makes of it, or of another if it is bad.
        """
        seed, epoch = self._views.tolist()
        if epoch < 0:
            return super().__getitem__(idx)
        # nobody else draws from the streams of a worker
        with nullcontext() if get_worker_info() else kept_random_state():
            # 1: not the streams of the training loop
            seed_streams(seed, 1, epoch, int(idx) % len(self), devices=False)
            return super().__getitem__(idx)

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one image.

        Args:
            idx (int): Its number.

        Returns:
            Any: What the pipeline makes of it, or None for a bad image, for
            which MMEngine then draws another.

        Raises:
            ValueError: If too many images were bad, or in test mode, where
                none may be replaced.
        """
        data = self.get_data_info(idx)
        path = data['img_path']
        try:
            check_header(path, self.max_pixels)
        except (OSError, ValueError) as error:
            return self._skip(idx, path, error)
        for transform in self.pipeline.transforms:
            loaded = 'img' in data
            try:
                data = transform(data)
            except Exception as error:
                # after loading, only what an image can cause: a setting
                # that is wrong must not look like a bad image
                if loaded and not isinstance(error, _IMAGE_ERRORS):
                    raise
                return self._skip(idx, path, error)
            if data is None:
                return self._skip(idx, path, f'{transform} gave None')
        return data

    def _skip(self, idx: int, path: str, reason: object) -> None:
        if self.test_mode:
            raise ValueError(
                f'{path!r} cannot be read ({reason}); in test mode no image '
                'is replaced by another: repair or remove it, or set '
                'test_mode=False')
        if not self.skipped.add(idx):
            return
        if self.skip_file is not None:
            append_path(self.skip_file, path)
        self.check_skipped(self.skipped.count, f'the last was {path!r}: '
                           f'{reason}')

    def check_skipped(self, count: int, detail: str) -> None:
        """Raise ValueError if too many images were bad.

        Args:
            count (int): Number of bad images.
            detail (str): What else to say.
        """
        if count > self.max_skipped_share * len(self):
            listed = f', listed in {self.skip_file!r}' * bool(self.skip_file)
            raise ValueError(
                f'{count} of {len(self)} images below {self.data_root!r} '
                f'could not be read{listed}; that is more than '
                f'max_skipped_share={self.max_skipped_share} ({detail}). '
                'Repair or remove them, or raise max_skipped_share')


def _no_seed() -> torch.Tensor:
    """Seed and epoch, in memory that persistent workers share."""
    return torch.full((2, ), -1).share_memory_()
