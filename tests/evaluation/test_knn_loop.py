# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny_run import (CLASSES, EVAL_PIPELINE, TRAIN_PIPELINE,
                            build_runner, config, evaluation_config, loader,
                            write_images)


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('images'), 6)


def scalars(work_dir: Path) -> list[dict]:
    file, = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_whole_run(root: Path, tmp_path: Path) -> None:
    runner = build_runner(config(root, tmp_path))
    runner.train()
    curve = {
        entry['step']: entry['knn/top1']
        for entry in scalars(tmp_path) if 'knn/top1' in entry
    }
    assert sorted(curve) == [0, 1, 2]  # before, and after each epoch
    # the bank holds the queries themselves, and a class is a colour
    assert all(each > 60 for each in curve.values())
    assert list(tmp_path.glob('best_knn_top1_epoch_*.pth'))
    assert not list(tmp_path.glob('best_knn_top1_epoch_0.pth'))
    log, = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert 'Before the first iteration: knn/top1: ' in text
    assert 'Epoch(val) [2][5/5]    knn/top1: ' in text
    # a resumed run evaluates the epoch again in which it may have been killed
    cfg = config(root, tmp_path / 'more')
    cfg.update(resume=True, load_from=str(tmp_path / 'epoch_2.pth'))
    cfg['train_cfg']['max_epochs'] = 3
    build_runner(cfg).train()
    # one process has one visualizer: the same file goes on
    steps = [
        entry['step'] for entry in scalars(tmp_path) if 'knn/top1' in entry
    ]
    assert steps == [0, 1, 2, 2, 3]
    assert 'Before the first iteration' not in ''.join(
        path.read_text() for path in (tmp_path / 'more').glob('*/*.log'))


def test_top1_is_that_of_the_definition(tmp_path: Path) -> None:
    """Image by image, against the bank without the loop's machinery."""
    root = write_images(tmp_path / 'data', 6, contrast=3)
    cfg = evaluation_config(root, tmp_path / 'run')
    dataset = cfg['val_dataloader']['dataset']
    dataset['indices'] = [1, 4, 7, 11, 16]
    cfg['val_evaluator']['k'] = 1
    bank = cfg['val_cfg']['bank_dataloader']['dataset']
    bank['indices'] = [0, 3, 6, 10, 14, 17]
    runner = build_runner(cfg)
    metrics = runner.val()
    model = runner.model.eval()
    features: dict[int, Any] = {}
    images = runner.build_dataloader(loader(root, batch_size=1))
    with torch.no_grad():
        for number, batch in enumerate(images):
            inputs, _ = model.data_preprocessor(batch, False)
            vector = model.backbone(inputs[0])[-1].mean((2, 3))[0]
            features[number] = vector / vector.norm()
    right = 0
    for query in dataset['indices']:
        nearest = max(
            bank['indices'], key=lambda i: features[query] @ features[i])
        right += query // 6 == nearest // 6
    assert metrics == {'knn/top1': 20. * right}
    assert 0 < right < 5  # hard enough to tell


def test_random_streams_and_mode_are_left_alone(root: Path,
                                                tmp_path: Path) -> None:
    runner = build_runner(config(root, tmp_path))
    loop = runner.build_val_loop(runner._val_loop)
    runner.model.train()

    def draw() -> list:
        return [random.random(), np.random.rand(), float(torch.rand(()))]

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    buffers = {k: v.clone() for k, v in runner.model.state_dict().items()}
    loop.evaluate()
    assert draw() == expected
    assert runner.model.training
    for name, value in runner.model.state_dict().items():
        assert value.equal(buffers[name]), name


def test_unreadable_queries_are_left_out(root: Path, tmp_path: Path,
                                         capsys: Any) -> None:
    copy = write_images(tmp_path / 'data', 6)
    (copy / CLASSES[1] / '002.png').write_bytes(b'no image')
    cfg = evaluation_config(copy, tmp_path / 'run')
    runner = build_runner(cfg)
    metrics = runner.val()
    right = metrics['knn/top1'] * 17 / 100
    assert right == pytest.approx(round(right))  # 17 counted, not 18
    assert '1 of 18 query images could not be read' in capsys.readouterr().out


def change(cfg: dict, where: str, **settings: Any) -> None:
    loaders = dict(
        bank=cfg['val_cfg']['bank_dataloader'], query=cfg['val_dataloader'])
    loaders[where]['dataset'].update(settings)


@pytest.mark.parametrize('where, settings, message', [
    ('bank', dict(with_label=False), 'bank_dataloader have no label'),
    ('query', dict(with_label=False), 'val_dataloader have no label'),
    ('query', dict(classes=CLASSES[::-1]), 'the same classes='),
    ('bank', dict(pipeline=TRAIN_PIPELINE[:2] + EVAL_PIPELINE[-1:]),
     'bank_dataloader gives 2 views'),
    ('query', dict(pipeline=TRAIN_PIPELINE), 'val_dataloader have no label'),
])
def test_bad_settings_stop_it_before_training(root: Path, tmp_path: Path,
                                              where: str, settings: dict,
                                              message: str) -> None:
    cfg = config(root, tmp_path)
    change(cfg, where, **settings)
    runner = build_runner(cfg)
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert not list(tmp_path.glob('*/vis_data/scalars.json'))
