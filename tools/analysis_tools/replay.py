# Copyright (c) mmregioncl contributors. All rights reserved.
"""Run a step again that was not finite, and say where that begins.

HealthHook writes such steps to nonfinite/ in the work dir:

    python tools/analysis_tools/replay.py \
        work_dirs/NAME/nonfinite/iter_1234_rank0.pth

The file is data and runs nothing; the config that the model is built from is
a program, as for train.py.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', type=Path, help='the step')
    parser.add_argument(
        '--config', help='of the run; by default config.py beside the file')
    parser.add_argument(
        '--device', default='cpu', help='cpu (the default), cuda, cuda:1, ...')
    return parser, parser.parse_args()


def autocast_dtype(cfg: Any) -> Any:
    """Precision of the run, as its optimizer wrapper has it."""
    import torch
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    return dict(
        BFloat16OptimWrapper=torch.bfloat16,
        AmpOptimWrapper=torch.float16).get(kind)


def main() -> int:
    parser, args = parse_args()
    config = args.config or args.file.with_name('config.py')
    if not Path(config).is_file():
        parser.exit(
            2, f'{parser.prog}: there is no config {str(config)!r}; '
            'give that of the run with --config\n')
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmselfsup.registry import MODELS

    import mmregioncl.register  # noqa: F401
    from mmregioncl.engine.health import read_step, replay_step
    try:
        step = read_step(args.file)
        cfg = Config.fromfile(config)
        init_default_scope(cfg.get('default_scope', 'mmselfsup'))
        found = replay_step(
            MODELS.build(cfg.model), step, args.device, autocast_dtype(cfg))
    except (OSError, ValueError) as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    print(f'iteration {step["iteration"]}: then and now')
    for name, then in step['losses'].items():
        print(f'  {name:16} {then:12.6g} {found.losses.get(name, 0.):12.6g}')
    if not step.get('undone', True):
        print('  the update had been made: this begins with the weights and '
              'the queue after it')
    for name in step.get('bad_gradients', [])[:5]:
        print(f'  then not finite: the gradient of {name}')
    if not found.first:
        print('all values are finite this time; the run had other processes, '
              'another device or precision')
        return 1
    print(f'begins at {found.first}')
    for place in found.later[:10]:
        print(f'  then {place}')
    if len(found.later) > 10:
        print(f'  and {len(found.later) - 10} more')
    return 0


if __name__ == '__main__':
    sys.exit(main())
