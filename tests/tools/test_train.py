# Copyright (c) mmregioncl contributors. All rights reserved.
"""tools/train.py and tools/test.py, run in this process for their speed."""
from __future__ import annotations

import os
import runpy
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from tests.tiny_run import config, moco, write_images


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('images'), 6)


@pytest.fixture
def tool(repo_root: Path, monkeypatch: pytest.MonkeyPatch,
         tmp_path: Path) -> Any:
    """Calls a tool as a command from another folder.

    MMEngine names a run and its folder by the second, and runs of this size
    would share them: each waits for the second after the one before.
    """
    monkeypatch.chdir(tmp_path)
    ended = 0
    for name in ('WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.setenv(name, '1')  # put back as it was after the test
        monkeypatch.delenv(name)

    def run(name: str, *arguments: str) -> None:
        nonlocal ended
        while int(time.time()) == ended:
            time.sleep(0.02)
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        try:
            runpy.run_path(
                str(repo_root / 'tools' / name), run_name='__main__')
        finally:
            ended = int(time.time())

    return run


def write_config(path: Path, root: Path, **settings: Any) -> Path:
    cfg = config(root, path.parent / 'unused')
    del cfg['work_dir'], cfg['randomness']
    cfg['train_cfg']['max_epochs'] = 1
    cfg.update(settings)
    Config(cfg).dump(path)
    return path


def log(work_dir: Path) -> str:
    """Of the latest run."""
    return max(work_dir.glob('*/*.log')).read_text()


def test_train_resume_and_test(root: Path, tool: Any, tmp_path: Path) -> None:
    path = write_config(tmp_path / 'tiny.py', root)
    tool('train.py', path, '--amp', 'bf16', '--seed', '7', '--cfg-options',
         'default_hooks.checkpoint.interval=1')
    work_dir = tmp_path / 'work_dirs' / 'tiny'
    checkpoint = torch.load(work_dir / 'epoch_1.pth', weights_only=True)
    cfg = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    assert cfg.randomness.seed == 7
    assert cfg.optim_wrapper.type == 'BFloat16OptimWrapper'
    assert 'knn/top1: ' in log(work_dir)
    # the same command goes on, to a second epoch
    tool('train.py', path, '--resume', '--no-validate', '--cfg-options',
         'train_cfg.max_epochs=2', 'default_hooks.checkpoint.interval=1')
    assert 'Epoch(train) [2]' in log(work_dir)
    assert 'Epoch(train) [1]' not in log(work_dir)
    assert 'knn/top1: ' not in log(work_dir)
    tool('test.py', path, work_dir / 'epoch_2.pth')
    text = log(work_dir / 'test')  # the run's own logs stay what they are
    assert '120/120 backbone tensors' in text
    assert 'knn/top1: ' in text


@pytest.mark.parametrize('arguments, message', [
    (['no_such_config'], "no config 'no_such_config'"),
    (['{cfg}', '--resume', 'gone.pth'], "no file 'gone.pth'"),
    (['{cfg}', '--amp', 'fp16'], 'use --amp bf16'),
    (['{cfg}', '--auto-scale-lr'], 'base_batch_size'),
])
def test_train_refuses(root: Path, tool: Any, tmp_path: Path, capsys: Any,
                       arguments: list[str], message: str,
                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    path = write_config(tmp_path / 'tiny.py', root)
    with pytest.raises(SystemExit) as info:
        tool('train.py', *(each.format(cfg=path) for each in arguments))
    assert info.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1  # no traceback


def test_auto_scale_lr(root: Path, tool: Any, tmp_path: Path) -> None:
    path = write_config(
        tmp_path / 'tiny.py', root, auto_scale_lr=dict(base_batch_size=8))
    tool('train.py', path, '--auto-scale-lr', '--no-validate', '--work-dir',
         tmp_path / 'w')
    assert 'lr: 5.0000e-03' in log(tmp_path / 'w')  # 0.01 x 4 / 8


def test_auto_scale_lr_counts_what_is_accumulated(root: Path, tool: Any,
                                                  tmp_path: Path) -> None:
    path = write_config(
        tmp_path / 'tiny.py',
        root,
        auto_scale_lr=dict(base_batch_size=32),
        custom_hooks=[dict(type='PreflightHook')])

    def logged(name: str, *words: str) -> str:
        tool('train.py', path, '--no-validate', '--work-dir', tmp_path / name,
             '--cfg-options', 'optim_wrapper.accumulative_counts=2', *words)
        return log(tmp_path / name)

    promise = 'this run has 8: pass --auto-scale-lr to train with 0.0025'
    assert promise in logged('plain')
    text = logged('scaled', '--auto-scale-lr')
    assert 'lr: 2.5000e-03' in text  # 0.01 x 4 x 2 / 32
    assert 'pass --auto-scale-lr' not in text
    text = logged('enabled', 'auto_scale_lr.enable=True')
    assert 'lr: 1.2500e-03' in text
    assert 'leaves accumulative_counts=2 out' in text


def test_test_refuses(root: Path, tool: Any, tmp_path: Path,
                      capsys: Any) -> None:
    plain = write_config(
        tmp_path / 'plain.py',
        root,
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None)
    (tmp_path / 'x.pth').touch()
    for arguments, message in (((plain, 'gone.pth'), 'no checkpoint'),
                               ((plain, 'x.pth'), 'sets no evaluation')):
        with pytest.raises(SystemExit):
            tool('test.py', *arguments)
        assert message in capsys.readouterr().err


def test_test_takes_all_or_nothing(root: Path, tool: Any, tmp_path: Path,
                                   capsys: Any) -> None:
    path = write_config(tmp_path / 'tiny.py', root)
    torch.save(
        dict(state_dict={'backbone.conv1.weight': torch.zeros(1)}), 'part.pth')
    with pytest.raises(SystemExit) as info:
        tool('test.py', path, 'part.pth')
    assert info.value.code == 2
    assert '100 of the 120 backbone tensors' in capsys.readouterr().err


def command(repo_root: Path, *words: object, **env: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')
    }
    path = f'{Path(sys.executable).parent}:{kept["PATH"]}'
    done = subprocess.run([str(each) for each in words],
                          env={
                              **kept, 'PATH': path,
                              **env
                          },
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_two_processes_on_a_cpu(repo_root: Path, root: Path,
                                tmp_path: Path) -> None:
    model = moco()  # SimSiam, BYOL and SimCLR have it, and it is of GPUs
    model['backbone']['norm_cfg'] = dict(type='SyncBN')
    path = write_config(tmp_path / 'a config.py', root, model=model)
    command(
        repo_root,
        repo_root / 'tools' / 'dist_train.sh',
        path,
        2,
        '--work-dir',
        tmp_path / 'with space',
        '--cfg-options',
        'train_dataloader.batch_size=2',
        PORT='29731')
    text = log(tmp_path / 'with space')
    assert 'Distributed launcher: pytorch' in text
    assert 'GPU number: 2' in text
    assert 'Epoch(train) [1][4/4]' in text  # 18 images / (2 x 2)
    assert 'knn/top1: ' in text
    assert 'SyncBN is BN here' in text


def test_slurm_command(repo_root: Path, tmp_path: Path) -> None:
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nfor a in "$@"; do echo "<$a>"; done\n')
    srun.chmod(srun.stat().st_mode | stat.S_IXUSR)
    out = subprocess.run([
        str(repo_root / 'tools' / 'slurm_train.sh'), 'part', 'a job', 'cfg.py',
        '--work-dir', 'a b'
    ],
                         env=dict(
                             os.environ,
                             PATH=f'{tmp_path}:{os.environ["PATH"]}',
                             GPUS='4',
                             SRUN_ARGS='--time=1 --requeue'),
                         capture_output=True,
                         text=True,
                         check=True).stdout.splitlines()
    assert out[:8] == [
        '<-p>', '<part>', '<--job-name=a job>', '<--ntasks=4>',
        '<--gres=gpu:4>', '<--ntasks-per-node=4>', '<--cpus-per-task=5>',
        '<--kill-on-bad-exit=1>'
    ]
    assert out[8:10] == ['<--time=1>', '<--requeue>']
    assert out[-5:] == [
        '<cfg.py>', '<--launcher>', '<slurm>', '<--work-dir>', '<a b>'
    ]


@pytest.mark.parametrize('script', ['dist_train', 'dist_test', 'slurm_train'])
def test_usage(repo_root: Path, script: str) -> None:
    done = subprocess.run([str(repo_root / 'tools' / f'{script}.sh'), 'x'],
                          capture_output=True,
                          text=True)
    assert done.returncode == 2
    assert done.stderr.startswith('usage: ')


def test_help_teaches(repo_root: Path) -> None:
    out = command(repo_root, sys.executable, repo_root / 'tools' / 'train.py',
                  '--help')
    for option in ('--resume', '--amp', '--auto-scale-lr', '--no-validate',
                   '--seed', '--cfg-options', '--launcher', '--local-rank'):
        assert option in out
