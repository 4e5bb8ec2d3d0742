# Copyright (c) mmregioncl contributors. All rights reserved.
"""The launch scripts of all benchmarks: what they start."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

FOLDERS = dict(
    classification='mmcls',
    mmdetection='mmdet',
    mmsegmentation='mmseg',
    mmpose='mmpose')


@pytest.fixture
def start(repo_root: Path, tmp_path: Path) -> Callable[..., Any]:
    """Starts a script beside programs that only print their arguments."""
    (tmp_path / 'w.pth').touch()
    for name in ('python', 'mim', 'srun'):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho "<{name}>"\n'
                        'for a in "$@"; do echo "<$a>"; done\n')
        path.chmod(0o755)

    def run(folder: str, script: str, *words: str, **env: str) -> Any:
        done = subprocess.run(
            [str(repo_root / 'tools/benchmarks' / folder / script), *words],
            env=dict(
                os.environ, PATH=f'{tmp_path}:{os.environ["PATH"]}', **env),
            cwd=tmp_path,
            capture_output=True,
            text=True)
        lines = [line[1:-1] for line in done.stdout.splitlines()]
        return done.returncode, lines, done.stderr

    return run


@pytest.mark.parametrize('folder', FOLDERS)
def test_every_form(start: Any, folder: str, tmp_path: Path) -> None:
    code, words, _ = start(folder, 'train.sh', 'a b.py', 'w.pth', '--amp')
    assert code == 0 and words[0] == 'python'
    assert Path(words[1]).resolve().name == 'train_downstream.py'
    assert Path(words[1]).is_file()
    assert words[2:] == ['a b.py', 'w.pth', '--amp']

    code, words, _ = start(
        folder,
        'dist_train.sh',
        'a b.py',
        'w.pth',
        '4',
        '--seed',
        '1',
        PORT='123',
        NNODES='2')
    assert code == 0
    assert words[:4] == ['python', '-m', 'torch.distributed.run', '--nnodes=2']
    assert {'--nproc_per_node=4', '--master_port=123'} <= set(words)
    assert Path(words[-7]).is_file()
    assert Path(words[-7]).name == 'train_downstream.py'
    assert words[-6:] == [
        'a b.py', 'w.pth', '--launcher', 'pytorch', '--seed', '1'
    ]

    code, words, _ = start(folder, 'dist_test.sh', 'a b.py', 'w.pth', '2')
    assert code == 0 and '--nproc_per_node=2' in words
    assert Path(words[-5]).name == 'test_downstream.py'
    assert Path(words[-5]).is_file()
    assert words[-4:] == ['a b.py', 'w.pth', '--launcher', 'pytorch']

    code, words, _ = start(
        folder,
        'slurm_train.sh',
        'part',
        'a job',
        'a b.py',
        'w.pth',
        '--amp',
        GPUS='4')
    assert code == 0 and words[0] == 'srun'
    assert {'--job-name=a job', '--ntasks=4', '--gres=gpu:4'} <= set(words)
    assert words[-5:] == ['a b.py', 'w.pth', '--launcher', 'slurm', '--amp']

    for gpus, launcher in ('2', 'pytorch'), ('0', 'none'):
        code, words, _ = start(folder, 'mim_dist_train.sh', 'a b.py', 'w.pth',
                               gpus, 'x=1')
        assert code == 0
        assert words == [
            'mim', 'train', FOLDERS[folder], 'a b.py', '--launcher', launcher,
            '--gpus', gpus, '--cfg-options',
            f'model.backbone.init_cfg.checkpoint={tmp_path / "w.pth"}', 'x=1'
        ]


def test_mim_fills_both_parts_of_c4(start: Any, tmp_path: Path) -> None:
    code, words, _ = start('mmdetection', 'mim_dist_train.sh', 'r50-c4_1x.py',
                           'w.pth', '2', 'x=1')
    file = tmp_path / 'w.pth'
    assert code == 0
    assert words[-4:] == [
        '--cfg-options', f'model.backbone.init_cfg.checkpoint={file}',
        f'model.roi_head.shared_head.init_cfg.checkpoint={file}', 'x=1'
    ]


def test_mim_looks_at_the_name_of_the_config(start: Any) -> None:
    """Not at the folders that it is in."""
    code, words, _ = start('mmdetection', 'mim_dist_train.sh',
                           '/data/c4/retinanet_r50.py', 'w.pth', '2')
    assert code == 0 and 'shared_head' not in ' '.join(words)


@pytest.mark.parametrize('words, message', [
    (('r50-c4_1x.py', 'w.pth'), 'usage: '),
    (('r50-c4_1x.py', 'gone.pth', '2'), 'there are no weights gone.pth'),
    (('r50-fpn_1x.py', 'gone.pth', '2'), 'there are no weights gone.pth'),
])
def test_mim_refuses(start: Any, words: tuple, message: str) -> None:
    code, started, error = start('mmdetection', 'mim_dist_train.sh', *words)
    assert code == 2 and not started and message in error


@pytest.mark.parametrize('folder', FOLDERS)
@pytest.mark.parametrize(
    'script',
    ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'mim_dist_train.sh'])
def test_usage(start: Any, folder: str, script: str) -> None:
    code, words, error = start(folder, script, 'x')
    assert code == 2 and not words
    assert error.startswith('usage: ')
