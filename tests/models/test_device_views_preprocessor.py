# Copyright (c) mmregioncl contributors. All rights reserved.
"""Finished views against MMSelfSup's: one by one, and as a distribution."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmregioncl.models.data_preprocessors.device_views_preprocessor import (
    DeviceViewsPreprocessor, SelfSupDataPreprocessor)
from tests.stock_views import (BLUR, FLIP, GREY, batch, composed, crop,
                               finished, jitter, ours, seed, stock, whole,
                               write_photos)
from tests.tiny_run import MEAN, STD, build_runner, config, write_images

FULL = crop(scale=(1., 1.), ratio=(1., 1.))  # nothing is cut off
CASES = dict(
    crop=[crop()],
    brightness=[FULL, jitter(brightness=0.4)],
    contrast=[FULL, jitter(contrast=0.4)],
    saturation=[FULL, jitter(saturation=0.4)],
    hue=[FULL, jitter(hue=0.1)],
    jitter=[FULL, jitter()],
    grey=[FULL, GREY],
    blur=[FULL, BLUR],
    flip=[FULL, FLIP],
    whole=whole())
# What each case would be with one thing wrong, which must show.
WRONG = dict(
    crop=[crop(scale=(0.08, 1.))],
    brightness=[FULL, jitter(brightness=0.3)],
    contrast=[FULL, jitter(contrast=0.2)],
    saturation=[FULL, jitter(saturation=0.2)],
    hue=[FULL, jitter(hue=0.05)],
    jitter=[FULL, jitter(prob=0.5)],
    grey=[FULL, dict(GREY, prob=0.35)],
    blur=[FULL, dict(BLUR, sigma_max=1.0)],
    flip=[FULL, dict(FLIP, prob=0.3)],
    whole=[crop(), jitter(), GREY,
           dict(BLUR, sigma_max=1.0), FLIP])
VIEWS = 2000
# Levels of 255 that a pixel, and the mean of a view, may be off with the same
# seed. Pillow rounds down after each step, and turns hues by 1/256.
ROUNDING = dict(
    crop=(0, 0),
    brightness=(1, 0.7),
    contrast=(1.5, 0.7),
    saturation=(1.5, 0.7),
    hue=(16, 1.5),
    jitter=(25, 2.5),
    grey=(1, 0.7),
    blur=(10, 1),  # at the border; inside it is 1
    flip=(0, 0),
    whole=(25, 2.5))


@pytest.fixture(scope='module')
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp('photos')
    return write_photos(folder, 100, 32, 32, 'png')


def statistics(views: Tensor) -> np.ndarray:
    """Numbers of each view: mean, variance, histogram, edges, sides."""
    views = views.float().round()  # as bytes are
    columns = [views.mean((2, 3)), views.var((2, 3))]
    for low in range(0, 256, 32):
        columns.append(((views >= low) & (views < low + 32)).float().mean(
            (2, 3)))
    columns.append(views.diff(dim=3).square().mean((2, 3)))
    half = views.shape[3] // 2
    columns.append(views[..., :half].mean((2, 3)) -
                   views[..., half:].mean((2, 3)))
    return torch.cat(columns, 1).double().numpy()


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Largest gap between the cumulative distributions of any number.

    Kolmogorov and Smirnov's. With 2,000 draws on either side of one
    distribution, one number exceeds 0.075 once in 40,000 times.
    """
    gaps = []
    for a, b in zip(first.T, second.T):
        values = np.concatenate([a, b])
        gaps.append(
            np.abs(
                np.searchsorted(np.sort(a), values, 'right') / len(a) -
                np.searchsorted(np.sort(b), values, 'right') / len(b)).max())
    return max(gaps)


@pytest.mark.parametrize('case', CASES)
def test_same_distribution_as_the_stock(case: str, photos: list[str]) -> None:
    """Each by draws of its own; and one wrong setting would be seen."""
    paths = photos * (VIEWS // 2 // len(photos))
    seed(1)
    theirs = statistics(torch.cat(batch(stock(CASES[case]), paths)['inputs']))
    assert theirs.shape == (VIEWS, 36)
    seed(2)
    views = finished(batch(ours(CASES[case]), paths))
    mine = statistics(views)
    assert distance(theirs, mine) < 0.075
    # mean and spread of all pixels; Pillow rounds down, by up to half of
    # 255 for each step
    assert abs(theirs[:, :3].mean() - mine[:, :3].mean()) < 2
    assert theirs[:, 3:6].mean() == pytest.approx(mine[:, 3:6].mean(), rel=.05)
    seed(3)
    wrong = statistics(finished(batch(ours(WRONG[case]), paths)))
    assert distance(theirs, wrong) > 0.09
    assert distance(theirs, statistics(views.flip(1))) > 0.09  # RGB for BGR


@pytest.mark.parametrize('case', CASES)
def test_same_seed_same_views(case: str, photos: list[str]) -> None:
    """Not alike but equal, up to rounding."""
    seed(5)
    theirs = torch.cat(batch(stock(CASES[case]), photos[:40])['inputs'])
    seed(5)
    mine = finished(batch(ours(CASES[case]), photos[:40]))
    difference = (mine - theirs.float()).abs()
    pixel, mean = ROUNDING[case]
    assert difference.max() <= pixel + 1e-3
    assert difference.mean((1, 2, 3)).max() <= mean + 1e-3


def test_weights_of_the_grey_are_the_configs(photos: list[str]) -> None:
    grey = dict(GREY, prob=1., channel_weights=(0.7, 0.2, 0.1))  # B, G, R
    theirs = torch.cat(batch(stock([FULL, grey]), photos[:8])['inputs'])
    mine = finished(batch(ours([FULL, grey]), photos[:8]))
    assert (mine - theirs).abs().max() <= 1 + 1e-3


def test_steps_in_other_places(photos: list[str]) -> None:
    """A flip may come first, and blur be within RandomApply."""
    blur = dict(type='RandomApply', transforms=[BLUR], prob=0.7)
    pipeline = [FULL, FLIP, jitter(prob=1.), blur]
    seed(5)
    theirs = torch.cat(batch(stock(pipeline), photos[:40])['inputs'])
    seed(5)
    mine = finished(batch(ours(pipeline), photos[:40]))
    assert (mine - theirs).abs().mean((1, 2, 3)).max() < 2.5


@pytest.mark.parametrize('bgr_to_rgb', [True, False])
def test_normalised_in_the_networks_order(photos: list[str],
                                          bgr_to_rgb: bool) -> None:
    unfinished = batch(ours([crop()]), photos[:4])
    settings = dict(mean=MEAN, std=STD, bgr_to_rgb=bgr_to_rgb)
    mine, samples = DeviceViewsPreprocessor(**settings)(unfinished, True)
    inputs = dict(
        inputs=[view.permute(0, 3, 1, 2) for view in unfinished['inputs']],
        data_samples=unfinished['data_samples'])
    theirs, _ = SelfSupDataPreprocessor(**settings)(inputs, True)
    for a, b in zip(mine, theirs):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    assert [sample.img_path for sample in samples] == photos[:4]


def test_only_training_finishes(photos: list[str]) -> None:
    unfinished = batch(ours(whole()), photos[:4])
    (view, _), _ = DeviceViewsPreprocessor()(unfinished, False)
    assert (view.permute(0, 2, 3, 1) == unfinished['inputs'][0]).all()
    assert set(unfinished) == {'inputs', 'data_samples', 'view_steps'}


def test_a_stock_batch_is_left_as_it_is(photos: list[str]) -> None:
    settings = dict(mean=MEAN, std=STD, bgr_to_rgb=True)
    theirs = batch(stock(whole()), photos[:4])
    first, _ = DeviceViewsPreprocessor(**settings)(theirs, True)
    second, _ = SelfSupDataPreprocessor(**settings)(theirs, True)
    assert all((a == b).all() for a, b in zip(first, second))


def test_the_stock_preprocessor_refuses_unfinished_views(
        photos: list[str]) -> None:
    with pytest.raises(ValueError, match='too many values'):
        SelfSupDataPreprocessor()(batch(ours(whole()), photos[:2]), True)


def test_half_precision_leaves_the_views_alone(photos: list[str]) -> None:
    unfinished = batch(ours(whole()), photos[:16])
    plain = finished(unfinished)
    with torch.autocast('cpu', torch.bfloat16):
        mixed = finished(unfinished)
    assert mixed.dtype == torch.float32
    assert (plain == mixed).all()


def test_views_of_two_sizes(photos: list[str]) -> None:
    """One kind of view per list, as MultiView has it."""
    pipelines = [[crop(), BLUR], [crop(size=16), jitter()]]
    seed(5)
    theirs = batch(
        composed(
            dict(type='LoadImageFromFile'),
            dict(type='MultiView', num_views=[1, 2], transforms=pipelines),
            dict(type='PackSelfSupInputs')), photos[:6])['inputs']
    seed(5)
    unfinished = batch(
        composed(
            dict(type='LoadViews', num_views=[1, 2], transforms=pipelines),
            dict(type='PackViews')), photos[:6])
    mine, _ = DeviceViewsPreprocessor()(unfinished, True)
    assert [view.shape[2] for view in mine] == [32, 16, 16]
    for a, b in zip(mine, theirs):
        assert (a - b).abs().mean((1, 2, 3)).max() < 2.5


def test_a_run_with_a_bad_image(tmp_path: Path) -> None:
    """MMSelfSup's MoCo, workers, k-NN; the corrupt image is skipped."""
    root = write_images(tmp_path / 'data', 6)
    (root / 'red' / '001.png').write_bytes(b'no image')
    cfg: Any = config(root, tmp_path / 'run')
    cfg['model']['data_preprocessor']['type'] = 'DeviceViewsPreprocessor'
    cfg['train_dataloader'] |= dict(num_workers=1)
    cfg['train_dataloader']['dataset']['pipeline'] = [
        dict(
            type='LoadViews',
            num_views=2,
            transforms=[[crop(size=16),
                         jitter(), GREY, BLUR, FLIP]]),
        dict(type='PackViews', meta_keys=['img_path'])
    ]
    cfg['val_dataloader'] = cfg['val_evaluator'] = cfg['val_cfg'] = None
    cfg['default_hooks'] = dict(checkpoint=None)
    cfg['custom_hooks'] = [dict(type='PreflightHook')]
    cfg['train_cfg'] = dict(by_epoch=True, max_epochs=1)
    runner = build_runner(cfg)
    runner.train()
    assert runner.iter == 18 // 4
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert np.isfinite(losses).all()
    skipped = (tmp_path / 'run' / 'skipped.txt').read_text()
    assert skipped.splitlines() == [str(root / 'red' / '001.png')]
