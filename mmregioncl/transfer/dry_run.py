# Copyright (c) mmregioncl contributors. All rights reserved.
"""A downstream config on the demo data: seconds on a CPU for hours on GPUs."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

CLASSES = ('ball', 'car', 'chair', 'house', 'mug', 'ring', 'star', 'tree')
# Data sets of the benchmarks, and which layout of the scenes replaces them
KINDS = {
    'CocoDataset': 'coco',
    'CityscapesDataset': 'cityscapes',
    'mmselfsup.ImageFolder': 'folders',
}
SHRINK = 8  # Cityscapes' 2048 x 1024 becomes the demo data's 256 x 128
SIZES = ('scale', 'scales', 'crop_size', 'size')
# Counts that cost time and change no path through the code: at most so many
AT_MOST = dict(
    nms_pre=100,  # boxes that an RPN looks at
    max_per_img=20,  # and hands on
    num=16,  # boxes that a head trains on
    num_iters=1)  # batches of PreciseBNHook


def make_dry(cfg: Any, demo: str, iterations: int = 2) -> None:
    """Let a config run from end to end in seconds.

    Network, weights, hooks, loop, losses and evaluators stay what they are.
    The data become the drawn scenes of ``make_demo_data.py``, sides an
    eighth, and counts a handful.

    Args:
        cfg (mmengine.Config): Config of a detector on COCO or Cityscapes, a
            segmentor on Cityscapes, or a classifier on class folders; changed
            in place.
        demo (str): Folder that holds coco/, cityscapes/ and folders/.
        iterations (int): To train; as many images are evaluated.
            Defaults to 2.

    Raises:
        ValueError: If the config is for other data, or the demo data are not
            there.
    """
    kind = KINDS.get(cfg.train_dataloader.dataset.type)
    if kind is None:
        raise ValueError(
            f'no dry run of a {cfg.train_dataloader.dataset.type}: only '
            f'{", ".join(KINDS)} have drawn scenes to take their place')
    root = Path(demo, kind)
    if not (root / 'META.json').is_file():
        raise ValueError(
            f'{root} does not hold the demo data; make them: python '
            f'tools/dataset_converters/make_demo_data.py {demo}')
    _visit(cfg._cfg_dict, lambda part: _redirect(part, kind, root))
    _visit(cfg._cfg_dict, _reduce)
    if kind != 'cityscapes':
        _visit(cfg.model, _set_classes)
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.num_workers, loader.persistent_workers = 0, False
    # BN in training needs two values, even where a map has one pixel
    cfg.train_dataloader.batch_size = 2
    for split in ('val', 'test'):
        cfg[f'{split}_dataloader'].dataset.indices = iterations
    if 'max_iters' in cfg.train_cfg:
        cfg.train_cfg.update(max_iters=iterations, val_interval=iterations)
    else:
        cfg.train_cfg.update(max_epochs=1, val_interval=1)
        cfg.train_dataloader.dataset.indices = 2 * iterations
    cfg.default_hooks.logger.interval = 1


def _visit(part: Any, change: Callable[[dict], None]) -> None:
    """Apply a change to every dict, outermost first."""
    if isinstance(part, dict):
        change(part)
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        for each in part:
            _visit(each, change)


def _redirect(part: dict, kind: str, root: Path) -> None:
    """Data sets and evaluators to the demo data."""
    name = part.get('type')
    if name in KINDS:
        part['data_root'] = f'{root}/'
    if name == 'CocoDataset':
        split = 'val' if part.get('test_mode') else 'train'
        part.update(
            metainfo=dict(classes=CLASSES),
            ann_file=f'annotations/instances_{split}.json',
            data_prefix=dict(img=f'images/{split}/'))
    if name == 'mmselfsup.ImageFolder':
        split = 'val' if part.get('test_mode') else 'train'
        part.update(data_prefix=split, ann_file='')
    if name == 'CocoMetric':
        stem = 'instancesonly_filtered_gtFine' if (
            kind == 'cityscapes') else 'instances'
        part['ann_file'] = f'{root}/annotations/{stem}_val.json'
    if name == 'CityScapesMetric':
        part['seg_prefix'] = f'{root}/gtFine/val'


def _reduce(part: dict) -> None:
    """Sizes of images, numbers of boxes; and what boxes are shown."""
    for key in SIZES:
        if key in part:
            part[key] = _smaller(part[key])
    for key, most in AT_MOST.items():
        if isinstance(part.get(key), int):
            part[key] = min(part[key], most)
    if 'score_thr' in part:
        # two iterations leave scores at RetinaNet's prior, 0.01, and mmdet
        # evaluates nothing where nothing was found
        part['score_thr'] = 0.


def _smaller(size: Any) -> Any:
    """A side or a pair of sides in pixels, alone or in a list."""
    if isinstance(size, int):  # small ones are scales of anchors
        return size // SHRINK if size > 64 else size
    if isinstance(size, (list, tuple)) and size:
        if isinstance(size[0], (list, tuple)):
            return [_smaller(each) for each in size]
        if len(size) == 2:
            return tuple(_smaller(side) for side in size)
    return size


def _set_classes(part: dict) -> None:
    if part.get('num_classes', 1) > 1:
        part['num_classes'] = len(CLASSES)
