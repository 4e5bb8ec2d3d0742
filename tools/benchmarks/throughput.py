# Copyright (c) mmregioncl contributors. All rights reserved.
"""Our training step against the host's, in turn, in one process.

    python tools/benchmarks/throughput.py --methods mocov2 --batch 16
    python tools/benchmarks/throughput.py --device cuda --precision bf16 \
        --batch 128 --channels-last

Both take the same random views. A step is forward, backward and SGD. The
ratio of the medians stands beside the ratio of the arithmetic alone: passes
through the encoder, counted as 1 for a forward and 3 for a forward with a
backward.
"""
from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.logging import MessageHub  # noqa: E402
from mmengine.model import revert_sync_batchnorm  # noqa: E402

import mmregioncl.register  # noqa: E402,F401
from mmselfsup.registry import MODELS  # noqa: E402

# Encoder passes of host and of RegionCL: forward 1, with backward 3.
PASSES = dict(
    mocov2=(4, 7),  # query fb + key f; + composite fb
    densecl=(4, 7),
    simsiam=(6, 9),  # two views fb; + composite fb
    byol=(8, 11),  # two views fb, two targets f; + composite fb
    simclr=(6, 9))


def build(config: str, host: bool, depth: int | None,
          device: str) -> torch.nn.Module:
    """Build the algorithm of a config, or its plain host."""
    cfg = Config.fromfile(REPO / 'configs' / config)
    model = cfg.model
    if depth is not None:
        model.backbone.depth = depth
        channels = 512 if depth < 50 else 2048
        model.neck.in_channels = channels
    if host:
        model = Config.fromfile(REPO / 'configs/_base_/models' /
                                config.replace('regioncl_', '')).model
        if depth is not None:
            model.backbone.depth, model.neck.in_channels = depth, channels
    torch.manual_seed(0)
    built = revert_sync_batchnorm(MODELS.build(model))
    built.init_weights()
    return built.to(device).train()


def step(model: Any, optimizer: torch.optim.Optimizer,
         views: list[torch.Tensor], autocast: Any) -> float:
    """One training step; returns its seconds."""
    device = views[0].device
    if device.type == 'cuda':
        torch.cuda.synchronize()
    start = time.perf_counter()
    with autocast():
        losses = model.loss(views, None)
    total = sum(value for name, value in losses.items() if 'loss' in name)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    optimizer.step()
    if device.type == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(method: str, args: argparse.Namespace) -> dict:
    """Time host and RegionCL in turn."""
    config = f'regioncl_{method}_r50.py'
    models = {
        name: build(config, name == 'host', args.depth, args.device)
        for name in ('host', 'regioncl')
    }
    views = [
        torch.randn(args.batch, 3, args.size, args.size, device=args.device)
        for _ in range(2)
    ]
    if args.channels_last:
        views = [v.to(memory_format=torch.channels_last) for v in views]
        for model in models.values():
            model.to(memory_format=torch.channels_last)
    kind = torch.device(args.device).type
    dtype = dict(bf16=torch.bfloat16, fp16=torch.float16).get(args.precision)

    def autocast() -> Any:
        return torch.autocast(kind, dtype) if dtype else nullcontext()

    optimizers = {
        name: torch.optim.SGD(
            [p for p in model.parameters() if p.requires_grad],
            lr=1e-3,
            momentum=0.9)
        for name, model in models.items()
    }
    seconds: dict[str, list[float]] = dict(host=[], regioncl=[])
    for repeat in range(args.warmup + args.repeats):
        for name, model in models.items():
            taken = step(model, optimizers[name], views, autocast)
            if repeat >= args.warmup:
                seconds[name].append(taken)
    host, ours = (statistics.median(seconds[name]) for name in seconds)
    passes = PASSES[method]
    return dict(
        method=method,
        host_seconds=host,
        regioncl_seconds=ours,
        ratio=ours / host,
        arithmetic=passes[1] / passes[0],
        over_arithmetic=ours / host * passes[0] / passes[1],
        images_per_second=args.batch / ours,
        spread=[min(seconds['regioncl']), max(seconds['regioncl'])])


def machine(args: argparse.Namespace) -> str:
    """What the figures were taken on."""
    if torch.device(args.device).type == 'cuda':
        name = torch.cuda.get_device_name()
    else:
        cpu = Path('/proc/cpuinfo')
        names = [
            line.split(':', 1)[1].strip()
            for line in (cpu.read_text().splitlines() if cpu.exists() else [])
            if line.startswith('model name')
        ]
        name = f'{names[0] if names else platform.processor()}, '
        name += f'{torch.get_num_threads()} threads'
    return f'{name}, torch {torch.__version__}'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--methods', nargs='+', default=['mocov2'],
                        choices=list(PASSES))  # yapf: disable
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--precision', default='fp32', choices=['fp32', 'bf16', 'fp16'])
    parser.add_argument('--channels-last', action='store_true')
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--size', type=int, default=224, help='pixels')
    parser.add_argument('--depth', type=int, help='ResNet depth, default 50')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--warmup', type=int, default=1)
    parser.add_argument('--threads', type=int)
    parser.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    MessageHub.get_instance('throughput').update_info('max_iters', 10**6)
    rows = [compare(method, args) for method in args.methods]
    print(f'{machine(args)}; ResNet-{args.depth or 50}, {args.size} px, '
          f'batch {args.batch}, {args.precision}'
          f'{", channels_last" if args.channels_last else ""}; median of '
          f'{args.repeats}')
    print('| method | host s | RegionCL s | ratio | arithmetic | over it '
          '| images/s |\n|---|---|---|---|---|---|---|')
    for row in rows:
        print('| {method} | {host_seconds:.3f} | {regioncl_seconds:.3f} | '
              '{ratio:.3f} | {arithmetic:.3f} | {over_arithmetic:.3f} | '
              '{images_per_second:.2f} |'.format(**row))
    if args.json:
        Path(args.json).write_text(
            json.dumps(dict(machine=machine(args), **vars(args), rows=rows),
                       indent=2))


if __name__ == '__main__':
    main()
