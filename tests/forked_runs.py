# Copyright (c) mmregioncl contributors. All rights reserved.
"""Training runs as processes of their own that start at once.

A fresh process takes 10 seconds to import what a run needs. Here one process
does so (the fixture ``fork_server``), and each run is forked off it.
"""
from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Callable

import torch

from tests.tiny_run import MEAN, STD, build_runner, loader, write_images


def region_config(root: Path, work_dir: Path, **settings: Any) -> dict:
    """RegionCL-M, 3 epochs of 6 iterations; what is random draws from each of
    Python's, NumPy's and torch's streams, k-NN comes in between."""
    crops = [[
        dict(type='RandomResizedCrop', size=16, scale=(0.2, 1.)),
        dict(
            type='ColorJitter',
            brightness=0.4,
            contrast=0.4,
            saturation=0.4,
            hue=0.1),
        dict(type='RandomGaussianBlur', sigma_min=0.1, sigma_max=2.0,
             prob=0.5),
        dict(type='RandomFlip', prob=0.5),
    ]]
    cfg = dict(
        default_scope='mmselfsup',
        work_dir=str(work_dir),
        model=dict(
            type='RegionCLMoCo',
            queue_len=20,  # the batch does not divide it
            feat_dim=8,
            bn_splits=2,  # keys are shuffled, by seed and step
            data_preprocessor=dict(mean=MEAN, std=STD, bgr_to_rgb=True),
            backbone=dict(
                type='ResNet',
                depth=18,
                stem_channels=4,
                base_channels=4,
                strides=(1, 1, 1, 1),
                norm_cfg=dict(type='BN')),
            neck=dict(
                type='RegionMoCoV2Neck',
                in_channels=32,
                hid_channels=16,
                out_channels=8),
            head=dict(type='RegionContrastiveHead'),
            region_swap=dict(
                stride=4, cells=(1, 2), scope='image', pairing='random')),
        train_dataloader=loader(root) | dict(
            drop_last=True,
            sampler=dict(type='ResumableSampler', shuffle=True),
            dataset=dict(
                type='ImageFolder',
                data_root=str(root),
                pipeline=[
                    dict(type='LoadImageFromFile'),
                    dict(type='MultiView', num_views=2, transforms=crops),
                    dict(type='PackSelfSupInputs', meta_keys=['img_path'])
                ])),
        train_cfg=dict(
            type='ResumableTrainLoop', max_epochs=3, val_interval=2),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=8),
            dict(type='CosineAnnealingLR', T_max=3, by_epoch=True)
        ],
        val_dataloader=loader(root),
        val_evaluator=dict(type='KNNMetric', k=3),
        val_cfg=dict(type='KNNLoop', bank_dataloader=loader(root)),
        default_hooks=dict(
            checkpoint=dict(
                type='ResumableCheckpointHook', interval=1, minutes=None),
            preemption=dict(type='PreemptionHook', interval=2)),
        env_cfg=dict(dist_cfg=dict(backend='gloo', timeout=60)),
        randomness=dict(seed=0))
    cfg.update(settings)
    return cfg


def images(folder: Path) -> Path:
    """24 images in three classes and a few left over by drop_last."""
    return write_images(folder, 9)


def train(cfg: dict, prepare: Callable[[], None] | None = None) -> None:
    """A run with the environment of a process that has just started."""
    if prepare is not None:
        prepare()
    build_runner(cfg).train()


def fork(function: Callable[..., Any], *args: Any, log: Path) -> int:
    """Call a function in a copy of this process.

    Args:
        function (Callable): What to call; its SystemExit is the exit code.
        args: Its arguments.
        log (Path): Takes what it prints.

    Returns:
        int: The id of the process, the leader of its own process group.
    """
    pid = os.fork()
    if pid:
        return pid
    code: Any = 1
    try:
        os.setsid()
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(handle, number)
        function(*args)
        code = 0
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(pid: int, timeout: float = 120.) -> int:
    """Wait for a process; its exit code, or -9 if it was killed.

    Args:
        pid (int): Its id.
        timeout (float): Seconds, after which it is killed.
            Defaults to 120.

    Returns:
        int: As ``Popen.returncode``.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f'process {pid} still ran after {timeout} s')


def finish(cfg: dict, log: Path, prepare: Any = None) -> None:
    """Let a run come to its end."""
    code = wait(fork(train, cfg, prepare, log=log))
    if code:
        raise RuntimeError(f'ended with {code}:\n{log.read_text()[-4000:]}')


def finish_ranks(cfg: dict, world: int, log: Path,
                 prepare: Any = None) -> None:
    """Let a run of several processes come to its end."""
    codes = [wait(pid) for pid in fork_ranks(cfg, world, log, prepare)]
    if any(codes):
        texts = [log.with_suffix(f'.{rank}').read_text()[-3000:]
                 for rank in range(world)]
        raise RuntimeError(f'ended with {codes}:\n' + '\n'.join(texts))


def fork_ranks(cfg: dict, world: int, log: Path,
               prepare: Callable[[], None] | None = None) -> list[int]:
    """The same run in several gloo processes; their ids, by rank."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    return [
        fork(_as_rank, rank, world, port, cfg | dict(launcher='pytorch'),
             prepare, log=log.with_suffix(f'.{rank}'))
        for rank in range(world)
    ]


def _as_rank(rank: int, world: int, port: int, cfg: dict,
             prepare: Callable[[], None] | None) -> None:
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        GLOO_SOCKET_IFNAME='lo')
    train(cfg, prepare)


def tell_steps(pipe: int) -> None:
    """Write a letter at the beginning of each training step."""
    from mmengine.runner import EpochBasedTrainLoop
    run_iter = EpochBasedTrainLoop.run_iter

    def told(self: Any, *args: Any) -> None:
        os.write(pipe, b's')
        run_iter(self, *args)

    EpochBasedTrainLoop.run_iter = told


def state(work_dir: Path, name: str = 'epoch_3.pth') -> dict:
    """Whatever a checkpoint holds that the rest of the run depends on."""
    checkpoint = torch.load(work_dir / name, weights_only=True)
    return {
        key: checkpoint[key]
        for key in ('state_dict', 'optimizer', 'param_schedulers')
    } | {key: checkpoint['meta'][key] for key in ('epoch', 'iter', 'seed')}


def differences(one: Any, other: Any, path: str = '') -> list[str]:
    """Where two states are not the same to the bit."""
    if isinstance(one, dict):
        if list(one) != list(other):
            return [f'{path}: {set(one) ^ set(other)}']
        return [line for key in one for line in
                differences(one[key], other[key], f'{path}/{key}')]
    if isinstance(one, (list, tuple)):
        if len(one) != len(other):
            return [path]
        return [line for i, (a, b) in enumerate(zip(one, other))
                for line in differences(a, b, f'{path}/{i}')]
    if isinstance(one, torch.Tensor):
        same = one.dtype == other.dtype and torch.equal(one, other)
    else:
        same = one == other
    return [] if same else [path]


def report(**figures: Any) -> str:
    """The counts of a test, in one line, for ``pytest -s``."""
    return '\n' + json.dumps(figures)
