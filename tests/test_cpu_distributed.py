# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config

from mmregioncl.cpu_distributed import _name_processes, prepare_without_gpu


def test_with_a_gpu_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg = Config(dict(launcher='pytorch'))
    prepare_without_gpu(cfg)
    assert dict(cfg) == dict(launcher='pytorch')
    assert not dist.is_initialized()


def test_gloo_and_no_device_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple] = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(dist, 'init_process_group',
                        lambda *args, **kwargs: calls.append((args, kwargs)))
    cfg = Config(
        dict(
            launcher='pytorch',
            find_unused_parameters=True,
            model_wrapper_cfg=dict(detect_anomalous_params=True),
            env_cfg=dict(dist_cfg=dict(backend='nccl', timeout=60))))
    prepare_without_gpu(cfg)
    (args, kwargs), = calls
    assert args == ('gloo', )
    assert kwargs['timeout'].total_seconds() == 60
    assert cfg.model_wrapper_cfg == dict(
        type='mmengine.CPUDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=True,
        detect_anomalous_params=True,
        device_ids=None)


def test_names_of_each_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    env: dict[str, str] = dict(
        SLURM_PROCID='3',
        SLURM_NTASKS='8',
        SLURM_LOCALID='1',
        SLURM_NODELIST='node[1-2]')

    def scontrol(command: list[str], **kwargs: Any) -> str:
        assert command[-1] == 'node[1-2]'
        return 'node1\nnode2\n'

    monkeypatch.setattr('subprocess.check_output', scontrol)
    _name_processes('slurm', env)
    ours = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
    assert [env[each] for each in ours] == ['3', '8', '1', 'node1', '29500']
    env = dict(
        OMPI_COMM_WORLD_RANK='1',
        OMPI_COMM_WORLD_SIZE='2',
        OMPI_COMM_WORLD_LOCAL_RANK='0',
        MASTER_PORT='7')
    _name_processes('mpi', env)
    assert (env['RANK'], env['MASTER_PORT']) == ('1', '7')
    env = dict(RANK='5', WORLD_SIZE='6', LOCAL_RANK='1')  # torchrun
    _name_processes('pytorch', env)
    assert (env['RANK'], env['WORLD_SIZE']) == ('5', '6')
