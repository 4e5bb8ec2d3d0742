# Copyright (c) mmregioncl contributors. All rights reserved.
"""Detection configs: each takes an iteration and is evaluated, for real."""
from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import torch

from tests.forked_runs import fork, wait

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / 'configs' / 'benchmarks' / 'mmdetection'
TOOLS = REPO / 'tools' / 'benchmarks'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
# BN layers in training mode: 53 of a ResNet-50 or 20 of a ResNet-18, with one
# after res5 in C4, and two for each of FPN's four levels, or three laterals
# and five outputs in RetinaNet. None in any head.
NORMS = {'c4': 53 + 1, 'r50-fpn': 53 + 8, 'r18w16-fpn': 20 + 8}


@pytest.fixture(scope='module')
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of 128 pixels, and weights of both networks."""
    from mmregioncl.datasets.demo_sets import make_demo_set
    from mmregioncl.transfer.resnet_layout import ResNetLayout
    from tests.transfer.conftest import random_tensors, with_prefix
    root = tmp_path_factory.mktemp('material')
    # an untrained detector may find nothing, and mmdet then evaluates nothing
    torch.manual_seed(0)
    for layout in ('coco', 'cityscapes'):
        make_demo_set(root / layout, layout, 0, 4, 2, 128, 1)
    for name, network in (('r50', ResNetLayout(50)), ('r18w16',
                                                      ResNetLayout(
                                                          18,
                                                          stem_channels=16,
                                                          base_channels=16))):
        tensors = with_prefix('backbone.', random_tensors(network))
        torch.save(dict(state_dict=tensors), root / f'{name}.pth')
    return root


@pytest.fixture(scope='module')
def server() -> Iterator[Callable[..., Any]]:
    """A process that knows mmdet and nothing of ours, to fork runs off."""
    with ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn'),
            initializer=_know_mmdet) as pool:
        yield lambda fn, *args: pool.submit(fn, *args).result(timeout=300)


def _know_mmdet() -> None:
    import cv2
    import mmdet.datasets.transforms
    import mmdet.engine
    import mmdet.evaluation
    import mmdet.models
    import mmdet.visualization  # noqa: F401
    from mmengine.config import Config
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    # a second of each run: yapf formats the config for each checkpoint
    Config.pretty_text = property(lambda cfg: str(dict(cfg)))


def in_a_fork(function: Callable[..., None], log: Path, *args: Any) -> int:
    return wait(fork(function, *args, log=log), 280.)


def one_iteration(name: str, root: Path, work_dir: Path) -> None:
    """From the file of a config to its evaluation, in a clean process."""
    foreign = {'mmregioncl', 'mmselfsup', 'mmcls'}
    assert not foreign & set(sys.modules)
    from mmengine.config import Config
    from mmengine.runner import Runner
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    cfg.work_dir = str(work_dir)
    cfg.randomness = dict(seed=0)
    from mmregioncl.transfer.downstream import own_predictions, set_weights
    from mmregioncl.transfer.dry_run import make_dry
    own_predictions(cfg)
    weights = 'r18w16' if 'r18w16' in name else 'r50'
    set_weights(cfg, str(root / f'{weights}.pth'))
    make_dry(cfg, str(root), iterations=1)
    Runner.from_cfg(cfg).train()
    assert not {'mmselfsup', 'mmcls'} & set(sys.modules)


def the_tool(*words: object) -> None:
    """tools/benchmarks/train_downstream.py as a command."""
    sys.argv = ['train_downstream.py', *map(str, words)]
    runpy.run_path(str(TOOLS / 'train_downstream.py'), run_name='__main__')


def the_evaluation(folder: Path, *words: object) -> None:
    """tools/benchmarks/test_downstream.py as a command in a folder."""
    os.chdir(folder)
    sys.argv = ['test_downstream.py', *map(str, words)]
    runpy.run_path(str(TOOLS / 'test_downstream.py'), run_name='__main__')


def test_two_processes_on_a_cpu(server: Any, material: Path,
                                tmp_path: Path) -> None:
    """Launched as on GPUs: SyncBN reverts, the weights arrive on both."""
    name = 'mask-rcnn_r18w16-fpn_demo'
    words = [
        name, material / 'r18w16.pth', '--work-dir', tmp_path, '--dry-run',
        material, '--seed', 1, '--cfg-options',
        'model.neck.norm_cfg.type=SyncBN'
    ]
    done = subprocess.run(
        [
            str(TOOLS / 'mmdetection' / 'dist_train.sh'),
            *map(str, [*words[:2], 2, *words[2:]])
        ],
        env=dict(
            os.environ,
            PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
            PORT='29741'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300)
    text = done.stdout
    assert done.returncode == 0, text[-3000:]
    assert 'No GPU: SyncBN is BN here' in text
    assert 'GPU number: 2' in text and 'coco/bbox_mAP: ' in text
    assert '120/120 backbone tensors loaded from' in text
    # As if it had been stopped before the evaluation: that is all it does.
    log = tmp_path / 'again'
    code = server(in_a_fork, the_tool, log, *words[:6], '--resume')
    text = log.read_text()
    assert code == 0, text[-3000:]
    assert 'resumed at iteration 2' in text and 'Iter(train)' not in text
    assert 'coco/bbox_mAP: ' in text
    log = tmp_path / 'evaluated'
    (tmp_path / 'elsewhere').mkdir()
    code = server(in_a_fork, the_evaluation, log, tmp_path / 'elsewhere', name,
                  tmp_path / 'iter_2.pth', '--cfg-options',
                  f'data_root={material}/coco/',
                  'model.test_cfg.rcnn.score_thr=0.')
    text = log.read_text()
    assert code == 0, text[-3000:]
    assert 'coco/segm_mAP: ' in text
    # not among the logs of the run, whose work dir has the config's name too
    assert {each.name for each in tmp_path.glob('elsewhere/work_dirs/*/*')
            } == {'test'}


@pytest.mark.parametrize('words, message', [
    (['retinanet_r50-fpn_1x_coco', 'gone.pth'], 'gone.pth does not exist'),
    (['retinanet_r50-fpn_9x_coco', 'random'], 'retinanet_r50-fpn_2x_coco'),
    (['retinanet_r50-fpn_1x_coco', 'random', '--dry-run', 'nowhere'
      ], 'make_demo_data.py nowhere'),
])
def test_the_tool_refuses_before_it_starts(words: list[str], message: str,
                                           monkeypatch: pytest.MonkeyPatch,
                                           capsys: Any) -> None:
    monkeypatch.setattr(sys, 'argv', sys.argv)
    with pytest.raises(SystemExit) as info:
        the_tool(*words)
    error = capsys.readouterr().err
    assert info.value.code == 2 and message in error
    assert len(error.splitlines()) == 1  # no traceback


@pytest.mark.parametrize('name', NAMES)
def test_one_iteration_and_one_evaluation(name: str, server: Any,
                                          material: Path,
                                          tmp_path: Path) -> None:
    if 'cityscapes' in name:
        pytest.importorskip(
            'cityscapesscripts', reason='evaluates Cityscapes instances')
    log = tmp_path / 'log'
    code = server(in_a_fork, one_iteration, log, name, material, tmp_path)
    text = log.read_text()
    assert code == 0, text[-3000:]
    tensors = 318 if '_r50' in name else 120
    assert f'{tensors}/{tensors} backbone tensors loaded from' in text
    norms, = [count for key, count in NORMS.items() if key in name]
    assert f'PreciseBNHook: {norms} BN layers over 1 batches' in text
    scalars, = tmp_path.glob('*/vis_data/scalars.json')
    records = [json.loads(line) for line in scalars.read_text().splitlines()]
    trained = [each for each in records if 'loss' in each]
    assert len(trained) == 1 and 0 < trained[0]['loss'] < 100
    assert ('loss_mask' in trained[0]) == name.startswith('mask')
    last = records[-1]
    assert 0 <= last['coco/bbox_mAP'] <= 1
    assert ('coco/segm_mAP' in last) == name.startswith('mask')
    assert ('cityscapes/mAP' in last) == ('cityscapes' in name)
