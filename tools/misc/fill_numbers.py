# Copyright (c) mmregioncl contributors. All rights reserved.
"""Fill the numbers of every Markdown page in from where they were measured.

    python tools/misc/fill_numbers.py            # write
    python tools/misc/fill_numbers.py --check    # only say what would change

A page asks for a table, or for one number, with comments that stay in it:

    <!-- numbers: paper -->           the paper's results
    <!-- numbers: zoo -->             models with weights
    <!-- numbers: models -->          every config, from the metafiles
    <!-- numbers: evidence -->        RegionCL against its hosts, in short
    <!-- numbers: transfer.json init mean:.1f=AP -->
    ...                               the rows of a file of docs/results/
    <!-- end of numbers -->

    <!-- n: transfer.json init=random/mean .1f -->0
    <!-- /n -->                       one number, in one line with its comments
                                      and not the first in it
"""
from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
RESULTS = REPO / 'docs/results'
TABLE = re.compile(
    r'(<!-- numbers: ([^\n]+?) -->\n).*?(<!-- end of numbers -->)', re.S)
NUMBER = re.compile(r'(<!-- n: ([^\n]+?) -->)[^<\n]*(<!-- /n -->)')


def list_pages() -> list[Path]:
    """Every Markdown page of the repository that may hold numbers."""
    pages = [REPO / 'README.md', REPO / 'CHANGELOG.md']
    for folder in ('docs', 'configs', 'zoo', 'demo'):
        pages += (REPO / folder).rglob('*.md')
    return sorted(
        page for page in pages
        if page.is_file() and not {'_build', 'out'} & set(page.parts))


def read_json(name: str) -> Any:
    return json.loads((RESULTS / name).read_text())


def read_zoo() -> dict:
    return json.loads((REPO / 'zoo/index.json').read_text())


def read_models() -> list[dict]:
    """Every entry of the metafiles."""
    index = yaml.safe_load((REPO / 'model-index.yml').read_text())
    models = []
    for name in index['Import']:
        metafile = yaml.safe_load((REPO / name).read_text())
        models += metafile.get('Models', [])
    return models


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def paper_table(page: Path) -> str:
    paper = read_json('paper.json')
    methods = list(paper['pretrained'])
    return table(
        ['data', 'benchmark', 'metric', *(f'RegionCL-{m}' for m in methods)],
        [[
            row['dataset'], row['benchmark'], row['metric'],
            *(f'{row[method]:.1f}' for method in methods)
        ] for row in paper['rows']])


def zoo_table(page: Path) -> str:
    zoo = read_zoo()
    # a page of the site cannot link to a file beside the site
    base = zoo['address'] if RESULTS.parent in page.parents else os.path.join(
        os.path.relpath(REPO / 'zoo', page.parent), '')
    base = base.removeprefix('./')
    data = {
        model['Name']: model['Metadata']['Training Data']
        for model in read_models()
    }
    return table([
        'name', 'pretrained on', 'epochs', 'seed', 'k-NN, random weights',
        'k-NN', 'MB', 'files'
    ], [[
        f'`{model["name"]}`', data[model['name']],
        str(model['epochs']),
        str(model['seed']),
        _cell(model['knn_random'], '.2f'), f'{model["knn_top1"]:.2f}',
        f'{model["bytes"] / 1e6:.1f}',
        f'[weights]({base}{model["file"]}), [log]({base}{model["log"]})'
    ] for model in zoo['models']])


def models_table(page: Path) -> str:
    rows = []
    for model in read_models():
        metadata = model['Metadata']
        length = next(  # k-NN trains nothing
            (f'{metadata[key]} {key.lower()}'
             for key in ('Epochs', 'Iterations') if key in metadata), '')
        results = '; '.join(f'{name} {value}'
                            for result in model['Results'] or []
                            for name, value in result['Metrics'].items())
        rows.append([
            f'`{model["Name"]}`', metadata['Training Data'], length,
            str(metadata.get('Batch Size', '')), results,
            f'[weights]({model["Weights"]})' if 'Weights' in model else ''
        ])
    return table(
        ['config', 'data', 'length', 'total batch', 'results', 'weights'],
        rows)


def evidence_table(page: Path) -> str:
    names = dict(
        mocov2='MoCo v2',
        densecl='DenseCL',
        simsiam='SimSiam',
        byol='BYOL',
        simclr='SimCLR')
    rows = {row['name']: row for row in read_json('evidence.json')['rows']}

    def knn(name: str) -> str:
        found = rows.get(name, dict(knn={}))['knn']
        return ' ± '.join(f'{value:.1f}' for value in found.values())

    lines = []
    for method, name in names.items():
        host = f'{method}_r18w16_tinyimagenet'
        if f'regioncl_{host}' in rows:
            ours = rows[f'regioncl_{host}']
            lines.append([
                name,
                knn(host),
                knn(f'{ours["name"]}_halves'),
                knn(ours['name']),
                knn(f'{host}_longer'), f'{ours["cost"]:.2f}',
                str(len(ours['seeds']))
            ])
    return table([
        'host', 'alone', 'with RegionCL, for the cost of the host',
        'with RegionCL', 'alone, for the cost of RegionCL', 'that cost',
        'seeds'
    ], lines)


def json_table(file: str, columns: list[str]) -> str:
    """Columns are ``KEY``, ``KEY:FORMAT``, and ``=HEADER`` behind either."""
    header, keys = [], []
    for column in columns:
        key, _, name = column.partition('=')
        key, _, form = key.partition(':')
        header.append((name or key).replace('_', ' '))
        keys.append((key, form))
    return table(header, [[_cell(row.get(key), form) for key, form in keys]
                          for row in read_json(file)])


def _cell(value: Any, form: str) -> str:
    return '' if value is None else format(value, form)


def look_up(file: str, path: str, form: str = '') -> str:
    """One number: ``/`` between keys, ``KEY=VALUE`` selects from a list."""
    value = read_json(file)
    for part in path.split('/'):
        key, equals, wanted = part.partition('=')
        if equals:
            value, = (each for each in value if str(each[key]) == wanted)
        else:
            value = value[int(part) if isinstance(value, list) else part]
    return format(value, form)


TABLES = dict(
    paper=paper_table,
    zoo=zoo_table,
    models=models_table,
    evidence=evidence_table)


def fill(text: str, page: Path) -> str:
    """A page with every number anew.

    Raises:
        ValueError: If it asks for something that is not there.
    """

    def fill_table(found: re.Match) -> str:
        begin, what, end = found.groups()
        name, *columns = what.split()
        if name in TABLES:
            content = TABLES[name](page)
        else:
            content = json_table(name, columns)
        return f'{begin}\n{content}\n\n{end}'

    def fill_number(found: re.Match) -> str:
        begin, what, end = found.groups()
        return f'{begin}{look_up(*what.split())}{end}'

    try:
        return NUMBER.sub(fill_number, TABLE.sub(fill_table, text))
    except (OSError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f'{page} asks for numbers that are not in '
                         f'docs/results: {error!r}') from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--check', action='store_true')
    args = parser.parse_args()
    stale = 0
    for page in list_pages():
        text = page.read_text()
        filled = fill(text, page)
        if filled != text:
            stale += 1
            print(('would change ' if args.check else 'wrote ') +
                  str(page.relative_to(REPO)))
            if not args.check:
                page.write_text(filled)
    return int(args.check and bool(stale))


if __name__ == '__main__':
    sys.exit(main())
