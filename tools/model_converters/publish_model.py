# Copyright (c) mmregioncl contributors. All rights reserved.
"""Put the backbone of a finished run into the zoo, and all that goes with it.

    python tools/model_converters/publish_model.py \
        work_dirs/NAME/epoch_20.pth NAME

CONFIG is the one in configs/ that the run was started with. Written are the
backbone (half precision, tensors only, reloaded and compared), the training
log, and the zoo's index; from the index come the metafiles and the tables in
README and docs. Everything about the run is read from the checkpoint and the
logs beside it: seed, epochs, images, k-NN, and the options that the run had.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.apis.run_command import repeat_command  # noqa: E402
from mmregioncl.launch import find_config  # noqa: E402
from mmregioncl.run_log import knn_curve, read_run  # noqa: E402
from mmregioncl.transfer.export import export_backbone  # noqa: E402
from mmregioncl.transfer.safe_load import load_checkpoint_file  # noqa: E402

MAX_FILE, MAX_ZOO = 12 * 10**6, 60 * 10**6  # bytes; it is part of the clone
FILLED = ('tools/misc/metafiles.py', 'tools/misc/fill_numbers.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', type=Path, help='of the last epoch')
    parser.add_argument('config', help='name or path of its config')
    parser.add_argument(
        '--out',
        type=Path,
        default=REPO / 'zoo',
        help='another folder than zoo/ leaves metafiles and tables alone')
    return parser.parse_args()


def describe_run(checkpoint: Path, config: Path) -> dict[str, Any]:
    """Seed, length, data and command of a run, as its checkpoint tells them.

    Raises:
        ValueError: If it was not finished, or cannot be repeated.
    """
    from mmengine.config import Config
    meta = load_checkpoint_file(checkpoint).get('meta', {})
    if not {'cfg', 'seed', 'epoch', 'iter'} <= set(meta):
        raise ValueError(f'{checkpoint} is no training checkpoint: it does '
                         'not say with which config, seed and epochs')
    run = Config.fromstring(meta['cfg'], '.py')
    epochs = run.train_cfg.max_epochs
    if meta['epoch'] != epochs:
        raise ValueError(f'{checkpoint} is of epoch {meta["epoch"]} of '
                         f'{epochs}; publish the last one')
    if run.get('launcher', 'none') != 'none':
        raise ValueError(f'{checkpoint} is of a run of several processes; '
                         'how many images they saw is not written in it')
    labelled = Path(run.val_dataloader.dataset.data_root)
    if not labelled.is_dir():
        raise ValueError(f'the classes in {labelled} are to be counted; run '
                         'this where the run was')
    plain = Config.fromfile(config, import_custom_modules=False)
    name = config.relative_to(REPO).as_posix()
    return dict(
        seed=meta['seed'],
        epochs=epochs,
        images=meta['iter'] // epochs * run.train_dataloader.batch_size,
        classes=sum(each.is_dir() for each in labelled.iterdir()),
        command=repeat_command(name, run.to_dict(), plain.to_dict(),
                               meta['seed']))


def read_accuracy(records: list[dict], epochs: int) -> dict[str, float]:
    """k-NN before the first and after the last epoch.

    Raises:
        ValueError: If it was not evaluated.
    """
    knn = dict(knn_curve(records))
    if epochs not in knn:
        raise ValueError(f'the log has no k-NN of epoch {epochs}, only of '
                         f'{sorted(knn) or "none"}; a model of the zoo says '
                         'how good it is: train with val_interval so that '
                         'the last epoch is evaluated')
    return dict(knn_random=knn.get(0), knn_top1=knn[epochs])


def publish(checkpoint: Path, config: Path, out: Path) -> dict[str, Any]:
    """Write backbone, log and index.

    Args:
        checkpoint (Path): In the work dir of the run.
        config (Path): Below configs/ of this repository.
        out (Path): A zoo.

    Returns:
        dict: The entry in its index.

    Raises:
        ValueError: If something of the run is missing, or it is too large.
            Nothing is changed then.
    """
    name = config.stem
    records = read_run(checkpoint.parent)
    entry = dict(name=name, **describe_run(checkpoint, config))
    entry.update(read_accuracy(records, entry['epochs']))
    index_file = out / 'index.json'
    index = json.loads((index_file if index_file.is_file() else REPO /
                        'zoo/index.json').read_text())
    if not index_file.is_file():
        index['models'] = []
    others = [each for each in index['models'] if each['name'] != name]
    started = min(checkpoint.parent.glob('*/vis_data')).parent.name
    with tempfile.TemporaryDirectory() as folder:
        report = export_backbone(
            checkpoint, out=Path(folder) / 'backbone.pth', half=True)
        content = Path(report.path).read_bytes()
    total = len(content) + sum(each['bytes'] for each in others)
    for size, limit, what in ((len(content), MAX_FILE, 'the file'),
                              (total, MAX_ZOO, 'the zoo with it')):
        if size > limit:
            raise ValueError(f'{what} would have {size / 1e6:.1f} MB, more '
                             f'than {limit / 1e6:.0f} MB: publish a narrower '
                             'network, or remove another model')
    stem = f'{name}_{started[:8]}'
    entry.update(
        file=f'{stem}-{report.sha256[:8]}.pth',
        sha256=report.sha256,
        bytes=len(content),
        log=f'logs/{stem}.json')
    for old in index['models']:
        if old not in others:
            (out / old['file']).unlink(missing_ok=True)
            (out / old['log']).unlink(missing_ok=True)
    (out / 'logs').mkdir(parents=True, exist_ok=True)
    (out / entry['file']).write_bytes(content)
    (out / entry['log']).write_text('\n'.join(map(json.dumps, records)) + '\n')
    index['models'] = sorted([*others, entry], key=lambda each: each['name'])
    index_file.write_text(json.dumps(index, indent=2) + '\n')
    return entry


def main() -> int:
    args = parse_args()
    try:
        config = Path(find_config(args.config, [REPO / 'configs'])).resolve()
        if not config.is_relative_to(REPO / 'configs'):
            raise ValueError(f'{config} is not below configs/: nobody else '
                             'could repeat the run')
        entry = publish(args.checkpoint, config, args.out)
    except (OSError, RuntimeError, ValueError) as error:
        print(f'not published: {error}', file=sys.stderr)
        return 1
    print(json.dumps(entry, indent=2))
    if args.out.resolve() == REPO / 'zoo':
        for tool in FILLED:
            subprocess.run([sys.executable, REPO / tool], check=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
