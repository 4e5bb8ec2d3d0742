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
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
if (REPO / 'mmregioncl').is_dir():  # a clone; runs without installing
    sys.path.insert(0, str(REPO))

from mmregioncl.transfer.resnet_layout import ResNetLayout  # noqa: E402

HEADER = '''\
# Written by tools/misc/metafiles.py: change the config, zoo/index.json or
# docs/results/paper.json, and run it again.
'''
ARXIV = 'https://arxiv.org/abs/'
REGIONCL = dict(
    URL=ARXIV + '2111.12309',
    Title='RegionCL: Exploring Contrastive Region Pairs for Self-supervised '
    'Representation Learning')
# class -> name of the collection, its paper
METHODS: dict[str, tuple[str, dict]] = {
    'RegionCLMoCo': ('RegionCL-M', REGIONCL),
    'RegionCLDenseCL': ('RegionCL-D', REGIONCL),
    'RegionCLSimSiam': ('RegionCL-S', REGIONCL),
    'RegionCLBYOL': ('RegionCL on BYOL', REGIONCL),
    'RegionCLSimCLR': ('RegionCL on SimCLR', REGIONCL),
    'MoCo': ('MoCo v2',
             dict(
                 URL=ARXIV + '2003.04297',
                 Title='Improved Baselines with Momentum Contrastive '
                 'Learning')),
    'DenseCL': ('DenseCL',
                dict(
                    URL=ARXIV + '2011.09157',
                    Title='Dense Contrastive Learning for Self-Supervised '
                    'Visual Pre-Training')),
    'SimSiam': ('SimSiam',
                dict(
                    URL=ARXIV + '2011.10566',
                    Title='Exploring Simple Siamese Representation Learning')),
    'BYOL': ('BYOL',
             dict(
                 URL=ARXIV + '2006.07733',
                 Title='Bootstrap Your Own Latent: A New Approach to '
                 'Self-Supervised Learning')),
    'SimCLR': ('SimCLR',
               dict(
                   URL=ARXIV + '2002.05709',
                   Title='A Simple Framework for Contrastive Learning of '
                   'Visual Representations')),
}


class PlainDumper(yaml.SafeDumper):
    """Repeats what occurs twice instead of naming it ``*id001``."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


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
    'tinyimagenet': 'Tiny-ImageNet',
    'voc': 'PASCAL VOC',
    'places205': 'Places205',
}


def list_configs() -> list[Path]:
    """Every config that can be run, relative to the repository."""
    return sorted(
        path.relative_to(REPO) for path in (REPO / 'configs').rglob('*.py')
        if '_base_' not in path.parts)


def describe(config: Path, paper: dict, zoo: dict) -> dict:
    """The entry of one config in its metafile."""
    from mmengine.config import Config
    cfg = Config.fromfile(REPO / config, import_custom_modules=False)
    name = config.stem
    metadata: dict[str, Any] = {
        'Training Data': _data(config),
        **_length(cfg),
        'Batch Size': cfg.auto_scale_lr.base_batch_size,
    }
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
    return found[0]


def _length(cfg: Any) -> dict[str, int]:
    if 'max_epochs' in cfg.train_cfg:
        return {'Epochs': cfg.train_cfg.max_epochs}
    return {'Iterations': cfg.train_cfg.max_iters}


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
    entries: list[dict] = [
        dict(
            Name=name,
            Metadata={'Training Techniques': 'self-supervised'},
            Paper=paper,
            README='README.md') for name, paper in METHODS.values()
    ]
    benchmarks = REPO / 'configs/benchmarks'
    for folder in sorted(benchmarks.glob('*/')):
        if list(folder.glob('*.py')):
            entries.append(
                dict(
                    Name=TRANSFER.format(folder.name),
                    Paper=REGIONCL,
                    README='README.md'))
    return entries


def build() -> dict[Path, str]:
    """Every file with its text."""
    paper = json.loads((REPO / 'docs/results/paper.json').read_text())
    zoo = json.loads((REPO / 'zoo/index.json').read_text())
    contents: dict[Path, dict] = {
        REPO / 'configs/metafile.yml': dict(Collections=collections())
    }
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
