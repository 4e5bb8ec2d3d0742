# Copyright (c) mmregioncl contributors. All rights reserved.
"""An hour of training on a CPU, killed and resumed, watched for leaks.

    python tools/benchmarks/soak.py             # an hour; then the report
    python tools/benchmarks/soak.py --report    # from the log alone
    python tools/benchmarks/soak.py --minutes 6 --work-dir /tmp/soak

RegionCL-M on 200 drawn scenes, one worker that persists, k-NN every tenth
epoch with workers of its own. The run is ended five times, by SIGKILL and by
SIGTERM in turn, and resumed by the same command. Every ten seconds memory and
open files of each process go to docs/results/soak.jsonl; the report is
docs/results/soak.md. Give it a quiet priority: `nice -n 15`.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import psutil

REPO = Path(__file__).resolve().parents[2]
CONFIG = 'small/regioncl_mocov2_r18_demo'
OPTIONS = ('train_cfg.max_epochs=100000', 'train_cfg.val_interval=10',
           'train_dataloader.batch_size=16', 'train_dataloader.num_workers=1',
           'default_hooks.checkpoint.interval=5',
           'default_hooks.checkpoint.minutes=1', 'auto_scale_lr=None')
# shares of the whole time after which a life ends, and by what
LIVES = ((1 / 12, signal.SIGKILL), (1 / 12, signal.SIGTERM), (1 / 12,
                                                              signal.SIGKILL),
         (1 / 4, signal.SIGTERM), (1 / 2, signal.SIGKILL), (0, signal.SIGTERM))
EXPECTED = {signal.SIGKILL: -9, signal.SIGTERM: 75}
PERIOD = 10  # seconds between two samples
WARM_UP = 300  # seconds of a life that are not fitted


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--work-dir', default='work_dirs/soak')
    parser.add_argument(
        '--log',
        default=str(REPO / 'docs/results/soak.jsonl'),
        help='the report is written beside it')
    parser.add_argument(
        '--report', action='store_true', help='from a log that is there')
    return parser.parse_args()


def start(work_dir: Path) -> subprocess.Popen:
    """The command that a user repeats after each kill."""
    data = work_dir / 'data' / 'folders'
    options = [
        *OPTIONS,
        f'train_dataloader.dataset.data_root={data}/train',
        f'val_dataloader.dataset.data_root={data}/val',
        f'val_cfg.bank_dataloader.dataset.data_root={data}/train',
    ]
    with open(work_dir / 'console.log', 'ab') as console:
        return subprocess.Popen([
            sys.executable, 'tools/train.py', CONFIG, '--resume', '--work-dir',
            work_dir, '--cfg-options', *options
        ],
                                cwd=REPO,
                                stdout=console,
                                stderr=subprocess.STDOUT,
                                env=dict(os.environ, OMP_NUM_THREADS='1'),
                                start_new_session=True)


def sample(pid: int) -> dict[str, list[int]]:
    """Bytes and open files: the training process, then its workers.

    ``rss`` is all that is resident, ``anon`` what of it is no file: pages of
    the libraries come and go as the system likes. What a forked worker shares
    with its parent is counted in both.
    """
    found: dict[str, list[int]] = dict(rss=[], anon=[], files=[])
    main = psutil.Process(pid)
    for process in (main, *main.children(recursive=True)):
        try:
            memory, files = process.memory_info(), process.num_fds()
        except psutil.Error:  # a worker of the k-NN that has just left
            continue
        found['rss'].append(memory.rss)
        found['anon'].append(memory.rss - memory.shared)
        found['files'].append(files)
    return found


def live(work_dir: Path, life: int, seconds: float, end: int,
         log: TextIO) -> None:
    """Train for a while, sample, and end it.

    Raises:
        RuntimeError: If it ended by itself, or with another exit code, or
            left processes behind.
    """
    begun, run = time.time(), start(work_dir)
    starts = _count(work_dir, 'Checkpoints will be saved')
    # before it trains, a signal ends it without a word
    while (time.time() - begun < seconds
           or _count(work_dir, 'Checkpoints will be saved') == starts):
        time.sleep(PERIOD)
        if run.poll() is not None:
            raise RuntimeError(f'life {life} ended with {run.returncode}; see '
                               f'{work_dir}/console.log')
        _write(log, life=life, t=round(time.time() - begun), **sample(run.pid))
    workers = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, end) if end == signal.SIGTERM else run.kill()
    code = run.wait(120)
    _, left = psutil.wait_procs(workers, timeout=30)
    if code != EXPECTED[signal.Signals(end)] or left:
        raise RuntimeError(f'life {life} ended with {code}, and {len(left)} '
                           'processes stayed behind')
    _write(
        log,
        life=life,
        ended=signal.Signals(end).name,
        code=code,
        seconds=round(time.time() - begun),
        iterations=_last(work_dir, r'_iter_(\d+)|iter: (\d+)'),
        resumed=_last(work_dir, r'resumed epoch: \d+, iter: (\d+)'))


def _count(work_dir: Path, text: str) -> int:
    return (work_dir / 'console.log').read_text(errors='replace').count(text)


def _last(work_dir: Path, pattern: str) -> int:
    text = (work_dir / 'console.log').read_text(errors='replace')
    found = re.findall(pattern, text)
    return max(int(n or 0) for n in np.ravel(found)) if found else 0


def _write(log: TextIO, **record: Any) -> None:
    log.write(json.dumps(record) + '\n')
    log.flush()


def fit(times: list[float], values: list[float]) -> tuple[float, float]:
    """Growth per hour by least squares, and its standard error."""
    hours = np.array(times) / 3600
    (slope, _), covariance = np.polyfit(hours, values, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))


def report(log: Path) -> str:
    """The page, from the samples."""
    records = [json.loads(line) for line in log.read_text().splitlines()]
    head, samples = records[0], [r for r in records if 'rss' in r]
    ends = [r for r in records if 'ended' in r]
    lines = [
        '# Training, killed and resumed', '',
        f'`python tools/benchmarks/soak.py`, begun {head["started"]}, '
        f'{head["machine"]}: '
        f'{sum(r["seconds"] for r in ends) / 60:.0f} minutes in {len(ends)} '
        f'lives. The samples are in `{log.name}`.', '',
        '| life | minutes | resumed at iteration | ended by | exit code |',
        '| ---- | ------- | -------------------- | -------- | --------- |'
    ]
    lines += [
        f'| {r["life"]} | {r["seconds"] / 60:.1f} | {r["resumed"]} | '
        f'{r["ended"]} | {r["code"]} |' for r in ends
    ]
    lines += [
        '', f'Growth per hour, by least squares over each life without its '
        f'first {WARM_UP} s; ± is the standard error. Open files come and go '
        'by a few: a batch is passed from the worker through one.', '',
        '| life | samples | process | resident, MB | growth, MB | anonymous, '
        'MB | growth, MB | open files | growth |',
        '| ---- | ------- | ------- | ------------ | ---------- | ----------'
        '--- | ---------- | ---------- | ------ |'
    ]
    for life in sorted({r['life'] for r in samples}):
        chosen = [r for r in samples if r['life'] == life and r['t'] > WARM_UP]
        # training and its worker; while a k-NN runs there are more
        chosen = [r for r in chosen if len(r['rss']) == 2]
        if len(chosen) < 10:
            continue
        for which, name in enumerate(('training', 'worker')):
            cells = [str(life), str(len(chosen)), name]
            for key, scale in (('rss', 1e6), ('anon', 1e6), ('files', 1)):
                values = [r[key][which] / scale for r in chosen]
                slope, error = fit([r['t'] for r in chosen], values)
                cells.append(f'{np.median(values):.0f}')
                cells.append(f'{slope:+.2f} ± {error:.2f}')
            lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    args = parse_args()
    log, work_dir = Path(args.log), Path(args.work_dir).absolute()
    if not args.report:
        if work_dir.exists():
            raise SystemExit(f'{work_dir} is there and would be resumed; '
                             'remove it or give another --work-dir')
        work_dir.mkdir(parents=True)
        subprocess.run([
            sys.executable, 'tools/dataset_converters/make_demo_data.py',
            work_dir / 'data', '--layouts', 'folders', '--train', '200',
            '--val', '40'
        ],
                       cwd=REPO,
                       check=True)
        with open(log, 'w') as file:
            _write(
                file,
                started=time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime()),
                machine=f'{platform.machine()}, {os.cpu_count()} cores, '
                f'Python {platform.python_version()}')
            for life, (share, end) in enumerate(LIVES, 1):
                live(work_dir, life, share * args.minutes * 60 or 60, end,
                     file)
    page = report(log)
    log.with_suffix('.md').write_text(page)
    print(page)


if __name__ == '__main__':
    main()
