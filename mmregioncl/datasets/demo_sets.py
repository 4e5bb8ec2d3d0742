# Copyright (c) mmregioncl contributors. All rights reserved.
"""Make a demo set once: whole, or not at all."""
from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2

from mmregioncl.datasets.demo_layouts import LAYOUTS, SPLITS, Job

VERSION = 2  # of the pictures; a change of the renderer adds one
META = 'META.json'
UNFINISHED = 'META.json.part'  # becomes META.json when all is written


def make_demo_set(out: str | os.PathLike[str],
                  layout: str,
                  seed: int = 0,
                  train: int | None = None,
                  val: int | None = None,
                  width: int | None = None,
                  workers: int = 1) -> bool:
    """Render a set into a folder, unless it is there already.

    Args:
        out (str | PathLike): Folder of the set.
        layout (str): 'folders', 'coco' or 'cityscapes'.
        seed (int): Everything follows from it. Defaults to 0.
        train (int | None): Number of training images. Defaults to None, the
            layout's own.
        val (int | None): Number of validation images. Defaults to None, the
            layout's own.
        width (int | None): Width of an image in pixels. Defaults to None, the
            layout's own.
        workers (int): Number of processes; the set is the same for any.
            Defaults to 1.

    Returns:
        bool: Whether it had to be rendered.

    Raises:
        ValueError: If a number is out of range, or if the folder holds
            something else.
    """
    meta = _parameters(layout, seed, train, val, width)
    folder = Path(out)
    if _is_made(folder, meta):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNFINISHED).write_text(json.dumps(meta) + '\n', 'utf-8')
    kind = LAYOUTS[layout]
    jobs = [
        Job(str(folder), seed, split, index, tuple(meta['size']))
        for split in SPLITS for index in range(meta[split])
    ]
    found = _render(jobs, layout, workers)
    if kind.annotate is not None:
        kind.annotate(str(folder), 'train', found[:meta['train']])
        kind.annotate(str(folder), 'val', found[meta['train']:])
    meta['files'] = _count_files(folder)
    (folder / UNFINISHED).write_text(json.dumps(meta) + '\n', 'utf-8')
    os.replace(folder / UNFINISHED, folder / META)
    return True


def _parameters(layout: str, seed: int, train: int | None, val: int | None,
                width: int | None) -> dict[str, Any]:
    if layout not in LAYOUTS:
        raise ValueError(f'layout={layout!r} is not known; choose from '
                         f'{", ".join(LAYOUTS)}')
    kind = LAYOUTS[layout]
    if seed < 0:
        raise ValueError(f'seed={seed} must be 0 or more')
    numbers = dict(
        train=kind.train if train is None else train,
        val=kind.val if val is None else val)
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f'{name}={number} must be 1 or more')
    width = kind.width if width is None else width
    across, down = kind.aspect
    # smaller than 32 rows, no one could name a thing
    if width % across or width * down // across < 32:
        raise ValueError(
            f'width={width} does not do for layout={layout!r}; choose a '
            f'multiple of {across}, at least {-(-32 * across // down)}')
    size = [width, width * down // across]
    return dict(
        made_by='mmregioncl demo scenes',
        version=VERSION,
        layout=layout,
        seed=seed,
        **numbers,
        size=size)


def _is_made(folder: Path, meta: dict[str, Any]) -> bool:
    """Whether the set is there; clears away what is left of half a one."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise ValueError(f'{str(folder)!r} is a file; name a folder')
    if (folder / UNFINISHED).exists():
        shutil.rmtree(folder)  # ours: the mark was the first thing written
        return False
    if not (folder / META).exists():
        if any(folder.iterdir()):
            raise ValueError(
                f'{str(folder)!r} holds files that are not of a demo set; '
                'name another folder or empty this one')
        return False
    try:
        there = json.loads((folder / META).read_text('utf-8'))
        files = there.pop('files')
    except (ValueError, KeyError, AttributeError, TypeError):
        there, files = {}, 0
    differ = [
        f'{key}={there.get(key)!r} where {key}={value!r} is asked for'
        for key, value in meta.items() if there.get(key) != value
    ]
    if differ:
        raise ValueError(
            f'{str(folder)!r} holds a set made with {", ".join(differ)}; name '
            'another folder, delete this one, or ask for the same')
    if _count_files(folder) >= files:
        return True
    os.replace(folder / META, folder / UNFINISHED)  # some were deleted
    return False


def _count_files(folder: Path) -> int:
    return sum(each.is_file() and each.name not in (META, UNFINISHED)
               for each in folder.rglob('*'))


def _render(jobs: list[Job], layout: str,
            workers: int) -> list[dict[str, Any]]:
    render = LAYOUTS[layout].render
    if workers < 2:
        return [render(job) for job in _counted(jobs, len(jobs), layout)]
    # Not forked: OpenCV's own threads do not come along, and a child that
    # waits for them waits for ever.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(
            workers, mp_context=context, initializer=_one_thread) as pool:
        found = pool.map(render, jobs, chunksize=4)
        return list(_counted(found, len(jobs), layout))


def _one_thread() -> None:
    cv2.setNumThreads(1)  # one process per core is as much as there is


def _counted(items: Any, total: int, layout: str) -> Any:
    """Pass items on, counting them on a terminal."""
    shown = sys.stderr.isatty()
    for number, item in enumerate(items, 1):
        yield item
        if shown and (number % 10 == 0 or number == total):
            end = '\n' if number == total else ''
            print(
                f'\r{layout}: {number}/{total} images',
                end=end,
                file=sys.stderr,
                flush=True)
