# Copyright (c) mmregioncl contributors. All rights reserved.
"""Two views of an image by our input path, and by MMSelfSup's, in turn.

    python tools/benchmarks/dataloader.py --data FOLDER
    python tools/benchmarks/dataloader.py --data FOLDER --device cuda \
        --cores 16 --images-per-second 1200

The images of the folder are resized to what most of ImageNet is, 500 x 375
pixels in about 80 KB of JPEG, unless --as-is leaves them alone. Both pipelines
of configs/_base_/datasets/imagenet.py then take the same files in turn, one
thread each. Counted is processor time, which suffers less than the clock from
whatever else the machine does, of three parts: a worker's (file to collated
batch), the preprocessor's on the device, and both on a CPU.

The verdict says who waits for whom with so many cores and a device that takes
so many images per second.
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Callable

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

import cv2  # noqa: E402
import torch  # noqa: E402
from machine import describe  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.dataset import default_collate  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

from mmregioncl.datasets import ImageFolder  # noqa: E402
from mmregioncl.datasets.image_listing import find_images  # noqa: E402
from mmregioncl.models.data_preprocessors import \
    DeviceViewsPreprocessor  # noqa: E402

WIDTH, HEIGHT, BYTES = 500, 375, 80_000  # of most images of ImageNet
SIDES = dict(stock='stock_pipeline', ours='train_pipeline')


def resize_like_imagenet(source: Path, target: Path, count: int) -> None:
    """Write JPEG files of the usual size, from those of a folder."""
    names = find_images(str(source), ('.jpg', '.jpeg'))
    if not names:
        raise SystemExit(
            f'{source} has no JPEG files; name a folder of photos')
    for number in range(count):
        image = cv2.imread(str(source / names[number % len(names)]))
        if image.shape[0] > image.shape[1]:
            image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
        image = cv2.resize(
            image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        files = (
            cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            for quality in range(98, 60, -1))
        smallest = min(files, key=lambda file: abs(len(file) - BYTES))
        (target / f'{number:05}.jpg').write_bytes(smallest.tobytes())


class Side:
    """One of the two input paths.

    Args:
        name (str): ``'stock'`` or ``'ours'``.
        folder (Path): The images.
        cfg (Config): The data set's base config.
        device (str): Where the preprocessor runs.
    """

    def __init__(self, name: str, folder: Path, cfg: Config,
                 device: str) -> None:
        self.dataset = ImageFolder(str(folder), pipeline=cfg[SIDES[name]])
        model = Config.fromfile(REPO / 'configs/_base_/models/mocov2_r50.py')
        settings = model.model.data_preprocessor
        settings.pop('type')  # the stock's batches it only normalises
        self.preprocessor = DeviceViewsPreprocessor(**settings).to(device)
        self.cpu: dict[str, list[float]] = dict(worker=[], device=[])
        self.wall: dict[str, list[float]] = dict(worker=[], device=[])

    def take(self, first: int, batch: int, keep: bool) -> None:
        """One batch through worker and preprocessor, timed."""
        loaded = self._timed(
            'worker', keep, lambda: default_collate([
                self.dataset[(first + i) % len(self.dataset)]
                for i in range(batch)
            ]))
        self._timed('device', keep, lambda: self.preprocessor(loaded, True))

    def _timed(self, part: str, keep: bool, run: Callable[[], Any]) -> Any:
        clocks = time.process_time(), time.perf_counter()
        out = run()
        if self.preprocessor.device.type == 'cuda':
            torch.cuda.synchronize()
        if keep:
            self.cpu[part].append(time.process_time() - clocks[0])
            self.wall[part].append(time.perf_counter() - clocks[1])
        return out


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Side]:
    """Both paths in turn, batch by batch."""
    cfg = Config.fromfile(REPO / 'configs/_base_/datasets/imagenet.py')
    cfg.view_pipeline[0].size = args.size
    cfg.stock_pipeline[1].transforms = [cfg.view_pipeline]
    cfg.train_pipeline[0].transforms = [cfg.view_pipeline]
    sides = {name: Side(name, folder, cfg, args.device) for name in SIDES}
    for repeat in range(-1, args.repeats):  # the first warms up
        for side in sides.values():
            side.take(max(repeat, 0) * args.batch, args.batch, repeat >= 0)
    return sides


def compare(sides: dict[str, Side], batch: int, device: str) -> list[dict]:
    """Milliseconds of a core per image, and their ratio, part by part."""
    parts = {'worker: file to batch': ['worker']}
    if device == 'cpu':
        parts['whole path on a CPU'] = ['worker', 'device']
    rows = []
    for part, clocks in parts.items():
        stock, ours = ([
            sum(each) * 1e3 / batch for each in zip(*(side.cpu[clock]
                                                      for clock in clocks))
        ] for side in sides.values())
        ratios = [a / b for a, b in zip(stock, ours)]
        rows.append(
            dict(
                part=part,
                stock_ms=statistics.median(stock),
                ours_ms=statistics.median(ours),
                stock_per_core=1e3 / statistics.median(stock),
                ours_per_core=1e3 / statistics.median(ours),
                ratio=statistics.median(ratios),
                ratio_low=min(ratios),
                ratio_high=max(ratios)))
    if device != 'cpu':
        stock, ours = (
            statistics.median(side.wall['device']) * 1e3 / batch
            for side in sides.values())
        rows.append(
            dict(
                part=f'preprocessor on {device}, by the clock',
                stock_ms=stock,
                ours_ms=ours))
    return rows


def share_of_core(sides: dict[str, Side]) -> float:
    """How much of a core this process was given while it measured."""
    cpu, wall = (
        sum(sum(clock['worker']) for clock in clocks)
        for clocks in ([side.cpu for side in sides.values()],
                       [side.wall for side in sides.values()]))
    return cpu / wall


def verdict(per_core: float, cores: int, needed: float) -> str:
    """Who waits for whom."""
    fed = per_core * cores
    text = (f'{cores} cores load {fed:.0f} images/s, the device takes '
            f'{needed:.0f}: ')
    if fed >= needed:
        return text + (f'the workers wait; {-(-needed // per_core):.0f} cores '
                       'would do')
    return text + (f'the device waits, {1 - fed / needed:.0%} of the time; it '
                   f'needs {-(-needed // per_core):.0f} cores')


def table(rows: list[dict]) -> str:
    """The rows in Markdown."""
    lines = [
        '| part | stock ms | ours ms | stock images/s/core | ours | ratio |',
        '|---|---|---|---|---|---|'
    ]
    for row in rows:
        line = '| {part} | {stock_ms:.2f} | {ours_ms:.2f} | '
        if 'ratio' in row:
            line += ('{stock_per_core:.0f} | {ours_per_core:.0f} | '
                     '{ratio:.2f} ({ratio_low:.2f} to {ratio_high:.2f}) |')
        else:
            line += '| | |'
        lines.append(line.format(**row))
    return '\n'.join(lines)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--data', type=Path, required=True, help='a folder of photos')
    parser.add_argument(
        '--as-is', action='store_true', help='do not resize the photos')
    parser.add_argument('--size', type=int, default=224, help='of a view')
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--repeats', type=int, default=9)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--cores', type=int, default=16, help='of the verdict')
    parser.add_argument(
        '--images-per-second',
        type=float,
        default=1200,
        help='that the device takes, for the verdict; the authors report 307 '
        'on an A100 (default: 1200)')
    parser.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    warnings.filterwarnings('ignore', message="Only use 'alpha'")  # mmcv's
    cv2.setNumThreads(0)  # as in a worker
    torch.set_num_threads(1)
    init_default_scope('mmselfsup')
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.data
        if not args.as_is:
            folder = Path(temporary)
            resize_like_imagenet(args.data, folder, 4 * args.batch)
        files = [folder / name for name in find_images(str(folder))]
        kilobytes = statistics.mean(f.stat().st_size for f in files) / 1e3
        sides = measure(args, folder)
    rows = compare(sides, args.batch, args.device)
    taken_on = dict(
        machine=describe(args.device),
        share_of_core=share_of_core(sides),
        files=len(files),
        kilobytes=kilobytes,
        size=args.size,
        batch=args.batch,
        repeats=args.repeats)
    print('{machine}; {files} files of {kilobytes:.0f} KB on average, views '
          'of {size} px, batch {batch}; processor time, median of {repeats}; '
          'this process had {share_of_core:.0%} of a core'.format(**taken_on))
    print(table(rows))
    for name in SIDES:
        print(f'{name}: ' + verdict(rows[0][f'{name}_per_core'], args.cores,
                                    args.images_per_second))
    if args.json:
        Path(args.json).write_text(
            json.dumps([row | taken_on for row in rows], indent=2) + '\n')


if __name__ == '__main__':
    main()
