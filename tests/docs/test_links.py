# Copyright (c) mmregioncl contributors. All rights reserved.
"""Links lead somewhere, and pictures are there and small."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import REPO, anchors, blocks, links, list_pages

PAGES = list_pages()
LARGEST = 300_000  # bytes of a picture


@pytest.mark.parametrize(
    'page', PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_links(page: Path) -> None:
    text = page.read_text()
    for link in links(text):
        if re.match(r'https?://', link):
            assert ' ' not in link and '.' in link
            continue
        path, _, anchor = link.partition('#')
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f'{link} leads nowhere'
        assert target.is_relative_to(REPO), f'{link} leaves the repository'
        if anchor and target.suffix == '.md':
            assert anchor in anchors(target.read_text()), link


def test_pictures() -> None:
    """Each one is shown somewhere, and none makes a clone heavy."""
    shown = {(page.parent / link).resolve()
             for page in PAGES
             for link in links(page.read_text())}
    pictures = list((REPO / 'docs/images').iterdir())
    assert len(pictures) >= 5
    for picture in pictures:
        assert picture in shown, f'no page shows {picture.name}'
        assert picture.stat().st_size < LARGEST, picture.name


def test_every_page_is_in_the_site() -> None:
    """In a table of contents; a page in none is not found."""
    docs, listed = REPO / 'docs', {REPO / 'docs/index.md'}
    for page in docs.rglob('*.md'):
        for block in blocks(page.read_text(), r'\{toctree\}'):
            names = [
                line for line in block.splitlines()
                if line and not line.startswith(':')
            ]
            for name in names:
                found = set(page.parent.glob(f'{name}.md')) | set(
                    page.parent.glob(f'{name}.rst'))
                assert found, f'{page.name} lists {name}, which is not there'
                listed |= found
    missing = {
        page
        for page in docs.rglob('*.md') if '_build' not in page.parts
    } - listed
    assert not missing


def test_the_check_sees_what_is_wrong() -> None:
    text = '# A b\n\n[x](gone.md#c) `[no](code)`\n\n## It\'s "c", `d`: e?\n'
    assert links(text) == ['gone.md#c']
    assert anchors(text) == {'a-b', 'its-c-d-e'}
