# Copyright (c) mmregioncl contributors. All rights reserved.
"""Our training step against the host's, in turn, in one process.

    python tools/benchmarks/throughput.py --methods mocov2 --batch 16
    python tools/benchmarks/throughput.py --device cuda --precision bf16 \
        --batch 128 --channels-last --peak-tflops 989
    python tools/benchmarks/throughput.py --fast    # ours against ours
    python tools/benchmarks/throughput.py --share .5 --clean-share .5

A step is forward, backward and SGD on random views. Beside the ratio of the
medians stands that of the arithmetic: the operations counted while a step is
taken, and the passes through the encoder (1 for a forward, 3 for a forward
with a backward). The yardstick is a supervised step of torchvision's ResNet,
three passes: with no other cost, ours takes passes / 3 of its time.

On a CPU the ratio of the processor time is given too; it suffers less from
whatever else the machine does.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(Path(__file__).parent)]

import torch  # noqa: E402
from contestants import PASSES, Contestant, Settings  # noqa: E402
from machine import describe  # noqa: E402

from mmregioncl.cpu_memory import keep_freed_memory  # noqa: E402


def race(contestants: dict[str, Contestant], warmup: int,
         repeats: int) -> dict[str, dict[str, Any]]:
    """Count a step of each, then take steps in turn.

    Returns:
        dict[str, dict]: For each contestant ``flops``, ``peak`` (bytes) and
        its ``source``, and the medians ``seconds`` and ``cpu_seconds``.
    """
    figures = {name: each.measure() for name, each in contestants.items()}
    for repeat in range(warmup + repeats):
        for each in contestants.values():
            each.timed_step(keep=repeat >= warmup)
    for name, each in contestants.items():
        figures[name].update(
            seconds=statistics.median(each.seconds),
            cpu_seconds=statistics.median(each.cpu_seconds),
            spread=[min(each.seconds), max(each.seconds)],
            images_per_second=len(each.batch[0]) /
            statistics.median(each.seconds))
    return figures


def flat(method: str, figures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One row: what was measured of each contestant, side by side."""
    row: dict[str, Any] = dict(method=method)
    for name, each in figures.items():
        row.update({f'{name}_{key}': value for key, value in each.items()})
        row[f'{name}_peak_gb'] = each['peak'] / 1e9
    return row


def against_host(method: str, settings: Settings,
                 args: argparse.Namespace) -> dict[str, Any]:
    """Host, RegionCL and the supervised yardstick in turn."""
    sides = ['host', 'regioncl']
    if settings.width == 64:  # torchvision has no other
        sides.append('supervised')
    figures = race(
        {side: Contestant(method, side, settings)
         for side in sides}, args.warmup, args.repeats)
    host, ours = figures['host'], figures['regioncl']
    theirs, mine = settings.passes(method)
    row = flat(method, figures)
    row.update(
        ratio=ours['seconds'] / host['seconds'],
        cpu_ratio=ours['cpu_seconds'] / host['cpu_seconds'],
        flops_ratio=ours['flops'] / host['flops'],
        passes_ratio=mine / theirs,
        peak_ratio=ours['peak'] / host['peak'])
    row['over_arithmetic'] = row['ratio'] / row['flops_ratio']
    if 'supervised' in figures:
        yardstick = figures['supervised']
        share = mine / 3  # a supervised step: forward with backward
        row['of_supervised'] = share * yardstick['seconds'] / ours['seconds']
        row['of_supervised_cpu'] = (
            share * yardstick['cpu_seconds'] / ours['cpu_seconds'])
    return row


def against_plain(method: str, settings: Settings,
                  args: argparse.Namespace) -> dict[str, Any]:
    """RegionCL in the fast settings against itself in plain fp32.

    Beside it, what a plain supervised step gains by the same settings.
    """
    slow = dataclasses.replace(
        settings, precision='fp32', channels_last=False, compile=False)
    contestants = dict(
        plain=Contestant(method, 'regioncl', slow),
        fast=Contestant(method, 'regioncl', settings))
    if settings.width == 64:  # torchvision has no other
        contestants |= dict(
            plain_supervised=Contestant(method, 'supervised', slow),
            fast_supervised=Contestant(method, 'supervised', settings))
    figures = race(contestants, args.warmup, args.repeats)
    plain, fast = figures['plain'], figures['fast']
    row = dict(
        flat(method, figures),
        speedup=plain['seconds'] / fast['seconds'],
        cpu_speedup=plain['cpu_seconds'] / fast['cpu_seconds'],
        peak_ratio=fast['peak'] / plain['peak'])
    if settings.width == 64:
        row['supervised_speedup'] = (
            figures['plain_supervised']['seconds'] /
            figures['fast_supervised']['seconds'])
    return row


# heading, and the figure of a row
HOST_COLUMNS = [
    ('method', '{method}'),
    ('host s', '{host_seconds:.3f}'),
    ('RegionCL s', '{regioncl_seconds:.3f}'),
    ('ratio', '{ratio:.3f}'),
    ('ratio of CPU time', '{cpu_ratio:.3f}'),
    ('FLOPs counted', '{flops_ratio:.3f}'),
    ('passes', '{passes_ratio:.3f}'),
    ('ratio over FLOPs', '{over_arithmetic:.3f}'),
    ('images/s', '{regioncl_images_per_second:.2f}'),
    ('of 3/passes of supervised', '{of_supervised:.3f}'),
    ('by CPU time', '{of_supervised_cpu:.3f}'),
    ('peak GB', '{regioncl_peak_gb:.2f}'),
    ('over host', '{peak_ratio:.2f}'),
]
FAST_COLUMNS = [
    ('method', '{method}'),
    ('plain s', '{plain_seconds:.3f}'),
    ('fast s', '{fast_seconds:.3f}'),
    ('speed-up', '{speedup:.2f}'),
    ('of CPU time', '{cpu_speedup:.2f}'),
    ('of supervised', '{supervised_speedup:.2f}'),
    ('images/s', '{fast_images_per_second:.2f}'),
    ('peak GB', '{fast_peak_gb:.2f}'),
    ('over plain', '{peak_ratio:.2f}'),
]


def table(rows: list[dict[str, Any]], columns: list[tuple[str, str]]) -> str:
    """The rows in Markdown; columns that no row has are left out."""
    kept = [(head, cell) for head, cell in columns
            if 'supervised' not in cell or any('supervised' in key
                                               for key in rows[0])]
    lines = [[head for head, _ in kept], ['---'] * len(kept)]
    lines += [[cell.format(**row) for _, cell in kept] for row in rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def profile(contestant: Contestant, rows: int) -> str:
    """What one step spends its time on."""
    with torch.profiler.profile() as trace:
        contestant.step()
    kind = 'cuda' if contestant.kind == 'cuda' else 'cpu'
    return trace.key_averages().table(
        sort_by=f'self_{kind}_time_total',
        row_limit=rows,
        max_name_column_width=50)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', default=['mocov2'],
                        choices=list(PASSES))  # yapf: disable
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--precision', default='fp32', choices=['fp32', 'tf32', 'bf16',
                                                'fp16'])  # yapf: disable
    parser.add_argument('--channels-last', action='store_true')
    parser.add_argument('--compile', action='store_true',
                        help='torch.compile the encoders')  # yapf: disable
    parser.add_argument('--checkpoint', action='store_true',
                        help='as ActivationCheckpointHook')  # yapf: disable
    parser.add_argument(
        '--fast', action='store_true',
        help='ours in bf16 and channels_last (and compiled with --compile) '
        'against ours in plain fp32')  # yapf: disable
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--size', type=int, default=224, help='pixels')
    parser.add_argument('--depth', type=int, default=50, help='of the ResNet')
    parser.add_argument('--width', type=int, default=64,
                        help='channels of its first stage')  # yapf: disable
    parser.add_argument('--queue', type=int, default=65536, help='keys')
    parser.add_argument(
        '--share', type=float, default=1., help='of region_budget')
    parser.add_argument(
        '--clean-share', type=float, default=1., help='of region_budget')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--warmup', type=int, default=1)
    parser.add_argument(
        '--give-back',
        action='store_true',
        help='on a CPU, let glibc hand freed memory back to the system, as it '
        'does outside tools/train.py')
    parser.add_argument('--threads', type=int)
    parser.add_argument(
        '--peak-tflops', type=float,
        help='of the device in this precision, by its data sheet; gives the '
        'share of it that our step reaches')  # yapf: disable
    parser.add_argument(
        '--profile', type=int, metavar='ROWS',
        help='also print what our step spends its time on')  # yapf: disable
    parser.add_argument('--json', help='also write the rows to this file')
    args = parser.parse_args()
    if args.fast:
        args.precision, args.channels_last = 'bf16', True
    return args


def main() -> None:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if not args.give_back:
        keep_freed_memory()  # as tools/train.py does
    if torch.device(args.device).type == 'cuda':
        torch.backends.cudnn.benchmark = True  # as the configs set it
        tf32 = args.precision != 'fp32'
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cuda.matmul.allow_tf32 = tf32
    settings = Settings(
        **{
            field.name: getattr(args, field.name)
            for field in dataclasses.fields(Settings)
        })
    compare = against_plain if args.fast else against_host
    rows = [compare(method, settings, args) for method in args.methods]
    machine = describe(args.device)
    for row in rows:
        row.update(machine=machine, settings=str(settings), batch=args.batch)
    ours = 'fast' if args.fast else 'regioncl'
    row = rows[0]
    print(f'{machine}; ResNet-{args.depth}'
          f'{f" of width {args.width}" if args.width != 64 else ""}, '
          f'{args.size} px, batch {args.batch}, queue {args.queue}; '
          f'{settings}; median of {args.repeats}; memory: '
          f'{row[f"{ours}_source"]}')
    print(table(rows, FAST_COLUMNS if args.fast else HOST_COLUMNS))
    flops = row[f'{ours}_flops']
    tflops = flops / row[f'{ours}_seconds'] / 1e12
    share = (f', {tflops / args.peak_tflops:.1%} of {args.peak_tflops:g}'
             if args.peak_tflops else '')
    print(f'{args.methods[0]}: {flops / args.batch / 1e9:.1f} GFLOP '
          f'per image, {tflops:.2f} TFLOP/s{share}')
    if args.profile:
        print(profile(Contestant(args.methods[0], 'regioncl', settings),
                      args.profile))  # yapf: disable
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + '\n')


if __name__ == '__main__':
    main()
