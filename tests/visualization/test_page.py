# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from mmregioncl.visualization import open_folder, write_page


class Page(HTMLParser):
    """Everything that a browser would fetch, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text = ''
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.fetched += [
            value for name, value in attrs if name in ('src', 'href')
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_one_file_holds_everything(tmp_path: Path) -> None:
    figures = []
    for number in range(2):
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, number])
        figures.append((f'part_{number}', f'loss < {number} & "so"', figure))
    out = tmp_path / 'new' / 'folder'
    files = write_page(
        open_folder(out), 'Title <1>', 'python x --a <b>', figures)
    assert files == [
        out / 'part_0.png', out / 'part_1.png', out / 'index.html'
    ]
    html = files[-1].read_text()
    page = Page(html)
    assert len(page.fetched) == 2
    for file, address in zip(files, page.fetched):
        head, encoded = address.split(',', 1)
        assert head == 'data:image/png;base64'
        assert base64.b64decode(encoded) == file.read_bytes()
    assert not re.search(r'https?://|url\(', html)
    for text in ('Title <1>', 'python x --a <b>', 'loss < 0 & "so"'):
        assert text in page.text


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """Told before anything is drawn."""
    file = tmp_path / 'file'
    file.write_text('mine')
    for folder in (file, file / 'below'):
        with pytest.raises(ValueError, match='nothing can be written.*--out'):
            open_folder(folder)
    assert file.read_text() == 'mine'
    assert open_folder(tmp_path / 'a/b') == tmp_path / 'a/b'
    assert not list((tmp_path / 'a/b').iterdir())


def test_names_in_no_encoding(tmp_path: Path) -> None:
    """As Python gives the names of files that are not UTF-8."""
    page, = write_page(tmp_path, 'Features', 'python x a\udce9.jpg', [])
    assert 'a\\udce9.jpg' in page.read_text()
