# Copyright (c) mmregioncl contributors. All rights reserved.
"""tools/dist_train.sh when something goes wrong; the real thing."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.tiny_run import config, write_images

SUICIDE = """
import os, signal
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class SuicideHook(Hook):
    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter == 2 and os.environ['RANK'] == '1':
            print('about to die', flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
"""


def environment(*path: object) -> dict[str, str]:
    """Without what an outer launcher may have set."""
    kept = {name: value for name, value in os.environ.items()
            if name not in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')}
    folders = (*path, Path(sys.executable).parent, kept['PATH'])
    return kept | dict(PATH=':'.join(map(str, folders)), OMP_NUM_THREADS='1')


def test_a_rank_that_kills_itself(repo_root: Path, tmp_path: Path) -> None:
    """The other waits for its gradients; the job ends, and says why."""
    cfg = config(write_images(tmp_path / 'images', 6), tmp_path / 'work')
    cfg['custom_imports']['imports'].append('suicide')
    cfg['custom_hooks'] = [dict(type='SuicideHook')]
    cfg['train_dataloader']['batch_size'] = 2
    cfg.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    cfg['default_hooks'] = {}
    cfg['env_cfg']['dist_cfg']['timeout'] = 60
    Config(cfg).dump(tmp_path / 'cfg.py')
    (tmp_path / 'suicide.py').write_text(SUICIDE)
    run = subprocess.Popen(
        [repo_root / 'tools' / 'dist_train.sh', tmp_path / 'cfg.py', '2'],
        env=environment() | dict(PYTHONPATH=str(tmp_path), PORT='29741'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True)
    assert run.stdout is not None
    lines, died = [], 0.
    for line in run.stdout:
        lines.append(line)
        if 'about to die' in line:
            died = time.monotonic()
    code = run.wait(300)
    seconds = time.monotonic() - died
    text = ''.join(lines)
    assert died, text[-3000:]
    print(f'\nexit code {code}, {seconds:.1f} s after the death of a rank')
    assert code == 1
    assert seconds < 60  # the timeout, which it need not wait for
    assert 'rank      : 1 (local_rank: 1)' in text
    assert 'SIGKILL' in text


TORCHRUN = """#!/bin/sh
echo "$@" > "$0.arguments"
trap 'sleep 0.2; printf 75 > "$MMREGIONCL_EXIT_FILE"; exit 1' TERM
echo started
while :; do sleep 0.1; done
"""


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1])
def test_exit_code_of_a_run_that_was_told(repo_root: Path, tmp_path: Path,
                                          number: int) -> None:
    """torchrun ends with 1 whatever its ranks said; here is one that does."""
    python = tmp_path / 'python'
    python.write_text(TORCHRUN)
    python.chmod(0o755)
    run = subprocess.Popen(
        [repo_root / 'tools' / 'dist_train.sh', 'cfg.py', '2', '--seed', '3'],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == 'started\n'
    run.send_signal(number)
    assert run.wait(60) == 75
    words = (tmp_path / 'python.arguments').read_text()
    assert '--nproc_per_node=2' in words
    assert words.endswith('cfg.py --launcher pytorch --seed 3\n')


def test_other_exit_codes(repo_root: Path, tmp_path: Path) -> None:
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\nexit 3\n')
    python.chmod(0o755)
    done = subprocess.run(
        [repo_root / 'tools' / 'dist_train.sh', 'cfg.py', '2'],
        env=environment(tmp_path))
    assert done.returncode == 3
