# Copyright (c) mmregioncl contributors. All rights reserved.
"""Write model-index.yml and every metafile.yml.

    python tools/misc/metafiles.py            # write
    python tools/misc/metafiles.py --check    # only say what would change

What a config says (epochs, batch, data, network) is taken from the config;
the paper's numbers from docs/results/paper.json; ours, with our weights, from
zoo/index.json. Nothing is written down twice.
"""
from __future__ import annotations

import argparse
import functools
import json
import math
import re
import sys
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.transfer.resnet_layout import ResNetLayout  # noqa: E402

HEADER = '''\
# Written by tools/misc/metafiles.py: change the config, zoo/index.json or
# docs/results/paper.json, and run it again.
'''
REGIONCL = ('2111.12309', 'RegionCL: Exploring Contrastive Region Pairs for '
            'Self-supervised Representation Learning')
# class -> name of the collection; number and title of its paper
METHODS = {
    'RegionCLMoCo': ('RegionCL-M', *REGIONCL),
    'RegionCLDenseCL': ('RegionCL-D', *REGIONCL),
    'RegionCLSimSiam': ('RegionCL-S', *REGIONCL),
    'RegionCLBYOL': ('RegionCL on BYOL', *REGIONCL),
    'RegionCLSimCLR': ('RegionCL on SimCLR', *REGIONCL),
    'MoCo': ('MoCo v2', '2003.04297', 'Improved Baselines with Momentum '
             'Contrastive Learning'),
    'DenseCL': ('DenseCL', '2011.09157', 'Dense Contrastive Learning for '
                'Self-Supervised Visual Pre-Training'),
    'SimSiam': ('SimSiam', '2011.10566',
                'Exploring Simple Siamese Representation Learning'),
    'BYOL': ('BYOL', '2006.07733', 'Bootstrap Your Own Latent: A New Approach '
             'to Self-Supervised Learning'),
    'SimCLR': ('SimCLR', '2002.05709', 'A Simple Framework for Contrastive '
               'Learning of Visual Representations'),
}
TRANSFER = 'Transfer with {}'  # below configs/benchmarks/
# part of a config's name -> what it trains on; the first that fits
DATA = {
    'ap10k': 'AP-10K',
    'ap-10k': 'AP-10K',
    'bccd': 'BCCD',
    'camvid': 'CamVid',
    'cifar10': 'CIFAR-10',
    'cityscapes': 'Cityscapes',
    'coco': 'COCO',
    'demo': 'drawn scenes',
    'folder': 'any folder of images',
    'in1k': 'ImageNet-1k',
    'tinyimagenet': 'Tiny-ImageNet',
    'voc': 'PASCAL VOC',
    'places205': 'Places205',
}


class PlainDumper(yaml.SafeDumper):
    """Repeats what occurs twice instead of naming it ``*id001``."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def list_configs() -> list[Path]:
    """Every config that can be run, relative to the repository."""
    return sorted(
        path.relative_to(REPO) for path in (REPO / 'configs').rglob('*.py')
        if '_base_' not in path.parts)


def describe(config: Path, paper: dict, zoo: dict) -> dict:
    """The entry of one config in its metafile."""
    name = config.stem
    metadata: dict[str, Any] = {'Training Data': _data(config)}
    text = (REPO / config).read_text()
    if "'mmpose::" in text:  # not of the verified set: mmpose's names tell
        epochs, = re.findall(r'_(\d+)e_', name)
        gpus, batch = re.search(r'(\d+)xb(\d+)', text).groups()
        metadata.update({
            'Epochs': int(epochs),
            'Batch Size': int(gpus) * int(batch)
        })
    else:
        from mmengine.config import Config
        cfg = Config.fromfile(REPO / config, import_custom_modules=False)
        if '_knn_' not in name:  # which trains nothing
            metadata.update(_length(cfg))
    entry: dict[str, Any] = {'Name': name}
    if 'benchmarks' in config.parts:
        entry['In Collection'] = TRANSFER.format(config.parts[2])
        results = [
            _result(
                row['task'], row['dataset'], {
                    f'{row["metric"]}, RegionCL-{method} (paper)': row[method]
                    for method in paper['pretrained']
                }, 'paper') for row in paper['rows'] if row['config'] == name
        ]
    else:
        entry['In Collection'] = METHODS[cfg.model.type][0]
        metadata.update(_network(cfg.model.backbone))
        results = [
            _result(row['task'], row['dataset'],
                    {f'{row["metric"]} (paper)': row[method]}, 'paper')
            for method, each in paper['pretrained'].items() if each == name
            for row in paper['rows'] if row['metric'].startswith('linear')
        ]
    model = next((each for each in zoo['models'] if each['name'] == name),
                 None)
    if model is not None:
        metadata.update({
            'Training Data': f'{metadata["Training Data"]}, '
            f'{model["images"]} images of {model["classes"]} classes',
            'Epochs': model['epochs'],
            'Seed': model['seed'],
            'Command': model['command'],
            'Training Log': f'{zoo["address"]}{model["log"]}',
            'SHA256': model['sha256'],
        })
        results.append(
            _result('Image Classification', metadata['Training Data'],
                    {'k-NN top-1 (ours)': model['knn_top1']}, 'ours'))
    entry.update(Metadata=metadata, Results=results or None)
    if name in paper['pretrained'].values():
        present = {each.stem for each in list_configs()}
        downstream = {row['config'] for row in paper['rows']} & present
        entry['Downstream'] = sorted(downstream) or None
    if model is not None:
        entry['Weights'] = f'{zoo["address"]}{model["file"]}'
    entry['Config'] = config.as_posix()
    return entry


def _result(task: str, dataset: str, metrics: dict, source: str) -> dict:
    return dict(Task=task, Dataset=dataset, Metrics=metrics, Source=source)


def _data(config: Path) -> str:
    found = [text for part, text in DATA.items() if part in config.stem]
    if not found and config.stem.endswith('_r50'):
        found = ['ImageNet-1k']
    if not found:
        raise ValueError(f'{config} trains on which data? Its name holds none '
                         f'of {", ".join(DATA)}; add it to DATA of '
                         'tools/misc/metafiles.py')
    share = re.search(r'-(\d+)pct', config.stem)
    return found[0] + (f', {share[1]} % of the labels' if share else '')


def _length(cfg: Any) -> dict[str, int]:
    train, batch = cfg.train_cfg, cfg.auto_scale_lr.base_batch_size
    if 'max_epochs' in train:
        return {'Epochs': train.max_epochs, 'Batch Size': batch}
    return {'Iterations': train.max_iters, 'Batch Size': batch}


def _network(backbone: dict) -> dict[str, Any]:
    """Which ResNet, and its parameters without the batch norm statistics."""
    layout = ResNetLayout(
        backbone['depth'],
        stem_channels=backbone.get('stem_channels', 64),
        base_channels=backbone.get('base_channels', 64),
        stem_kernel=3 if backbone['type'].endswith('ResNet_CIFAR') else 7,
        strided_layer1=backbone['depth'] < 50
        and backbone.get('strides', (1, ))[0] != 1)
    return dict(
        Architecture=str(layout),
        Parameters=sum(
            math.prod(shape) for name, shape in layout.tensor_shapes().items()
            if name.endswith(('weight', 'bias'))))


def collections() -> list[dict]:
    """One per method, and one per library that is transferred to."""
    folders = sorted({
        path.parts[2]
        for path in list_configs() if 'benchmarks' in path.parts
    })
    methods = [*METHODS.values()]
    methods += [(TRANSFER.format(name), *REGIONCL) for name in folders]
    return [
        dict(
            Name=name,
            Paper=dict(URL=f'https://arxiv.org/abs/{number}', Title=title),
            README='README.md') for name, number, title in methods
    ]


def build() -> dict[Path, str]:
    """Every file with its text."""
    from mmengine.config import utils
    paper = json.loads((REPO / 'docs/results/paper.json').read_text())
    zoo = json.loads((REPO / 'zoo/index.json').read_text())
    contents: dict[Path, dict] = {
        REPO / 'configs/metafile.yml': dict(Collections=collections())
    }
    # `_base_ = 'mmdet::...'` reads all of mmdet's metafiles, every time
    with mock.patch.object(utils, 'load', functools.lru_cache(utils.load)):
        for config in list_configs():
            metafile = REPO / config.parent / 'metafile.yml'
            models = contents.setdefault(metafile, {}).setdefault('Models', [])
            models.append(describe(config, paper, zoo))
    index = [path.relative_to(REPO).as_posix() for path in sorted(contents)]
    contents[REPO / 'model-index.yml'] = dict(Import=index)
    return {
        path:
        HEADER + yaml.dump(
            content,
            Dumper=PlainDumper,
            sort_keys=False,
            width=79,
            allow_unicode=True)
        for path, content in contents.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--check', action='store_true')
    args = parser.parse_args()
    # of MMEngine, when it looks up `_base_ = 'mmdet::...'`
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    stale = {
        path: text
        for path, text in build().items()
        if not path.is_file() or path.read_text() != text
    }
    for path, text in stale.items():
        print(('would change ' if args.check else 'wrote ') +
              str(path.relative_to(REPO)))
        if not args.check:
            path.write_text(text)
    return int(args.check and bool(stale))


if __name__ == '__main__':
    sys.exit(main())
