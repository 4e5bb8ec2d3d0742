# Copyright (c) mmregioncl contributors. All rights reserved.
"""Every config is in the model zoo, once, as model-index.yml tells it."""
from __future__ import annotations

import json
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import modelindex
import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
SOURCES = ('paper', 'ours')


def read(name: str) -> dict:
    return yaml.safe_load((REPO / name).read_text())


METAFILES = {name: read(name) for name in read('model-index.yml')['Import']}
MODELS = [
    model for each in METAFILES.values() for model in each.get('Models', [])
]
CONFIGS = sorted(
    path.relative_to(REPO).as_posix()
    for path in (REPO / 'configs').rglob('*.py') if '_base_' not in path.parts)


@pytest.fixture(scope='module')
def tool() -> dict[str, Any]:
    return runpy.run_path(str(REPO / 'tools/misc/metafiles.py'))


def test_written_by_the_tool(tool: dict[str, Any]) -> None:
    """Else: python tools/misc/metafiles.py."""
    stale = [
        path.name for path, text in tool['build']().items()
        if not path.is_file() or path.read_text() != text
    ]
    assert not stale


def test_each_config_has_one_entry_and_each_entry_a_config() -> None:
    assert sorted(model['Config'] for model in MODELS) == CONFIGS


def test_mim_finds_each_by_its_name() -> None:
    """It looks for the file name, and knows names in lower case only."""
    assert [model['Name'] for model in MODELS
            ] == [Path(model['Config']).stem for model in MODELS]
    assert all(model['Name'] == model['Name'].lower() for model in MODELS)
    below = [path.name for path in (REPO / 'configs').rglob('*.py')]
    names = Counter(below)
    assert not [
        name for name in (Path(config).name
                          for config in CONFIGS) if names[name] > 1
    ]


def test_the_index_names_every_metafile() -> None:
    assert sorted(METAFILES) == sorted(
        path.relative_to(REPO).as_posix()
        for path in (REPO / 'configs').rglob('metafile.yml'))


def test_the_library_that_mim_reads_it_with_has_no_complaint() -> None:
    index = modelindex.load(str(REPO / 'model-index.yml'))
    assert len(index.models) == len(MODELS)
    index.check(silent=True)
    complaints = [
        error for each in [index, *index.models, *index.collections]
        for error in each.check_errors
    ]
    assert not complaints


@pytest.mark.parametrize('model', MODELS, ids=lambda model: model['Name'])
def test_entry_is_complete(model: dict) -> None:
    assert set(model) >= {
        'Name', 'In Collection', 'Metadata', 'Results', 'Config'
    }
    names = {
        each['Name']
        for each in METAFILES['configs/metafile.yml']['Collections']
    }
    assert model['In Collection'] in names
    metadata = model['Metadata']
    assert metadata['Training Data']
    length = [metadata.get(key) for key in ('Epochs', 'Iterations')]
    if '_knn_' not in model['Name']:
        assert [type(value) for value in length].count(int) == 1
        assert metadata['Batch Size'] > 1
    for result in model['Results'] or []:
        assert set(result) == {'Task', 'Dataset', 'Metrics', 'Source'}
        assert result['Source'] in SOURCES
        for name, value in result['Metrics'].items():
            assert name.endswith(f'({result["Source"]})')  # mim shows the name
            assert 0 < value < 100
    if 'benchmarks' not in model['Config']:
        assert metadata['Parameters'] > 0 and metadata['Architecture']


def test_ours_come_with_what_it_takes_to_repeat_them() -> None:
    for model in MODELS:
        ours = [
            result for result in model['Results'] or []
            if result['Source'] == 'ours'
        ]
        assert bool(ours) == ('Weights' in model)
        if ours:
            metadata = model['Metadata']
            assert len(metadata['SHA256']) == 64
            assert metadata['SHA256'][:8] in model['Weights']
            assert f'--seed {metadata["Seed"]}' in metadata['Command']
            assert model['Config'] in metadata['Command']


def test_paper_numbers_are_those_of_one_table() -> None:
    """And all of that table whose config is here."""
    paper = json.loads((REPO / 'docs/results/paper.json').read_text())
    present = {Path(each).stem for each in CONFIGS}
    table: Counter = Counter()
    for row in paper['rows']:
        for method, pretrained in paper['pretrained'].items():
            if row['config'] in present:
                table[row['config'], row['dataset'],
                      f'{row["metric"]}, RegionCL-{method}', row[method]] += 1
            if row['metric'].startswith('linear'):
                table[pretrained, row['dataset'], row['metric'],
                      row[method]] += 1
    found = Counter((model['Name'], result['Dataset'],
                     name.removesuffix(' (paper)'), value) for model in MODELS
                    for result in model['Results'] or []
                    if result['Source'] == 'paper'
                    for name, value in result['Metrics'].items())
    assert found == table
    assert max(table.values()) == 1


@pytest.mark.parametrize('row, method, value', [(0, 'M', 69.4), (0, 'D', 68.5),
                                                (0, 'S', 71.3), (5, 'M', 40.1),
                                                (12, 'M', 78.1),
                                                (13, 'D', 79.5)])
def test_the_table_is_the_papers(row: int, method: str, value: float) -> None:
    paper = json.loads((REPO / 'docs/results/paper.json').read_text())
    assert paper['rows'][row][method] == value


def test_parameters_are_those_of_the_network(tool: dict[str, Any]) -> None:
    from torchvision.models import resnet18, resnet50

    import mmregioncl
    for build, depth in ((resnet18, 18), (resnet50, 50)):
        net = build()
        expected = sum(p.numel() for name, p in net.named_parameters()
                       if not name.startswith('fc.'))
        network = tool['_network'](dict(type='ResNet', depth=depth))
        assert network['Parameters'] == expected
    name = 'mocov2_r18w16_cifar10'
    entry, = (model for model in MODELS if model['Name'] == name)
    assert entry['Metadata']['Parameters'] == sum(
        p.numel() for p in mmregioncl.get_model(name).parameters())
