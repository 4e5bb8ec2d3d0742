# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import mmregioncl.register  # noqa: F401
from mmregioncl.core import paste_boxes
from mmregioncl.datasets.transforms import region_swap
from mmregioncl.visualization.training_views import TrainingViews, spread
from tests.tiny_run import config, write_images


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('images'), 2)


def source(root: Path, **swap: object) -> TrainingViews:
    init_default_scope('mmselfsup')
    cfg = config(root, root)
    pipeline = cfg['train_dataloader']['dataset']['pipeline']
    cfg['train_dataloader'] |= dict(
        dataset=dict(
            type='ImageFolder',
            data_root=str(root),
            pipeline=[
                pipeline[0],
                dict(
                    type='MultiView',
                    num_views=2,
                    transforms=[[dict(type='Resize', scale=(
                        96, 64))]]), pipeline[-1]
            ]))
    cfg['model'] |= dict(region_swap=swap or None)
    return TrainingViews(Config(cfg))


def test_views_are_the_images(root: Path) -> None:
    """What the pipeline makes, in the colours of the file."""
    each = source(root)
    first, second = each.views([0, 3])
    path = each.dataset.get_data_info(3)['img_path']
    image = cv2.resize(cv2.imread(path), (96, 64))
    expected = torch.from_numpy(image).permute(2, 0, 1).flip(0)
    assert torch.equal(first[1], expected)
    assert torch.equal(second, first)  # no augmentation here
    with pytest.raises(ValueError, match='sets no model.region_swap'):
        each.composites(first)


@pytest.mark.parametrize('sampler', ['grid', 'legacy'])
def test_pasted_is_where_pixels_came_from(
        root: Path, sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def spy(*args: object) -> tuple:
        drawn.append(legacy(*args))
        return drawn[-1]

    legacy = region_swap.sample_legacy
    monkeypatch.setattr(region_swap, 'sample_legacy', spy)
    each = source(
        root,
        stride=8,
        cells=(2, 4),
        sampler=sampler,
        scope='image',
        pairing='random')
    view, _ = each.views([0, 1, 2, 3, 4])
    made = each.composites(view)
    boxes = drawn[0][0] if drawn else made.regions.boxes * 8
    assert torch.equal(made.pasted, boxes)
    assert torch.equal(made.images,
                       paste_boxes(view, boxes, made.regions.donors))


def test_spread() -> None:
    assert spread(10, 5) == [0, 2, 4, 6, 8]
    assert spread(10, 5, 1) == [1, 3, 5, 7, 9]
    assert spread(3, 3, 2) == [2, 0, 1]
    assert len(set(spread(7, 5))) == 5


def test_a_single_image(root: Path, tmp_path: Path) -> None:
    image = next(root.rglob('*.png'))
    (tmp_path / 'one').mkdir()
    (tmp_path / 'one' / image.name).write_bytes(image.read_bytes())
    with pytest.raises(ValueError, match='holds 1 image'):
        source(tmp_path)
