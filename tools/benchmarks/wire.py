# Copyright (c) mmregioncl contributors. All rights reserved.
"""Bytes received and seconds taken by a step in several processes.

    python tools/benchmarks/wire.py --processes 4
    torchrun --nproc_per_node 8 tools/benchmarks/wire.py --device cuda \
        --depth 50 --size 224 --batch 128

Without torchrun it starts gloo processes on this machine. Compared are
MMSelfSup's MoCo and RegionCL-M with each key_shuffle, in turn. Bytes are
those that rank 0 receives from the others in one step. The gradients, which
DistributedDataParallel averages in all of them alike, are stated, not
counted.
"""
from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(Path(__file__).parent)]

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
import torch.multiprocessing as mp  # noqa: E402
from contestants import Contestant, Settings  # noqa: E402
from machine import describe  # noqa: E402
from wire_count import WireCount  # noqa: E402

RUNS = ('host', 'global', 'local', 'none')


def contestant(run: str, settings: Settings) -> Contestant:
    """MMSelfSup's MoCo, or RegionCL-M with this ``key_shuffle``."""
    side = 'host' if run == 'host' else 'regioncl'
    made = Contestant('mocov2', side, settings)
    if run != 'host':
        made.model.key_shuffle = run
    made.distribute()
    return made


def measure(settings: Settings, repeats: int) -> list[dict[str, Any]]:
    """Count one step of each, then take steps in turn."""
    runs = {run: contestant(run, settings) for run in RUNS}
    counts = {}
    for run, each in runs.items():
        each.step()  # in the first one the ranks agree on a seed
        with WireCount() as wire:
            each.step()
        counts[run] = wire
    for _ in range(repeats):
        for each in runs.values():
            dist.barrier()
            each.timed_step(keep=True)
    rows = [
        dict(
            run=run,
            seconds=statistics.median(each.seconds),
            cpu_seconds=statistics.median(each.cpu_seconds),
            received=counts[run].received.total(),
            by_call=dict(counts[run].received)) for run, each in runs.items()
    ]
    return rows


def main_of_a_rank(rank: int, args: argparse.Namespace) -> None:
    """The program of each process."""
    gpu = torch.device(args.device).type == 'cuda'
    if gpu:
        torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', rank)))
    else:
        torch.set_num_threads(args.threads)
    os.environ.setdefault('RANK', str(rank))
    dist.init_process_group('nccl' if gpu else 'gloo')
    settings = Settings(
        device=args.device,
        batch=args.batch,
        size=args.size,
        depth=args.depth,
        width=args.width,
        queue=args.queue)
    rows = measure(settings, args.repeats)
    if dist.get_rank() == 0:
        report(rows, args)
    dist.barrier()
    dist.destroy_process_group()


def report(rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Print the table, and write the json."""
    world = dist.get_world_size()
    image = 3 * args.size**2 * 4
    print(f'{describe(args.device)}; {world} processes, {args.batch} images '
          f'of {args.size} px each ({args.batch * image / 1e6:.2f} MB); '
          f'ResNet-{args.depth}; median of {args.repeats}')
    print('| run | MB received | in images of a rank | over host | s per '
          'step | CPU s of rank 0 |\n|---|---|---|---|---|---|')
    host = rows[0]['received']
    for row in rows:
        row.update(
            machine=describe(args.device),
            processes=world,
            megabytes=row['received'] / 1e6,
            batches=row['received'] / image / args.batch,
            over_host=row['received'] / host)
        print('| {run} | {megabytes:.3f} | {batches:.2f} | {over_host:.4f} | '
              '{seconds:.3f} | {cpu_seconds:.3f} |'.format(**row))
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + '\n')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--processes',
        type=int,
        default=2,
        help='to start here; torchrun decides otherwise')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batch', type=int, default=8, help='per process')
    parser.add_argument('--size', type=int, default=192, help='pixels')
    parser.add_argument('--depth', type=int, default=18, help='of the ResNet')
    parser.add_argument(
        '--width', type=int, default=16, help='channels of its first stage')
    parser.add_argument('--queue', type=int, default=4096, help='keys')
    parser.add_argument('--threads', type=int, default=1, help='per process')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if 'RANK' in os.environ:  # torchrun
        main_of_a_rank(int(os.environ['RANK']), args)
        return
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    os.environ.update(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        WORLD_SIZE=str(args.processes))
    if torch.device(args.device).type == 'cpu':
        os.environ.setdefault('GLOO_SOCKET_IFNAME', 'lo')
    mp.spawn(main_of_a_rank, (args, ), nprocs=args.processes)


if __name__ == '__main__':
    main()
