# Copyright (c) mmregioncl contributors. All rights reserved.
"""Fixtures for every test.

Always in force: one thread per process, fixed seeds before each test, no
MMEngine state left over from another test. On request: ``shared_data``,
``run_distributed``, ``fork_server``.
"""
from __future__ import annotations

import os

# before torch and OpenCV are imported: pytest-xdist runs one process per core
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MKL_NUM_THREADS', '1')

import gc  # noqa: E402
import multiprocessing  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, Callable, Iterator  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from tests.gloo_ranks import run_ranks  # noqa: E402

REPO = Path(__file__).resolve().parents[1]

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Each test draws the same numbers, alone or among others."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def fresh_mmengine() -> Iterator[None]:
    """No default scope, message hub, visualizer or logger of another test.

    A Runner leaves them behind as process-wide instances, and the next one
    with the same name would take them over.
    """
    _drop_mmengine_instances()
    yield
    _drop_mmengine_instances()


def _drop_mmengine_instances() -> None:
    if 'mmengine' not in sys.modules:  # then there is no state either
        return
    from mmengine.logging import MMLogger
    from mmengine.utils import ManagerMixin
    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            handler.close()  # log files in folders that pytest deletes
    kinds: list[Any] = [ManagerMixin]
    while kinds:
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()


@pytest.fixture(scope='session')
def repo_root() -> Path:
    """The folder that holds mmregioncl/, configs/ and tools/."""
    return REPO


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The real image sets beside the repository; skips where absent."""
    folder = REPO.parent / 'shared' / 'data'
    if not folder.is_dir():
        pytest.skip('no real images: ../shared/data is not beside the '
                    'repository')
    return folder


@pytest.fixture(scope='session')
def run_distributed() -> Callable[..., list[Any]]:
    """``run_distributed(fn, world_size, *args, timeout=120.)``.

    Calls ``fn(rank, world_size, *args)`` in as many gloo processes and
    returns what each rank returned. ``fn`` must stand at the top level of the
    test module. See :func:`tests.gloo_ranks.run_ranks`.
    """
    return run_ranks


@pytest.fixture(scope='session')
def fork_server() -> Iterator[Callable[..., Any]]:
    """``fork_server(fn, *args)``: call it in a process apart, once imported.

    That process has all that a training run needs and one thread, so that
    ``fn`` can fork runs off it, see :mod:`tests.forked_runs`. ``fn`` must
    stand at the top level of a module.
    """
    with ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn'),
            initializer=_prepare_fork_server) as pool:
        yield lambda fn, *args: pool.submit(fn, *args).result(timeout=900)


def _prepare_fork_server() -> None:
    import cv2
    from mmengine.config import Config

    import mmregioncl.register  # noqa: F401
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    # two thirds of a run of a second: yapf formats the config for each
    # checkpoint, and each data set collects the garbage of all imports
    Config.pretty_text = property(lambda cfg: str(dict(cfg)))
    gc.collect()
    gc.freeze()
