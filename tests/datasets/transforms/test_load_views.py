# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmregioncl.datasets import ImageFolder
from mmregioncl.datasets.transforms import load_views
from mmregioncl.datasets.transforms.load_views import (LoadViews,
                                                       UnfinishedViews,
                                                       jpeg_shape)
from tests.stock_views import (batch, composed, crop, finished, ours, seed,
                               stock, whole, write_photos)


@pytest.fixture(scope='module')
def large(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """JPEG files with pixels to spare for views of 32."""
    folder = tmp_path_factory.mktemp('large')
    return write_photos(folder, 6, 300, 401, 'jpg')


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By how much each image was made smaller while it was decoded."""
    factors: list[int] = []
    decode = load_views._decode

    def recorded(content: bytes, factor: int, path: str) -> np.ndarray:
        factors.append(factor)
        return decode(content, factor, path)

    monkeypatch.setattr(load_views, '_decode', recorded)
    return factors


def both(paths: list[str], pipeline: list[dict],
         **settings: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Views of the stock and ours, with the same seed, as floats."""
    seed(3)
    theirs = torch.cat(batch(stock(pipeline), paths)['inputs']).float()
    seed(3)
    return theirs, finished(batch(ours(pipeline, **settings), paths))


@pytest.mark.parametrize('backend', ['pillow', 'cv2'])
def test_crops_are_the_stocks(large: list[str], backend: str,
                              decodings: list[int]) -> None:
    theirs, mine = both(large, [crop(size=(24, 40), backend=backend)])
    assert mine.shape == (12, 3, 24, 40)
    assert decodings == [1] * 6  # once for both views
    assert (mine - theirs).abs().max() <= (1 + 1e-4)


def test_no_more_pixels_than_the_crops_need(large: list[str],
                                            decodings: list[int]) -> None:
    """The same views, all but sharper detail, from an eighth at best."""
    theirs, mine = both(large, [crop(size=32)], reducing_gap=1.)
    assert min(decodings) == 4 and max(decodings) <= 8
    assert len(decodings) == 6
    assert (mine - theirs).abs().mean() < 4
    assert (mine - theirs).mean().abs() < 1
    decodings.clear()
    _, wider = both(large, [crop(size=32)], reducing_gap=3.)
    assert max(decodings) <= 2
    assert (wider - theirs).abs().mean() < (mine - theirs).abs().mean()


def test_factor_is_the_largest_that_every_crop_bears() -> None:
    load = LoadViews([[_built_crop(100)]], num_views=2, reducing_gap=1.5)
    wide, narrow = (0, 0, 1300, 900), (0, 0, 700, 299)
    for boxes, factor in (((wide, wide), 4), ((wide, narrow), 1),
                          (((0, 0, 1300, 300), wide),
                           2), (((0, 0, 1199, 1300), ) * 2,
                                4), (((0, 0, 1200, 1300), ) * 2, 8)):
        assert load._reduction(list(boxes)) == factor


def _built_crop(size: int) -> dict:
    return dict(crop(size=size), type='mmselfsup.RandomResizedCrop')


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('gap', [1., 1e9])
def test_turned_as_exif_says(tmp_path: Path, orientation: int,
                             gap: float) -> None:
    folder = tmp_path / 'plain'
    photo = Image.open(write_photos(folder, 1, 200, 320, 'png')[0])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(tmp_path / 'turned.jpg')
    photo.save(path, exif=exif, quality=98)
    shape = jpeg_shape(Path(path).read_bytes())
    assert shape == cv2.imread(path).shape[:2]
    assert shape == ((320, 200) if orientation > 4 else (200, 320))
    theirs, mine = both([path], [crop(size=32)], reducing_gap=gap)
    assert (mine - theirs).abs().mean() < (4 if gap == 1 else .2)


@pytest.mark.parametrize('name, mode', [('a.png', 'RGBA'), ('b.jpg', 'L'),
                                        ('c.jpg', 'CMYK'), ('d.bmp', 'RGB'),
                                        ('e.webp', 'RGB')])
def test_any_format(tmp_path: Path, name: str, mode: str) -> None:
    photo = Image.open(write_photos(tmp_path / 'in', 1, 150, 190, 'png')[0])
    path = str(tmp_path / name)
    photo.convert(mode).save(path)
    theirs, mine = both([path], [crop(size=48)])
    assert (mine - theirs).abs().max() <= 1 + 1e-4


def test_a_header_that_lies(large: list[str], monkeypatch: Any,
                            decodings: list[int]) -> None:
    """The decoded image decides."""
    for lie in ((3000, 4000), (300, 441)):
        monkeypatch.setattr(load_views, 'jpeg_shape', lambda _: lie)
        views = ours([crop(size=32, scale=(1., 1.))], reducing_gap=1.)(
            dict(img_path=large[0]))
        assert views['inputs'][0].shape == (32, 32, 3)
        assert decodings[-1] == 1


def test_files_too_small_to_spare_pixels_are_decoded_at_once(
        large: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(load_views, 'jpeg_shape', lambda _: 1 / 0)
    size = Path(large[0]).stat().st_size
    side = int((size * 8 / 2)**.5 / 2) + 1  # a bit more than half of it
    ours([crop(size=side)], reducing_gap=1.)(dict(img_path=large[0]))
    with pytest.raises(ZeroDivisionError):
        ours([crop(size=side - 2)], reducing_gap=1.)(dict(img_path=large[0]))


def test_bad_images_are_skipped(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, 8, 40, 40, 'jpg')
    Path(paths[2]).write_bytes(b'\xff\xd8 no image' * 400)
    Path(paths[5]).write_bytes(b'')
    dataset = ImageFolder(str(tmp_path), max_skipped_share=0.5)
    dataset.pipeline = ours(whole(size=16), reducing_gap=1.)
    assert dataset.prepare_data(2) is None
    assert dataset.prepare_data(5) is None
    assert dataset.skipped.count == 2
    assert dataset[2]['inputs'][0].shape == (16, 16, 3)


def test_what_is_left_to_do_cannot_get_lost(large: list[str]) -> None:
    """MMSelfSup's packing does not take unfinished views."""
    load = LoadViews([[_built_crop(16)]])
    loaded = load.transform(dict(img_path=large[0]))
    assert isinstance(loaded['img'], UnfinishedViews)
    assert loaded['ori_shape'] == (300, 401)
    with pytest.raises(AttributeError, match='UnfinishedViews'):
        composed(dict(type='PackSelfSupInputs'))(loaded)


@pytest.mark.parametrize('settings, message', [
    (dict(transforms=[[_built_crop(16)]], num_views=[1, 1]),
     r'num_views=\[1, 1\] must give a count from 1 for each of the 1 lists'),
    (dict(transforms=[[_built_crop(16)]], num_views=0), 'num_views=0'),
    (dict(transforms=[[_built_crop(16)]],
          reducing_gap=0.5), 'reducing_gap must be 1 or more, got 0.5'),
    (dict(transforms=[[dict(_built_crop(16), interpolation='bicubic')]]),
     "must begin with RandomResizedCrop.interpolation='bilinear'"),
    (dict(transforms=[[dict(type='mmselfsup.RandomSolarize')]]),
     'must begin with RandomResizedCrop'),
    (dict(transforms=[[]]), 'must begin with RandomResizedCrop'),
])
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoadViews(**settings)


def test_repr() -> None:
    assert repr(LoadViews([[_built_crop(16)]
                           ])) == ('LoadViews(num_views=2, reducing_gap=1.5)')
