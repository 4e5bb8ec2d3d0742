# Copyright (c) mmregioncl contributors. All rights reserved.
"""The tools of tools/analysis_tools, each run once on a tiny run."""
from __future__ import annotations

import base64
import json
import re
import runpy
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from tests.tiny_run import config, regioncl_moco, write_images


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('images'), 5)


@pytest.fixture(scope='module')
def checkpoint(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights that are not the random ones of seed 0."""
    from mmengine.registry import init_default_scope

    import mmregioncl.register  # noqa: F401
    from mmregioncl.visualization.backbones import build_quietly
    init_default_scope('mmselfsup')
    model = build_quietly(config(root, root)['model'], 7)
    path = tmp_path_factory.mktemp('weights') / 'epoch_1.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return str(path)


@pytest.fixture
def tool(repo_root: Path, monkeypatch: pytest.MonkeyPatch,
         tmp_path: Path) -> Any:
    """Calls a tool as a command from another folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')  # put back after the test

    def run(name: str, *arguments: object) -> None:
        path = repo_root / 'tools' / 'analysis_tools' / f'{name}.py'
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        runpy.run_path(str(path), run_name='__main__')

    return run


@pytest.fixture
def cfg(root: Path, tmp_path: Path) -> str:
    settings = config(root, tmp_path)
    del settings['work_dir']
    settings['model'] = regioncl_moco()
    Config(settings).dump(tmp_path / 'tiny.py')
    return str(tmp_path / 'tiny.py')


def check_pictures(folder: Path, *names: str) -> str:
    """Each is there, not blank, and in the page. Returns the page's text."""
    page = (folder / 'index.html').read_text()
    for name in names:
        file = folder / f'{name}.png'
        assert cv2.imread(str(file)).std() > 10
        assert base64.b64encode(file.read_bytes()).decode() in page
    assert page.count('<img') == len(names)
    return re.sub('src="[^"]*"', '', page)


def test_browse_views(tool: Any, cfg: str, tmp_path: Path,
                      capsys: Any) -> None:
    tool('browse_views', cfg, '--number', 4, '--pictures', 2)
    out = tmp_path / 'work_dirs/tiny/browse_views'
    text = check_pictures(out, 'views_1', 'views_2')
    assert 'Here 25 % of the pixels are pasted' in text  # one of 2 x 2 cells
    assert 'browse_views' in capsys.readouterr().out
    first = (out / 'views_1.png').read_bytes()
    tool('browse_views', cfg, '--number', 4)
    assert (out / 'views_1.png').read_bytes() == first  # the seed decides
    tool('browse_views', cfg, '--number', 4, '--seed', 1)
    assert (out / 'views_1.png').read_bytes() != first


def test_browse_views_of_smaller_composites(tool: Any, cfg: str,
                                            tmp_path: Path) -> None:
    """As the budget of the run makes them, and the page says so."""
    tool('browse_views', cfg, '--number', 4, '--cfg-options',
         'model.region_budget.size=12', 'model.region_budget.share=0.5',
         'model.region_swap.stride=4', 'model.region_swap.cells=(1,1)')
    text = check_pictures(tmp_path / 'work_dirs/tiny/browse_views', 'views_1')
    assert 'a grid of 3 x 3 cells of 4 pixels' in text
    assert 'Here 11 % of the pixels are pasted' in text
    assert 'region_budget=' in text and 'a share of the images' in text


def test_browse_views_of_a_host(tool: Any, cfg: str, tmp_path: Path) -> None:
    host = Config.fromfile(cfg)
    host.model.pop('region_swap')
    host.dump(cfg)
    tool('browse_views', cfg, '--number', 3, '--out', tmp_path / 'host')
    assert 'swaps no regions' in check_pictures(tmp_path / 'host', 'views_1')


def test_region_maps(tool: Any, cfg: str, root: Path, checkpoint: str,
                     tmp_path: Path) -> None:
    image = next(root.rglob('*.png'))
    out = tmp_path / 'maps'
    tool('region_maps', cfg, checkpoint, '--image', image, '--point', .4, .6,
         '--box', .1, .2, .3, .3, '--cells', 6, '--out', out)
    text = check_pictures(out, 'region_maps')
    assert re.search(r'random weights: \d+ % found; pretrained: \d+ %', text)
    assert '6 x 6 cells of the last stage' in text


def test_region_maps_to_another_image(tool: Any, cfg: str, root: Path,
                                      checkpoint: str, tmp_path: Path) -> None:
    image, *_, other = sorted(root.rglob('*.png'))
    tool('region_maps', cfg, checkpoint, '--image', image, '--to', other,
         '--before', checkpoint, '--stage', 2, '--cells', 4, '--out', tmp_path)
    text = check_pictures(tmp_path, 'region_maps')
    assert '% found' not in text  # the truth is not known
    assert '4 x 4 cells of stage 2' in text
    # before and after are the same weights here: so are the two maps
    picture = cv2.imread(str(tmp_path / 'region_maps.png'))
    height, width = picture.shape[:2]
    left, right = (
        picture[height // 3:height // 3 * 2,
                int(start * width):int(start * width) + width // 6]
        for start in (.53, .78))
    assert np.abs(left.mean((0, 1)) - right.mean((0, 1))).max() < 3


def test_embed(tool: Any, cfg: str, checkpoint: str, tmp_path: Path) -> None:
    tool('embed', cfg, checkpoint, '--rows', 3)
    text = check_pictures(tmp_path / 'work_dirs/tiny/embed', 'points',
                          'neighbours_1', 'neighbours_2')
    assert '15 images of' in text and 'laid out by tsne' in text
    assert 'Green: of the same class' in text


def test_embed_sees_both_weights_before_it_works(
        tool: Any, cfg: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
        capsys: Any) -> None:
    from mmregioncl.evaluation import features
    monkeypatch.setattr(features, 'extract_features',
                        lambda *_: pytest.fail('worked first'))
    torch.save(dict(state_dict={}), tmp_path / 'other.pth')
    with pytest.raises(SystemExit):
        tool('embed', cfg, tmp_path / 'other.pth')
    assert 'other.pth' in capsys.readouterr().err


def test_region_maps_of_16_bits(tool: Any, cfg: str, root: Path,
                                checkpoint: str, tmp_path: Path) -> None:
    """Shown as training reads them, not white."""
    image = cv2.imread(str(next(root.rglob('*.png'))), cv2.IMREAD_GRAYSCALE)
    for name, pixels in (('8', image), ('16', image.astype(np.uint16) * 256)):
        cv2.imwrite(str(tmp_path / f'{name}.png'), pixels)
        (tmp_path / name).mkdir()
        (tmp_path / f'{name}.png').rename(tmp_path / name / 'x.png')
        tool('region_maps', cfg, checkpoint, '--image', tmp_path / name /
             'x.png', '--out', tmp_path / name)
    drawn = [
        cv2.imread(str(tmp_path / name / 'region_maps.png'))
        for name in ('8', '16')
    ]
    assert (drawn[0] == drawn[1]).all()


def test_embed_a_folder_without_classes(tool: Any, cfg: str, root: Path,
                                        checkpoint: str,
                                        tmp_path: Path) -> None:
    tool('embed', cfg, checkpoint, '--data-root', root / 'red', '--size', 16,
         '--out', tmp_path)
    text = check_pictures(tmp_path, 'points', 'neighbours_1', 'neighbours_2')
    assert '5 images of' in text and 'Green' not in text


def test_embed_by_umap(tool: Any, cfg: str, root: Path, checkpoint: str,
                       tmp_path: Path,
                       monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is installed; here a stand-in takes its place."""
    umap: Any = ModuleType('umap')
    umap.__spec__ = ModuleSpec('umap', None)
    asked = []

    class UMAP:

        def __init__(self, **settings: Any) -> None:
            asked.append(settings)

        def fit_transform(self, points: np.ndarray) -> np.ndarray:
            return points[:, :2]

    umap.UMAP = UMAP
    monkeypatch.setitem(sys.modules, 'umap', umap)
    tool('embed', cfg, checkpoint, '--data-root', root, '--size', 16,
         '--method', 'umap', '--rows', 1, '--out', tmp_path)
    assert asked == [dict(metric='cosine', random_state=0)] * 2
    assert 'laid out by umap' in check_pictures(tmp_path, 'points',
                                                'neighbours_1', 'neighbours_2')


def write_run(folder: Path, last: int) -> Path:
    """Ten iterations per epoch, k-NN after each."""
    file = folder / '20260101_000000/vis_data/scalars.json'
    file.parent.mkdir(parents=True)
    rows: list[dict] = [{'knn/top1': 10., 'step': 0}]
    for step in range(5, last + 1, 5):
        epoch = -(-step // 10)
        rows.append(
            dict(lr=1., loss_instance=9. - step / 10, epoch=epoch, step=step))
        if step % 10 == 0:
            rows.append({'knn/top1': 10. + epoch, 'step': epoch})
    file.write_text('\n'.join(map(json.dumps, rows)))
    return folder


def test_plot_log(tool: Any, tmp_path: Path,
                  monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes
    plotted = []
    plot = Axes.plot

    def spy(ax: Any, *args: Any, **kwargs: Any) -> Any:
        plotted.append((kwargs['label'], list(args[0]), list(args[1])))
        return plot(ax, *args, **kwargs)

    monkeypatch.setattr(Axes, 'plot', spy)
    a, b = write_run(tmp_path / 'a', 40), write_run(tmp_path / 'b', 20)
    tool('plot_log', a, b, '--reference', 'regioncl_mocov2_r50')
    assert 'the reference regioncl_mocov2_r50' in check_pictures(
        a / 'plot_log', 'curves')
    (name, places, values), (other, *_), (dashed, epochs, _) = plotted[:3]
    assert (name, other, dashed) == ('a', 'b', 'reference')
    assert places == [.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
    assert values == [8.5, 8, 7.5, 7, 6.5, 6, 5.5, 5]
    assert epochs[-1] > 190
    assert plotted[3] == ('a', [0, 1, 2, 3, 4], [10, 11, 12, 13, 14])

    plotted.clear()
    tool('plot_log', a, '--x', 'iteration', '--smooth', 2, '--out', tmp_path)
    assert plotted[0][1:] == ([5, 10, 15, 20, 25, 30, 35, 40],
                              [8.5, 8.25, 7.75, 7.25, 6.75, 6.25, 5.75, 5.25])
    assert plotted[1][1] == [0, 10, 20, 30, 40]


def test_plot_log_of_a_first_epoch(tool: Any, tmp_path: Path,
                                   capsys: Any) -> None:
    """How long an epoch is, is not known yet; a file serves too."""
    file = next(write_run(tmp_path / 'a', 5).rglob('*.json'))
    tool('plot_log', file)
    check_pictures(file.parent / 'plot_log', 'curves')


@pytest.mark.parametrize('name, arguments, message', [
    ('browse_views', ['nothing'], "no config 'nothing'"),
    ('browse_views', ['{cfg}', '--number', '1'], '--number must be 2'),
    ('browse_views', [
        '{cfg}', '--cfg-options', 'train_dataloader.dataset.data_root=gone'
    ], "no folder 'gone'"),
    ('browse_views', ['{cfg}', '--cfg-options', 'model.region_swap.stride=32'
                      ], 'no multiple of region_swap.stride=32'),
    ('browse_views', [
        '{cfg}', '--cfg-options', 'model.region_budget.shared=0.5'
    ], 'holds a name that is not known'),
    ('region_maps', ['{cfg}', 'gone.pth', '--image', '{cfg}'
                     ], "no file 'gone.pth'"),
    ('region_maps', ['{cfg}', '{ckpt}', '--image', 'x.jpg'
                     ], "no file 'x.jpg'"),
    ('region_maps', ['{cfg}', '{ckpt}', '--image', '{image}', '--stage', '5'
                     ], 'stages 1 to'),
    ('region_maps', [
        '{cfg}', '{ckpt}', '--image', '{image}', '--box', '.9', '0', '.2', '1'
    ], 'leaves the image'),
    ('embed', ['{cfg}', '{ckpt}', '--method', 'umap'
               ], 'pip install umap-learn'),
    ('embed', ['{cfg}', '{ckpt}', '--cfg-options', 'val_dataloader=None'
               ], 'name a folder of images: --data-root'),
    ('embed', ['{cfg}', '{ckpt}', '--number', '2'], '--number must be 4'),
    ('embed', ['{cfg}', '{ckpt}', '--size', '0'], '--size must be a number'),
    ('embed', ['{cfg}', '{ckpt}', '--data-root', '{few}'], 'holds 1 images'),
    ('embed', ['{cfg}', '{ckpt}', '--out', '{image}'], 'by --out'),
    ('browse_views', ['resnet18_knn_folder'], 'sets no train_dataloader'),
    ('browse_views', ['{image}'], 'is no config'),
    ('region_maps', ['{det}', '{ckpt}', '--image', '{image}'
                     ], 'is a config of mmdet'),
    ('region_maps', ['{cfg}', '{ckpt}', '--image', '{cfg}'
                     ], 'is no image that can be read'),
    ('plot_log', ['{empty}'], 'empty: nothing is logged yet'),
    ('plot_log', ['gone'], 'gone holds no run'),
    ('plot_log', ['{run}', '--keys', 'los'], 'no run has logged los; there'),
    ('plot_log', ['{run}', '--reference', 'x'], "no reference curve 'x'"),
])
def test_bad_input(tool: Any, cfg: str, root: Path, checkpoint: str,
                   tmp_path: Path, name: str, arguments: list[str],
                   message: str, capsys: Any,
                   monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says what to do, and no traceback."""
    monkeypatch.setitem(sys.modules, 'umap', None)
    (tmp_path / 'empty/1/vis_data').mkdir(parents=True)
    (tmp_path / 'empty/1/vis_data/scalars.json').touch()
    (tmp_path / 'few').mkdir()
    cv2.imwrite(str(tmp_path / 'few/a.png'), np.zeros((8, 8, 3), np.uint8))
    detector = dict(default_scope='mmdet', model=dict(type='FasterRCNN'))
    Config(detector).dump(tmp_path / 'det.py')
    values = dict(
        det=tmp_path / 'det.py',
        empty=tmp_path / 'empty',
        few=tmp_path / 'few',
        cfg=cfg,
        ckpt=checkpoint,
        image=next(root.rglob('*.png')),
        run=write_run(tmp_path / 'run', 20))
    with pytest.raises(SystemExit) as info:
        tool(name, *(each.format(**values) for each in arguments))
    assert info.value.code == 2
    error = capsys.readouterr().err
    assert message in error and 'Traceback' not in error
