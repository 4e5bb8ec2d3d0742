# Copyright (c) mmregioncl contributors. All rights reserved.
"""A page of pictures in one file: it opens without a server or a network."""
from __future__ import annotations

import base64
import html
import io
import tempfile
from pathlib import Path
from typing import Sequence

from matplotlib.figure import Figure

_STYLE = ('body{font:16px/1.5 sans-serif;max-width:75rem;margin:2rem auto;'
          'padding:0 1rem;color:#222}img{max-width:100%;height:auto}'
          'figure{margin:2rem 0}figcaption{margin:0 0 .5rem;max-width:50rem}'
          'pre{background:#f3f3f3;padding:.7rem;overflow:auto}')


def open_folder(folder: Path) -> Path:
    """Make a folder and see that files can be written there.

    Args:
        folder (Path): Made if there is none.

    Returns:
        Path: The folder.

    Raises:
        ValueError: If that cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f'nothing can be written to {str(folder)!r}: '
                         f'{error}; name another folder by --out') from error
    return folder


def write_page(folder: Path, title: str, command: str,
               figures: Sequence[tuple[str, str, Figure]]) -> list[Path]:
    """Write each figure as PNG, and all of them into ``index.html``.

    Args:
        folder (Path): Of :func:`open_folder`.
        title (str): Of the page.
        command (str): What repeats it.
        figures (Sequence[tuple[str, str, Figure]]): File name without ending,
            caption in plain text, figure.

    Returns:
        list[Path]: The files, the page last.
    """
    written, parts = [], []
    for name, caption, figure in figures:
        buffer = io.BytesIO()
        figure.savefig(buffer, format='png', dpi=110)
        written.append(folder / f'{name}.png')
        written[-1].write_bytes(buffer.getvalue())
        encoded = base64.b64encode(buffer.getvalue()).decode()
        text = html.escape(caption)
        parts.append(f'<figure><figcaption>{text}</figcaption>'
                     f'<img alt="{html.escape(name)}" '
                     f'src="data:image/png;base64,{encoded}"></figure>')
    written.append(folder / 'index.html')
    written[-1].write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<title>{html.escape(title)}</title><style>{_STYLE}</style>'
        f'<h1>{html.escape(title)}</h1>{"".join(parts)}'
        f'<h2>Made with</h2><pre>{html.escape(command)}</pre></html>\n',
        encoding='utf-8',
        errors='backslashreplace')  # names of files may be in no encoding
    return written
