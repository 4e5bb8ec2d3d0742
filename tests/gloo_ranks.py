# Copyright (c) mmregioncl contributors. All rights reserved.
"""Run one function in several gloo processes; see ``run_ranks``.

Tests use it through the fixture ``run_distributed`` of conftest.py. The same
file, run as a script, is the program of each rank.
"""
from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Callable


def run_ranks(fn: Callable[..., Any],
              world_size: int,
              *args: Any,
              timeout: float = 120.) -> list[Any]:
    """Call ``fn(rank, world_size, *args)`` in ``world_size`` processes.

    The ranks share one initialised gloo process group. A rank that raises
    ends the others at once, so no collective waits for it.

    Args:
        fn (Callable): A function at the top level of a module: the processes
            start afresh and import it by name. A lambda or a function inside
            a test cannot be found that way.
        world_size (int): Number of processes.
        args: Further arguments; they must be picklable.
        timeout (float): Seconds for the whole call. Starting a process
            (importing torch) takes 3 to 10 of them on a busy machine.
            Defaults to 120.

    Returns:
        list: What each rank returned (picklable), in rank order.

    Raises:
        ValueError: If ``fn`` is not at the top level of a module.
        RuntimeError: If a rank raised or died; holds its traceback.
        TimeoutError: If the ranks have not finished in time.
    """
    if '<' in fn.__qualname__ or '.' in fn.__qualname__:
        raise ValueError(
            f'run_distributed got {fn.__qualname__!r}; it starts new '
            'processes that import the function by name: move it to the top '
            'level of the test module')
    with tempfile.TemporaryDirectory(prefix='gloo_ranks_') as folder:
        job = Path(folder)
        # sys.path first: it takes that to unpickle the function
        (job / 'path').write_bytes(pickle.dumps(sys.path))
        (job / 'call').write_bytes(pickle.dumps((fn, args)))
        port = _free_port()
        ranks = [
            _start_rank(job, rank, world_size, port)
            for rank in range(world_size)
        ]
        try:
            _wait(ranks, job, timeout)
        finally:
            for process in ranks:
                process.kill()
                process.wait()
        return [
            pickle.loads((job / f'result{rank}').read_bytes())
            for rank in range(world_size)
        ]


def _start_rank(job: Path, rank: int, world_size: int,
                port: int) -> subprocess.Popen[bytes]:
    env = dict(
        os.environ,
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world_size),
        LOCAL_WORLD_SIZE=str(world_size),
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        GLOO_SOCKET_IFNAME='lo',  # the host's own name may not resolve
        OMP_NUM_THREADS='1')
    with open(job / f'log{rank}', 'wb') as log:
        return subprocess.Popen(
            [sys.executable, __file__, str(job)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT)


def _wait(ranks: list[subprocess.Popen[bytes]], job: Path,
          timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        codes = [process.poll() for process in ranks]
        if any(codes):
            # The one that failed may be seen after one that lost it.
            time.sleep(1)
            codes = [process.poll() for process in ranks]
            raise RuntimeError('\n'.join(
                f'rank {rank} of {len(ranks)} ended with {code}:\n'
                f'{_log(job, rank)}' for rank, code in enumerate(codes)
                if code))
        if all(code == 0 for code in codes):
            return
        if time.monotonic() > deadline:
            late = [rank for rank, code in enumerate(codes) if code is None]
            raise TimeoutError(
                f'ranks {late} of {len(ranks)} still run after {timeout} s; '
                'is every collective reached by every rank?\n' +
                '\n'.join(f'rank {r}:\n{_log(job, r)}' for r in late))
        time.sleep(0.05)


def _log(job: Path, rank: int) -> str:
    return (job / f'log{rank}').read_text(errors='replace')[-4000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def _main(job: Path) -> None:
    """The program of one rank."""
    sys.path[:] = pickle.loads((job / 'path').read_bytes())
    import torch
    import torch.distributed as dist
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rank, world_size = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
    fn, args = pickle.loads((job / 'call').read_bytes())
    # a file, not the port: nothing else can take it in the meantime
    dist.init_process_group(
        'gloo',
        init_method=f'file://{job}/store',
        rank=rank,
        world_size=world_size)
    result = fn(rank, world_size, *args)
    (job / f'result{rank}').write_bytes(pickle.dumps(result))
    if dist.is_initialized():
        dist.barrier()  # nobody leaves while another still talks to it
        dist.destroy_process_group()


if __name__ == '__main__':
    try:
        _main(Path(sys.argv[1]))
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # at once: an orderly exit waits for the other ranks
