# Copyright (c) mmregioncl contributors. All rights reserved.
"""Images without augmentation, to look at features of."""
from __future__ import annotations

import copy

from mmengine.config import Config

from mmregioncl.datasets.image_listing import IMAGE_EXTENSIONS, find_images

_PACK = dict(type='PackLabelledImage')


def plain_dataloader(cfg: Config,
                     data_root: str | None = None,
                     size: int | None = None,
                     max_images: int | None = None) -> dict:
    """Settings of a loader of plain images, in their order.

    Args:
        cfg (Config): A pretraining config; its ``val_dataloader`` is taken
            where no folder is given.
        data_root (str, optional): A folder; folders in it are classes.
            Defaults to None.
        size (int, optional): Side that images are scaled to, in pixels.
            Defaults to None, that of the config, and 224 for a folder.
        max_images (int, optional): Take at most so many, evenly spread.
            Defaults to None.

    Returns:
        dict: For ``Runner.build_dataloader``.

    Raises:
        ValueError: If there is neither a folder nor a ``val_dataloader``.
    """
    if data_root is None and cfg.get('val_dataloader') is None:
        raise ValueError('the config has no val_dataloader, hence no labelled '
                         'images; name a folder of images: --data-root')
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(size or 224, size or 224)), _PACK
    ]
    if data_root is None:
        dataset = copy.deepcopy(dict(cfg.val_dataloader.dataset))
        if size is not None:
            dataset['pipeline'] = pipeline
    else:
        dataset = dict(
            type='ImageFolder',
            data_root=data_root,
            with_label=_in_folders(data_root),
            pipeline=pipeline)
    if max_images is not None:
        dataset['max_images'] = max_images
    return dict(
        batch_size=64,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
        dataset=dataset)


def _in_folders(data_root: str) -> bool:
    """Whether every image is in a folder of its class."""
    names = find_images(data_root, IMAGE_EXTENSIONS)
    return bool(names) and all('/' in name for name in names)
