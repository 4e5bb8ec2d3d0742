# Copyright (c) mmregioncl contributors. All rights reserved.
"""Numbers in README, docs and metafiles come from one place.

That place is docs/results/*.json, written by the tools that measure, the
zoo's index, and paper.json for what others published. What stands between the
comments of tools/misc/fill_numbers.py must be what it would write; other
accuracies and losses must at least be one of those numbers, so that a new
measurement makes the old ones fail.
"""
from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[1]
TOOL = runpy.run_path(str(REPO / 'tools/misc/fill_numbers.py'))
PAGES = TOOL['list_pages']()
NUMBER = r'(?<![\w.])-?\d+\.\d+(?!\w|\.\d)'
# what makes a table one of accuracies or losses
METRIC = re.compile(r'k-NN|top-1|\bAP\b|mIoU|accuracy|\bloss\b', re.I)
IN_PROSE = re.compile(rf'({NUMBER}) ?(?=%|points?\b|AP\b|mIoU\b)')


def numbers_of(value: Any) -> Iterator[float]:
    """Every number in nested lists and dictionaries."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from numbers_of(each)
    elif isinstance(value, (int, float)):
        yield float(value)


def read_sources() -> list[float]:
    files = [*TOOL['RESULTS'].glob('*.json'), REPO / 'zoo/index.json']
    return [
        number for file in files
        for number in numbers_of(json.loads(file.read_text()))
    ]


SOURCES = read_sources()


def is_measured(text: str, sources: list[float]) -> bool:
    """Whether a source, rounded as the text is, gives the text."""
    decimals = len(text.partition('.')[2])
    return any(f'{source:.{decimals}f}' == text for source in sources)


def claims(page: str) -> Iterator[tuple[str, str]]:
    """Accuracies and losses that no tool fills in, each with its line."""
    for filled in (TOOL['TABLE'], TOOL['NUMBER'], r'(?s)```.*?```'):
        page = re.sub(filled, '', page)
    header = None
    for line in page.splitlines():
        if not line.lstrip().startswith('|'):
            header = None
            for found in IN_PROSE.finditer(line):
                yield found[1], line
        elif header is None:
            header = line
        elif METRIC.search(header):
            for found in re.finditer(NUMBER, line):
                yield found[0], line


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_pages_are_filled(page: Path) -> None:
    """Else: python tools/misc/fill_numbers.py."""
    text = page.read_text()
    assert TOOL['fill'](text, page) == text
    opened = len(re.findall('<!-- (?:numbers|n): ', text))
    assert opened == len(re.findall('<!-- (?:end of numbers|/n) -->', text))


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_accuracies_and_losses_are_measured(page: Path) -> None:
    unknown = [(number, line) for number, line in claims(page.read_text())
               if not is_measured(number, SOURCES)]
    assert not unknown, 'in no file of docs/results/'


def test_a_number_that_drifts_is_seen() -> None:
    text = '| model | k-NN |\n|---|---|\n| a | 44.42 |\n\nIt gains 2.4 points'
    assert [number for number, _ in claims(text)] == ['44.42', '2.4']
    assert is_measured('44.42', [44.4187]) and is_measured('2.4', [2.37])
    assert not is_measured('44.42', [44.43]) and not is_measured('2.4', [2.3])
    assert not list(claims('| pass | cost |\n|---|---|\n| a | 1.75 |'))
    assert not list(claims('torch 2.11.0 and lr 0.03, in 1.5 s'))


PAPER = json.loads((REPO / 'docs/results/paper.json').read_text())


@pytest.mark.parametrize(
    'config', [
        path for path in sorted((REPO / 'configs').rglob('*.py'))
        if '_base_' not in path.parts and 'aper' in path.read_text()
    ],
    ids=lambda path: path.stem)
def test_headers_of_configs_quote_the_paper(config: Path) -> None:
    """``M 39.8/34.8  D 40.3/35.2`` and ``69.4 % linear``, at the top."""
    header = config.read_text().partition('\n_base_')[0]
    linear = [row for row in PAPER['rows'] if 'linear' in row['metric']]
    rows = [row for row in PAPER['rows'] if row['config'] == config.stem]
    if 'linear' in config.stem:  # of two recipes
        rows = linear
    for method, values in re.findall(r'\b([MDS]) (\d+\.\d(?:/\d+\.\d)?)',
                                     header):
        assert values == '/'.join(f'{row[method]:.1f}' for row in rows)
    for value in re.findall(rf'({NUMBER}) % linear', header):
        method, = (method for method, name in PAPER['pretrained'].items()
                   if name == config.stem)
        assert value == f'{linear[0][method]:.1f}'


def test_look_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / 'runs.json').write_text(
        json.dumps(
            dict(rows=[dict(name='a', knn=1.25),
                       dict(name='b', knn=2)])))
    monkeypatch.setitem(TOOL['look_up'].__globals__, 'RESULTS', tmp_path)
    assert TOOL['look_up']('runs.json', 'rows/name=a/knn', '.1f') == '1.2'
    assert TOOL['look_up']('runs.json', 'rows/1/knn') == '2'
    page = tmp_path / 'page.md'
    text = 'Of <!-- n: runs.json rows/1/knn .1f -->9.9<!-- /n --> or more.'
    assert TOOL['fill'](text, page) == text.replace('9.9', '2.0')
    with pytest.raises(ValueError, match='page.md asks for numbers'):
        TOOL['fill']('<!-- n: runs.json rows/5/knn -->9<!-- /n -->', page)
    (tmp_path / 'rows.json').write_text(
        json.dumps([dict(name='a', knn=1.25),
                    dict(name='b')]))
    text = ('<!-- numbers: rows.json name knn:.1f=k-NN -->\nold\n'
            '<!-- end of numbers -->\n')
    filled = TOOL['fill'](text, page)
    assert filled.splitlines()[2:6] == [
        '| name | k-NN |', '| --- | --- |', '| a | 1.2 |', '| b |  |'
    ]
    assert TOOL['fill'](filled, page) == filled
