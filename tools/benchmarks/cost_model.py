# Copyright (c) mmregioncl contributors. All rights reserved.
"""Predict time, memory and bytes sent of a RegionCL-M step, on paper.

    python tools/benchmarks/cost_model.py
    python tools/benchmarks/cost_model.py --batch 256 --world 16 \
        --devices h200-bf16 --share-compute 0.5 --share-bandwidth 0.7

Operations, their FLOPs and their traffic are counted on the real model (see
on_paper.py). An operation takes the longer of its arithmetic and its traffic
(a roofline), the wire of the key shuffle is added, and the gradients travel
beside the backward pass. What share of its data sheet a device reaches is an
assumption, and an argument.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(Path(__file__).parent)]

from contestants import Settings  # noqa: E402
from on_paper import on_paper  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Device:
    """A device by its data sheet: dense rates, no sparsity."""
    tflops: float
    terabytes_per_second: float
    link_gigabytes_per_second: float  # NVLink, one direction
    precision: str


DEVICES = {
    'a100-tf32': Device(156, 1.555, 300, 'fp32'),  # SXM, 40 GB
    'a100-bf16': Device(312, 1.555, 300, 'bf16'),
    'h100-bf16': Device(989, 3.35, 450, 'bf16'),  # SXM, 80 GB
    'h200-tf32': Device(494, 4.8, 450, 'fp32'),
    'h200-bf16': Device(989, 4.8, 450, 'bf16'),
}
# RegionCLM.log of the authors: 8 A100-40G, TF32, 128 images on each.
AUTHORS = dict(seconds=0.418, images=1024, gigabytes=24.834)


def wire(side: str,
         batch: int,
         world: int,
         size: int,
         weights: int,
         feat_dim: int = 128) -> dict[str, float]:
    """Bytes that a rank receives from the others in one step, on average.

    Returns:
        dict[str, float]: ``shuffle`` (images and keys of shuffle-BN),
        ``queue`` (keys) and ``gradients`` (ring all-reduce).
    """
    image, key = 3 * size**2 * 4, feat_dim * 4
    away = (world - 1) / world  # share of the rows that another rank has
    shuffle = dict(
        host=(world - 1) * batch * (image + key),
        regioncl=away * batch * (image + key),
        supervised=0)[side]
    return dict(
        shuffle=shuffle,
        queue=0 if side == 'supervised' else (world - 1) * batch * key,
        gradients=2 * away * 4 * weights)


def predict(side: str, device: Device, settings: Settings,
            args: argparse.Namespace) -> dict[str, Any]:
    """Time of one step, term by term."""
    counted = on_paper(
        side, dataclasses.replace(settings, precision=device.precision))
    rate = device.tflops * 1e12 * args.share_compute
    bandwidth = device.terabytes_per_second * 1e12 * args.share_bandwidth
    link = (args.link or device.link_gigabytes_per_second) * 1e9
    link *= args.share_link
    arithmetic = traffic = bound_by_arithmetic = device_time = 0.
    for _, flops, moved in counted['operations']:
        arithmetic += flops / rate
        traffic += moved / bandwidth
        longer = max(flops / rate, moved / bandwidth)
        device_time += longer
        if flops / rate > moved / bandwidth:
            bound_by_arithmetic += longer
    sent = wire(side, settings.batch, args.world, settings.size,
                counted['weights'])
    exchange = (sent['shuffle'] + sent['queue']) / link
    seconds = device_time + exchange
    terms = {
        'arithmetic': bound_by_arithmetic,
        'memory traffic': device_time - bound_by_arithmetic,
        'exchange': exchange
    }
    largest = max(terms, key=lambda term: terms[term])
    return dict(
        side=side,
        gflops_per_image=counted['flops'] / settings.batch / 1e9,
        gigabytes_per_image=sum(moved
                                for _, _, moved in counted['operations']) /
        settings.batch / 1e9,
        kernels=len(counted['operations']),
        arithmetic=1e3 * arithmetic,  # in milliseconds, as all below
        traffic=1e3 * traffic,
        exchange=1e3 * exchange,
        gradients=1e3 * sent['gradients'] / link,
        step=1e3 * seconds,
        images_per_second=settings.batch / seconds,
        dominates=f'{largest} ({terms[largest] / seconds:.0%})',
        peak_gb=counted['peak'] / 1e9,
        **{
            f'{name}_mb': each / 1e6
            for name, each in sent.items()
        })


def table(rows: list[dict[str, Any]]) -> str:
    """The predictions in Markdown."""
    lines = [
        '| device | step | GFLOP/image | GB moved/image | arithmetic alone ms '
        '| traffic alone ms | exchange ms | gradients ms (hidden) | step ms '
        '| images/s | dominates | peak GB | kernels |', '|---' * 13 + '|'
    ]
    lines += [
        '| {device} | {name} | {gflops_per_image:.1f} '
        '| {gigabytes_per_image:.2f} | {arithmetic:.1f} | {traffic:.1f} '
        '| {exchange:.2f} | {gradients:.2f} | {step:.1f} '
        '| {images_per_second:.0f} | {dominates} | {peak_gb:.1f} '
        '| {kernels} |'.format(**row) for row in rows
    ]
    return '\n'.join(lines)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--devices', nargs='+', choices=list(DEVICES),
        default=['a100-tf32', 'a100-bf16', 'h200-bf16'])  # yapf: disable
    parser.add_argument('--batch', type=int, default=128, help='per device')
    parser.add_argument('--world', type=int, default=8, help='devices')
    parser.add_argument('--size', type=int, default=224, help='pixels')
    parser.add_argument('--depth', type=int, default=50, help='of the ResNet')
    parser.add_argument('--queue', type=int, default=65536, help='keys')
    parser.add_argument(
        '--share-compute',
        type=float,
        default=0.6,
        help='of the peak FLOP/s that convolutions reach')
    parser.add_argument(
        '--share-bandwidth',
        type=float,
        default=0.8,
        help='of the bandwidth of the memory')
    parser.add_argument(
        '--share-link',
        type=float,
        default=0.6,
        help='of the links between devices')
    parser.add_argument(
        '--link',
        type=float,
        metavar='GB/S',
        help='of the links between devices, one direction, instead of NVLink '
        '(25 Gbit Ethernet: 3.1)')
    parser.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    settings = Settings(
        batch=args.batch, size=args.size, depth=args.depth, queue=args.queue)
    rows = []
    for name in args.devices:
        for label, side, checkpoint in (('RegionCL-M', 'regioncl',
                                         False), ('RegionCL-M, checkpointing',
                                                  'regioncl', True),
                                        ('MoCo v2 of MMSelfSup', 'host',
                                         False), ('supervised', 'supervised',
                                                  False)):
            prediction = predict(
                side, DEVICES[name],
                dataclasses.replace(settings, checkpoint=checkpoint), args)
            rows.append(dict(prediction, device=name, name=label))
    print(f'{args.world} devices of {args.batch} images, {args.size} px, '
          f'ResNet-{args.depth}, queue {args.queue}. Assumed shares of the '
          f'data sheet: arithmetic {args.share_compute:.0%}, memory '
          f'{args.share_bandwidth:.0%}, links {args.share_link:.0%}')
    print(table(rows))
    print('MB received per device and step:')
    for row in rows[:4]:
        print('  {name}: shuffle {shuffle_mb:.1f}, keys for the queue '
              '{queue_mb:.2f}, gradients {gradients_mb:.1f}'.format(**row))
    if (args.devices[0], args.batch * args.world) == ('a100-tf32', 1024):
        first = rows[0]
        print('The authors on that machine: {seconds} s and {gigabytes:.1f} '
              'GB; '.format(**AUTHORS) + 'predicted {step:.0f} ms and '
              '{peak_gb:.1f} GB'.format(**first) +
              f', {first["step"] / 1e3 / AUTHORS["seconds"]:.2f} and '
              f'{first["peak_gb"] / AUTHORS["gigabytes"]:.2f} of it')
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + '\n')


if __name__ == '__main__':
    main()
