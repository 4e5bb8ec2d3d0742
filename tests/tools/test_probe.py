# Copyright (c) mmregioncl contributors. All rights reserved.
"""tools/benchmarks/classification/probe.py, run in this process."""
from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize

from tests.tiny_run import MEAN, STD, config, loader, write_images


@pytest.fixture
def probe(repo_root: Path, monkeypatch: pytest.MonkeyPatch,
          tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    path = repo_root / 'tools/benchmarks/classification/probe.py'

    def run(*arguments: Any) -> None:
        monkeypatch.setattr(sys, 'argv', ['probe.py', *map(str, arguments)])
        runpy.run_path(str(path), run_name='__main__')

    return run


def write_config(folder: Path, **settings: Any) -> Path:
    train = write_images(folder / 'train', 20, contrast=2)
    test = write_images(folder / 'test', 15, contrast=0)
    cfg = config(train, folder / 'w')
    cfg.update(val_dataloader=loader(test), **settings)
    Config(cfg).dump(folder / 'tiny.py')
    return folder / 'tiny.py'


def by_hand(folder: Path, model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Features, one image at a time, without data loader or preprocessor."""
    vectors, labels = [], []
    for path in sorted(folder.rglob('*.png')):
        image = cv2.imread(str(path))
        short = min(image.shape[:2])
        size = [int(side * 18 / short) for side in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        top, left = (int(round((side - 16) / 2)) for side in image.shape[:2])
        image = image[top:top + 16, left:left + 16, ::-1]
        inputs = (image - np.array(MEAN)) / np.array(STD)
        with torch.no_grad():
            last = model.backbone(
                torch.tensor(inputs.transpose(2, 0, 1)[None]).float())[-1]
        vectors.append(last.mean((2, 3))[0].numpy())
        labels.append(('blue', 'green', 'red').index(path.parent.name))
    return normalize(np.array(vectors)), np.array(labels)


def test_figures_are_those_of_scikit_learn(probe: Any, tmp_path: Path,
                                           capsys: Any) -> None:
    from mmselfsup.registry import MODELS

    import mmregioncl.register  # noqa: F401
    path = write_config(tmp_path)
    model = MODELS.build(Config.fromfile(path).model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'x.pth')
    probe(path, tmp_path / 'x.pth', '--out', tmp_path / 'sub' / 'x.json')
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures == json.loads((tmp_path / 'sub' / 'x.json').read_text())
    assert (figures['train_images'], figures['test_images']) == (60, 45)
    model.eval()
    bank, labels = by_hand(tmp_path / 'train', model)
    test, truth = by_hand(tmp_path / 'test', model)
    knn = KNeighborsClassifier(
        3,
        metric='cosine',
        algorithm='brute',
        weights=lambda distance: np.exp((1 - distance) / 0.07))
    assert figures['knn_top1'] == pytest.approx(
        100 * knn.fit(bank, labels).score(test, truth))
    scaler = StandardScaler().fit(bank)
    linear = LogisticRegression(
        C=1 / (figures['linear_l2'] * 60), max_iter=10000, tol=1e-8)
    linear.fit(scaler.transform(bank), labels)
    assert figures['linear_top1'] == pytest.approx(
        100 * linear.score(scaler.transform(test), truth), abs=2.3)  # 1 of 45
    assert 30 < figures['linear_top1'] < 100


def test_random_weights_follow_the_seed(probe: Any, tmp_path: Path,
                                        capsys: Any) -> None:
    path = write_config(tmp_path)
    lines = []
    for seed in (0, 0, 1):
        probe(path, '--cfg-options', f'randomness.seed={seed}')
        lines.append(capsys.readouterr().out.splitlines()[-1])
    assert json.loads(lines[0])['checkpoint'] is None
    assert lines[0] == lines[1] != lines[2]


def test_refuses(probe: Any, tmp_path: Path, capsys: Any) -> None:
    path = write_config(tmp_path, val_cfg=None, val_evaluator=None)
    for arguments, message in (((path, 'gone.pth'), "no checkpoint 'gone"),
                               ((path, ), 'names no bank')):
        with pytest.raises(SystemExit):
            probe(*arguments)
        assert message in capsys.readouterr().err
