# Copyright (c) mmregioncl contributors. All rights reserved.
"""From a command line to a config that can run; for tools/*.py.

Light to import: a mistyped config is answered before torch is loaded.
"""
from __future__ import annotations

import argparse
import difflib
import os
from pathlib import Path
from typing import Any

from .cfg_options import CfgOptions, check_names

PACKAGE = Path(__file__).resolve().parent


def config_roots(repo: Path) -> list[Path]:
    """Where bare config names are looked up.

    Args:
        repo (Path): The folder that holds tools/.

    Returns:
        list[Path]: configs/ of a clone, and of an installed package.
    """
    places = repo / 'configs', PACKAGE / '.mim' / 'configs'
    return [each for each in places if each.is_dir()]


def find_config(name: str, roots: list[Path]) -> str:
    """Path of a config that is given by path or by file name.

    Args:
        name (str): A path, or a file name with or without ``.py``, such as
            ``regioncl_mocov2_r50``.
        roots (list[Path]): Folders to search, at any depth.

    Returns:
        str: Path of the file.

    Raises:
        ValueError: If there is no such config; names the nearest ones.
    """
    if Path(name).is_file():
        return name
    found = {
        path.relative_to(root).as_posix(): path
        for root in reversed(roots)
        for path in sorted(root.rglob('*.py')) if '_base_' not in path.parts
    }
    wanted = name[:-3] if name.endswith('.py') else name
    for short, path in found.items():
        if wanted in (short[:-3], path.stem, f'configs/{short[:-3]}'):
            return str(path)
    stems = {path.stem: short for short, path in found.items()}
    near = difflib.get_close_matches(Path(wanted).name, stems, 5, 0.4)
    hint = (f'did you mean {", ".join(stems[each] for each in near)}?'
            if near else f'there are {", ".join(sorted(found)) or "none"}')
    raise ValueError(f'no config {name!r}; {hint}')


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """What train.py and test.py both take.

    Args:
        parser (argparse.ArgumentParser): Gets the arguments.
    """
    parser.add_argument(
        'config',
        help='a config file, or just its name: regioncl_mocov2_r50 is looked '
        'up below configs/ and in the installed package')
    parser.add_argument(
        '--work-dir',
        help='where logs and checkpoints go; ./work_dirs/<name of the '
        'config> by default')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='change settings of the config, for instance '
        'train_dataloader.batch_size=64 model.queue_len=4096. Lists as '
        'key="[a,b]", with the quotation marks and without spaces')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how several processes were started; dist_train.sh and '
        'slurm_train.sh set it for you')
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help='set by torch.distributed.launch, old and new; not for you')


def need_settings(cfg: Any, *names: str) -> None:
    """Refuse a config of another kind.

    Args:
        cfg (mmengine.Config): The config, as :func:`load_config` gives it.
        *names (str): What a tool needs of it.

    Raises:
        ValueError: If it is none of pretraining, or one is missing.
    """
    kind = cfg.get('default_scope') or 'mmselfsup'
    missing = [name for name in names if cfg.get(name) is None]
    if kind != 'mmselfsup' or missing:
        what = (f'sets no {" and no ".join(missing)}'
                if missing else f'is a config of {kind}')
        raise ValueError(f'{cfg.filename} {what}; name one of pretraining, '
                         'such as regioncl_mocov2_r18_folder')


def load_config(args: argparse.Namespace, repo: Path) -> Any:
    """The config with the options that are common to all tools.

    Args:
        args (argparse.Namespace): Parsed :func:`add_launch_arguments`.
        repo (Path): The folder that holds tools/.

    Returns:
        mmengine.Config: The config.

    Raises:
        ValueError: If there is no such config or setting, or the launcher
            does not go with how the process was started.
    """
    path = find_config(args.config, config_roots(repo))
    processes = int(os.environ.get('WORLD_SIZE', 1))
    if args.launcher == 'none' and processes > 1:
        raise ValueError(
            f'torchrun started {processes} processes, and each would do all '
            'the work alone; add --launcher pytorch, or use dist_train.sh')
    local_rank = str(args.local_rank)
    if args.launcher == 'mpi':  # MMEngine does not, and takes GPU 0 for all
        local_rank = os.environ.get('OMPI_COMM_WORLD_LOCAL_RANK', local_rank)
    os.environ.setdefault('LOCAL_RANK', local_rank)
    from mmengine.config import Config
    try:
        cfg = Config.fromfile(path)
    except OSError as error:  # what it raises for other kinds of files
        raise ValueError(f'{path} is no config: {error}') from error
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        check_names(args.cfg_options, cfg)
        old_root = cfg.get('data_root')
        try:
            cfg.merge_from_dict(args.cfg_options)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError('--cfg-options do not go with '
                             f'{path}: {error}') from error
        if 'data_root' in args.cfg_options:
            # the one setting of the folder configs, which have copied it
            # into the data sets by the time that options are merged
            if old_root is None:
                cfg.train_dataloader.dataset.data_root = cfg.data_root
            else:
                _replace_data_root(list(cfg.values()), old_root, cfg.data_root)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(path).stem)
    if args.launcher != 'none':
        from mmregioncl.cpu_distributed import prepare_without_gpu
        prepare_without_gpu(cfg)
    return cfg


def _replace_data_root(part: Any, old: str, new: str) -> None:
    """In every data set with the same folder, and in their evaluators."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == 'data_root' and value == old:
                part[key] = new
            elif (key in ('ann_file', 'seg_prefix', 'bbox_file')
                  and str(value).startswith(os.path.join(old, ''))):
                part[key] = os.path.join(new, os.path.relpath(value, old))
            else:
                _replace_data_root(value, old, new)
    elif isinstance(part, (list, tuple)):
        for each in part:
            _replace_data_root(each, old, new)
