# Copyright (c) mmregioncl contributors. All rights reserved.
"""tools/benchmarks/run_all.py, with runs that only leave their logs."""
from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mmregioncl.transfer.resnet_layout import ResNetLayout
from tests.transfer.conftest import random_tensors, with_prefix

C4 = 'mask-rcnn_r50-c4_1x_coco'


@pytest.fixture
def run_all(repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(repo_root / 'tools' / 'benchmarks')
    return importlib.import_module('run_all')


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('weights') / 'epoch_200.pth'
    tensors = with_prefix('backbone.', random_tensors(ResNetLayout(50)))
    torch.save(dict(state_dict=tensors), path)
    return path


class Runs:
    """Takes the place of subprocess; notes what it was to start."""
    STDOUT = -2

    def __init__(self, failing: str = '') -> None:
        self.failing = failing
        self.commands: list[list[str]] = []

    def run(self, words: list[str], stdout: Any, stderr: int) -> Any:
        self.commands.append(words)
        folder = Path(words[words.index('--work-dir') + 1])
        if folder.name == self.failing:
            stdout.write('Traceback\nValueError: a | b\n\n')
            return SimpleNamespace(returncode=1)
        scalars = folder / '20260101' / 'vis_data' / 'scalars.json'
        scalars.parent.mkdir(parents=True)
        scalars.write_text('\n'.join(
            json.dumps({
                'coco/bbox_mAP': value / 100,
                'coco/segm_mAP': value / 200,
                'cityscapes/mAP': value / 400,
                'accuracy/top1': 100 - value,
                'mIoU': value,
                'step': step
            } | ({} if step else {
                'loss': 1
            })) for step, value in ((1, 30.), (2, 40.))))
        return SimpleNamespace(returncode=0)


def start(run_all: Any, monkeypatch: pytest.MonkeyPatch, runs: Runs, *words:
          object) -> int:
    monkeypatch.setattr(run_all, 'subprocess', runs)
    monkeypatch.setattr(sys, 'argv', ['run_all.py', *map(str, words)])
    try:
        run_all.main()
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def test_all_then_what_failed_then_nothing(run_all: Any, weights: Path,
                                           tmp_path: Path,
                                           monkeypatch: Any) -> None:
    words = weights, '--dry-run', '--work-dir', tmp_path / 'all'
    first, second, third = Runs(C4), Runs(), Runs()
    assert start(run_all, monkeypatch, first, *words) == 1
    home, = (tmp_path / 'all_dry').iterdir()
    assert home.name.startswith('epoch_200-')
    # the paper: linear, 6 of COCO, instances and 2 UPerNets of Cityscapes
    assert len(first.commands) == 10
    command = first.commands[1]
    assert Path(command[1]).name == 'train_downstream.py'
    assert Path(command[2]).stem == C4 and Path(command[2]).is_file()
    assert command[3] == str(weights)
    assert '--resume' in command and command[-2] == '--dry-run'
    table = (home / 'results.md').read_text()
    assert '| Mask R-CNN C4 1x | COCO | box AP | ValueError: a / b |' in table
    assert 'these figures mean nothing' in table

    assert start(run_all, monkeypatch, second, *words) == 0
    assert [Path(each[2]).stem for each in second.commands] == [C4]
    table = (home / 'results.md').read_text()
    for line in (
            '| linear probe | ImageNet-1k | linear top-1 | 70.0 | 69.4 ',
            '| Mask R-CNN C4 1x | COCO | box AP | 40.0 | 39.8 | 40.3 | 38.7 |',
            '| Mask R-CNN C4 1x | COCO | mask AP | 20.0 | 34.8 ',
            '| Mask R-CNN FPN | Cityscapes | mask AP | 10.0 | 34.9 ',
            '| UPerNet 80k | Cityscapes | mIoU | 40.0 | 79.0 '):
        assert line in table
    assert start(run_all, monkeypatch, third, *words) == 0
    assert third.commands == []
    content = json.loads((home / 'results.json').read_text())
    assert content['dry_run'] and content['weights'] == str(weights)
    assert all(row['state'] == 'done' for row in content['rows'])


def test_real_runs_keep_the_batch(run_all: Any, weights: Path, tmp_path: Path,
                                  monkeypatch: Any) -> None:
    for gpus, batch in ((8, 2), (4, 4), (1, 16)):
        runs = Runs()
        start(run_all, monkeypatch, runs, weights, '--only', C4, '--gpus',
              gpus, '--work-dir', tmp_path / str(gpus))
        command, = runs.commands
        assert f'train_dataloader.batch_size={batch}' in command
        assert (f'--nproc_per_node={gpus}' in command) == (gpus > 1)
        assert ('--launcher' in command) == (gpus > 1)
        assert '--dry-run' not in command


@pytest.mark.parametrize('words, message', [
    ((), 'name the WEIGHTS'),
    (('gone.pth', ), 'gone.pth does not exist'),
    (('{r18}', ), 'holds a ResNet-18'),
    (('{r50}', '--only', 'nothing'), 'no benchmark nothing'),
    (('{r50}', '--gpus', '3'), 'cannot share evenly'),
])
def test_refuses_before_anything_runs(run_all: Any, weights: Path,
                                      tmp_path: Path, monkeypatch: Any,
                                      capsys: Any, words: tuple,
                                      message: str) -> None:
    r18 = tmp_path / 'r18.pth'
    torch.save(random_tensors(ResNetLayout(18)), r18)
    runs = Runs()
    words = tuple(each.format(r18=r18, r50=weights) for each in words)
    code = start(run_all, monkeypatch, runs, *words, '--work-dir',
                 tmp_path / 'all')
    assert code == 2 and message in capsys.readouterr().err
    assert not runs.commands


def test_other_weights_have_another_folder(run_all: Any, weights: Path,
                                           tmp_path: Path) -> None:
    other = tmp_path / weights.name
    tensors = with_prefix('backbone.', random_tensors(ResNetLayout(50), 1))
    torch.save(dict(state_dict=tensors), other)
    assert run_all.identify(str(other)) != run_all.identify(str(weights))
    assert run_all.identify('random') == 'random'
