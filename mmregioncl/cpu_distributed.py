# Copyright (c) mmregioncl contributors. All rights reserved.
"""Several processes on a machine without a GPU."""
from __future__ import annotations

import datetime
import os
import subprocess
from typing import Any, MutableMapping

import torch
import torch.distributed as dist
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

# rank, processes and rank on the node, as each launcher names them
_VARIABLES = {
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE',
            'OMPI_COMM_WORLD_LOCAL_RANK'),
}


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's wrapper, for models with SyncBN, which exists on GPUs only.

    For one process MMEngine makes it plain BN by itself; for several on CPUs
    it is done here, and statistics are of each process's own batch then. With
    a GPU, where a config may come that a run on CPUs has left in its work dir,
    it is MMEngine's.

    Args:
        module (nn.Module): The model.
        kwargs: As of ``MMDistributedDataParallel``.
    """

    def __init__(self, module: nn.Module, **kwargs: Any) -> None:
        if not torch.cuda.is_available() and any(
                isinstance(m, nn.SyncBatchNorm) for m in module.modules()):
            print_log(
                'No GPU: SyncBN is BN here, of each process\'s own batch',
                logger='current')
            module = revert_sync_batchnorm(module)
        super().__init__(module, **kwargs)


def prepare_without_gpu(cfg: Any) -> None:
    """Let a config that says nccl run on CPUs with gloo.

    MMEngine's launchers choose a GPU whatever the backend is, and give its
    number to DistributedDataParallel. Where there is none, the processes are
    joined here (MMEngine then leaves them be), and the wrapper is told so:
    :class:`CPUDistributedDataParallel` in place of MMEngine's usual one.

    Not needed: with a GPU; then nothing is done.

    Args:
        cfg (mmengine.Config): The config; changed in place.
    """
    if torch.cuda.is_available():
        return
    if not dist.is_initialized():
        _name_processes(cfg.launcher, os.environ)
        settings = cfg.get('env_cfg', {}).get('dist_cfg', {})
        seconds = settings.get('timeout', 1800)  # half an hour, as torch
        dist.init_process_group(
            'gloo', timeout=datetime.timedelta(seconds=seconds))
    wrapper = dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False))
    wrapper.update(cfg.get('model_wrapper_cfg') or {})
    if wrapper['type'].split('.')[-1] == 'MMDistributedDataParallel':
        wrapper['type'] = 'mmengine.CPUDistributedDataParallel'
    wrapper['device_ids'] = None
    cfg.model_wrapper_cfg = wrapper


def _name_processes(launcher: str, env: MutableMapping[str, str]) -> None:
    """Set what ``init_process_group`` reads, as torchrun does."""
    for ours, theirs in zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
                            _VARIABLES.get(launcher, ())):
        env[ours] = env[theirs]
    env.setdefault('MASTER_PORT', '29500')  # torch's own default
    if launcher == 'slurm' and 'MASTER_ADDR' not in env:
        hosts = subprocess.check_output(
            ['scontrol', 'show', 'hostname', env['SLURM_NODELIST']], text=True)
        env['MASTER_ADDR'] = hosts.split()[0]
