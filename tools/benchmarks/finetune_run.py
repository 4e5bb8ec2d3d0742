# Copyright (c) mmregioncl contributors. All rights reserved.
"""One fine-tuning, done once; for transfer.py."""
from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from mmregioncl.run_log import read_records

REPO = Path(__file__).resolve().parents[2]
# what the evaluators log, what it is called, and what makes a percentage
METRICS = {
    'coco/bbox_mAP': ('box AP', 100.),
    'coco/segm_mAP': ('mask AP', 100.),
    'mIoU': ('mIoU', 1.)
}


@dataclass(frozen=True)
class Run:
    """One fine-tuning.

    Args:
        config (str): File of the detector or segmentor.
        init (str): Name of the initialisation.
        weights (str): The checkpoint, or 'random'.
        seed (int): Of the fine-tuning.
        options (tuple[str, ...]): Settings of the config that are changed.
    """
    config: str
    init: str
    weights: str
    seed: int
    options: tuple[str, ...]

    def folder(self, work_dir: Path) -> Path:
        """Where it is kept."""
        return work_dir / Path(self.config).stem / f'{self.init}_{self.seed}'

    def identity(self) -> dict:
        """What must be equal for a result to be this run's."""
        from mmengine.config import Config
        recipe = Config.fromfile(self.config, import_custom_modules=False)
        text = recipe.pretty_text + '\n'.join(self.options)
        weights = self.weights
        if weights != 'random':
            weights = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
        return dict(
            weights=weights,
            seed=self.seed,
            recipe=hashlib.sha256(text.encode()).hexdigest())


def read_result(run: Run, work_dir: Path) -> dict | None:
    """The result of a run, or None if it has yet to be done.

    Raises:
        ValueError: If there is one, of something else.
    """
    path = run.folder(work_dir) / 'result.json'
    if not path.is_file():
        return None
    result = json.loads(path.read_text())
    for key, value in run.identity().items():
        if result[key] != value:
            raise ValueError(
                f'{path} was made with another {key}; name another --work-dir '
                'or remove that folder')
    return result


def fine_tune(run: Run, work_dir: Path) -> dict:
    """Train and evaluate; the log goes beside the result.

    Raises:
        ValueError: If the run failed or evaluated nothing.
    """
    folder = run.folder(work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    identity = run.identity()
    words = [
        sys.executable, 'tools/benchmarks/train_downstream.py', run.config,
        run.weights, '--seed',
        str(run.seed), '--work-dir',
        str(folder)
    ]
    if run.options:
        words += ['--cfg-options', *run.options]
    start = time.monotonic()
    with open(folder / 'log.txt', 'w') as log:
        code = subprocess.run(
            words, cwd=REPO, stdout=log, stderr=subprocess.STDOUT).returncode
    if code != 0:
        raise ValueError(f'{run.init}, seed {run.seed}, of {run.config} '
                         f'failed: see {folder / "log.txt"}')
    result = dict(
        asdict(run),
        **identity,
        file=Path(run.weights).name,
        seconds=round(time.monotonic() - start, 1),
        metrics=read_metrics(folder))
    (folder / 'result.json').write_text(json.dumps(result, indent=2) + '\n')
    return result


def read_metrics(folder: Path) -> dict[str, float]:
    """What the latest run in a folder evaluated last, in percent.

    Raises:
        ValueError: If there is nothing.
    """
    logs = sorted(folder.glob('*/vis_data/scalars.json'))
    records = [record for log in logs[-1:] for record in read_records(log)]
    for record in reversed(records):
        found = {
            label: record[key] * factor
            for key, (label, factor) in METRICS.items() if key in record
        }
        if found:
            return found
    raise ValueError(f'{folder} holds no evaluation by any of '
                     f'{", ".join(METRICS)}')
