# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import pytest
import torch
from mmcv.transforms import Compose
from torch import Tensor

import mmregioncl.register  # noqa: F401
from mmregioncl.core import swap_regions
from mmregioncl.datasets.transforms import RegionSwap, region_swap
from tests import references


def views(num: int, height: int = 20, width: int = 28) -> Tensor:
    return torch.rand(num, 3, height, width, dtype=torch.float64)


def rows(boxes: Tensor) -> list[tuple[int, ...]]:
    return [tuple(box) for box in boxes.tolist()]


def test_registered_with_the_defaults_of_the_paper() -> None:
    transform = region_swap.TRANSFORMS.build(dict(type='RegionSwap'))
    assert isinstance(transform, RegionSwap)
    assert repr(transform) == (
        "RegionSwap(stride=32, cells=(3, 5), sampler='grid', scope='batch', "
        "pairing='flip')")


@pytest.mark.parametrize('num', [2, 3, 4, 5, 7])
@pytest.mark.parametrize('scope', ['batch', 'image'])
@pytest.mark.parametrize('pairing', ['flip', 'random'])
def test_composites_are_what_the_regions_say(num: int, scope: str,
                                             pairing: str) -> None:
    transform = RegionSwap(4, (1, 4), 'grid', scope, pairing)
    for _ in range(4):
        images = views(num)
        before = images.clone()
        composites, regions = transform(images)
        assert regions.stride == 4
        donors = regions.donors.tolist()
        assert references.is_derangement(donors)
        pixels = [tuple(4 * side for side in box)
                  for box in rows(regions.boxes)]
        assert torch.equal(composites,
                           references.swapped(images, pixels, donors))
        assert torch.equal(composites, swap_regions(images, regions))
        assert torch.equal(images, before)
        for x, y, w, h in rows(regions.boxes):
            assert 1 <= w <= 4 and 1 <= h <= 4
            assert 0 <= x <= 7 - w and 0 <= y <= 5 - h


def test_scope() -> None:
    """One box per batch, or one per composite."""
    together, apart = set(), set()
    for _ in range(8):
        _, regions = RegionSwap(4, (1, 4), scope='batch')(views(6))
        assert len(set(rows(regions.boxes))) == 1
        together.update(rows(regions.boxes))
        _, regions = RegionSwap(4, (1, 4), scope='image')(views(6))
        apart.add(len(set(rows(regions.boxes))))
    assert len(together) > 4  # a new one in each step
    assert min(apart) > 2


def test_pairing() -> None:
    _, regions = RegionSwap(4, (1, 4), pairing='flip')(views(6))
    assert regions.donors.tolist() == [5, 4, 3, 2, 1, 0]
    drawn = {
        tuple(RegionSwap(4, (1, 4), pairing='random')(
            views(6))[1].donors.tolist()) for _ in range(20)
    }
    assert len(drawn) > 15
    assert any(donors[donors[0]] != 0 for donors in drawn)  # no involution


@pytest.mark.parametrize('sampler', ['grid', 'legacy'])
@pytest.mark.parametrize('scope', ['batch', 'image'])
def test_repeats_from_the_seed(sampler: str, scope: str) -> None:
    transform = RegionSwap(4, (1, 4), sampler, scope, 'random')
    images = views(5)

    def steps(seed: int) -> list[Any]:
        torch.manual_seed(seed)
        drawn = [transform(images)[1] for _ in range(3)]
        return [(rows(each.boxes), each.donors.tolist()) for each in drawn]

    first = steps(1)
    assert steps(1) == first != steps(2)
    assert first[0] != first[1] != first[2]
    # nothing is kept: torch's state alone continues the run
    torch.manual_seed(1)
    transform(images)
    state = torch.get_rng_state()
    transform(images)
    torch.set_rng_state(state)
    _, regions = RegionSwap(4, (1, 4), sampler, scope, 'random')(images)
    assert (rows(regions.boxes), regions.donors.tolist()) == first[1]


def test_ranks_draw_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """All ranks are seeded alike; the authors so drew one box for all."""
    transform = RegionSwap(4, (1, 4), scope='image')
    drawn, states = [], []
    for rank in (0, 1, 2, 0):
        monkeypatch.setattr(region_swap, 'get_rank', lambda: rank)
        torch.manual_seed(0)
        drawn.append(rows(transform(views(8))[1].boxes))
        states.append(torch.rand(1).item())
    assert drawn[0] == drawn[3]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]
    assert len(set(states)) == 1  # and stay in step with each other


@pytest.mark.parametrize('scope', ['batch', 'image'])
def test_legacy_pastes_at_pixels_and_pools_at_cells(scope: str) -> None:
    """Found from the pixels: where a composite shows its donor."""
    transform = RegionSwap(32, (3, 5), 'legacy', scope, 'random')
    num, aligned = 4, 0
    images = torch.arange(4.).view(num, 1, 1, 1).expand(num, 1, 224, 224)
    for _ in range(10):
        composites, regions = transform(images)
        for composite, donor, (x, y, w, h) in zip(
                composites, regions.donors, rows(regions.boxes)):
            pasted = composite[0].eq(donor).nonzero()
            top, left = pasted.amin(0).tolist()
            bottom, right = pasted.amax(0).tolist()
            assert len(pasted) == (w * 32) * (h * 32)
            assert (right - left + 1, bottom - top + 1) == (w * 32, h * 32)
            assert (left // 32, top // 32) == (x, y)
            assert left in {0, 32, 64, 96, 223 - w * 32}
            assert top in {0, 32, 64, 96, 223 - h * 32}
            assert right <= 222 and bottom <= 222  # the authors' off-by-one
            aligned += left % 32 == 0 and top % 32 == 0
    assert 0 < 40 - aligned  # most are not (see tests of the sampler)


def test_any_dtype_and_layout() -> None:
    transform = RegionSwap(4, (1, 4), scope='image')
    for images in (views(3).half(), views(3).mul(255).byte(),
                   views(3).to(memory_format=torch.channels_last),
                   views(6)[::2]):
        composites, regions = transform(images)
        assert composites.dtype == images.dtype
        assert torch.equal(composites, swap_regions(images, regions))


@pytest.mark.parametrize('settings, message', [
    (dict(sampler='grit'), r"sampler must be one of .*'legacy'.*'grit'"),
    (dict(scope='pair'), r"scope must be one of .*'image'.*'pair'"),
    (dict(pairing='none'), r"pairing must be one of .*'random'.*'none'"),
    (dict(stride=0), 'stride must be a positive number of pixels, got 0'),
    (dict(stride=-32), 'stride must be a positive .* got -32'),
    (dict(stride=16.), r'stride must be a positive .* got 16\.0'),
    (dict(cells=(0, 3)), r'cells must be .* 1 <= smallest .* got \(0, 3\)'),
    (dict(cells=(4, 3)), r'cells must be .* got \(4, 3\)'),
    (dict(cells=4), 'cells must be .* got 4'),
    (dict(cells=(1, 2, 3)), r'cells must be .* got \(1, 2, 3\)'),
    (dict(cells=(1.5, 3)), r'cells must be .* got \(1\.5, 3\)'),
])
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match='region_swap.' + message):
        RegionSwap(**settings)


@pytest.mark.parametrize('settings, images, message', [
    # the box leaves no canvas
    (dict(cells=(3, 7)), (4, 3, 224, 224),
     r'cells=\(3, 7\) does not fit an image of 224 x 224 .* 7 x 7 cells of '
     r'stride 32, .* would leave no canvas; use smaller'),
    # the box is larger than the image: the defaults on 64 px
    (dict(), (4, 3, 64, 64), r'cells=\(3, 5\) does not fit .* 2 x 2 cells'),
    (dict(stride=8, cells=(1, 5)), (4, 3, 32, 64), 'does not fit .* 4 x 8'),
    # the authors need a pixel beyond their box
    (dict(stride=8, cells=(1, 4), sampler='legacy'), (4, 3, 32, 64),
     "does not fit .* sampler='legacy'"),
    (dict(), (4, 3, 225, 224), r'225 x 224 pixels is no multiple of '
     r'region_swap.stride=32; change the size of RandomResizedCrop'),
    (dict(), (4, 3, 224, 200), '224 x 200 .* no multiple'),
    (dict(), (1, 3, 224, 224), r'batch of one; set '
     r'train_dataloader.batch_size to 2 or more and drop_last=True'),
    (dict(), (3, 224, 224), 'takes a batch of shape .* got Tensor'),
])
def test_bad_batches(settings: dict, images: tuple[int, ...],
                     message: str) -> None:
    transform = RegionSwap(**settings)
    with pytest.raises(ValueError, match=message):
        transform(torch.zeros(images))
    if len(images) == 4:  # the same before anything is computed
        with pytest.raises(ValueError, match=message):
            transform.check(torch.zeros(images, device='meta'))


def test_the_largest_boxes_that_fit() -> None:
    """As wide as the image, as long as a canvas is left above or below."""
    RegionSwap(8, (4, 4))(torch.rand(2, 3, 32, 64))
    RegionSwap(8, (3, 3), 'legacy')(torch.rand(2, 3, 32, 64))


@pytest.mark.parametrize('results', [
    dict(img=torch.zeros(32, 32, 3).numpy(), img_path='a.jpg'),
    dict(inputs=[torch.zeros(3, 32, 32)]),
])
def test_in_a_per_image_pipeline(results: dict) -> None:
    pipeline = Compose([RegionSwap()])
    with pytest.raises(ValueError, match='got dict.* no place in a per-image '
                       r'pipeline: take it out of train_pipeline and set '
                       r'model.region_swap=dict\(...\)'):
        pipeline(results)
