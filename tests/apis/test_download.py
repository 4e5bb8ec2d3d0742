# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import hashlib
import http.server
import threading
from pathlib import Path
from typing import Iterator

import pytest

from mmregioncl.apis import download
from mmregioncl.apis.download import (download_checkpoint, download_file,
                                      file_sha256)

CONTENT = b'weights' * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / 'server' / 'epoch_1.pth'
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


class _CutShort(http.server.BaseHTTPRequestHandler):
    """Promises 7000 bytes and gives 70; knows nothing of other names."""

    def do_GET(self) -> None:
        if self.path != '/epoch_1.pth':
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:70])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.HTTPServer(('127.0.0.1', 0), _CutShort) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{httpd.server_port}'
        httpd.shutdown()
        thread.join()


def test_it_arrives_once(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'new' / 'folder'
    path = download_checkpoint(source.as_uri(), SHA256.upper(), folder)
    assert path == folder / 'epoch_1.pth'
    assert path.read_bytes() == CONTENT
    source.unlink()  # the second time nothing is fetched
    assert download_checkpoint(source.as_uri(), SHA256, folder) == path


def test_default_folder(source: Path, tmp_path: Path,
                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    path = download_checkpoint(source.as_uri(), SHA256)
    assert path == tmp_path / 'home' / 'hub' / 'checkpoints' / 'epoch_1.pth'


def test_another_file_is_not_kept(source: Path, tmp_path: Path) -> None:
    source.write_bytes(CONTENT + b'!')
    folder = tmp_path / 'folder'
    with pytest.raises(ValueError, match=f'7001 bytes .*{SHA256} is expected'):
        download_file(source.as_uri(), SHA256, folder)
    assert not list(folder.iterdir())


def test_it_is_verified_before_it_has_its_name(
        source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(path: Path) -> str:
        seen.append([each.name for each in tmp_path.glob('to/epoch*')])
        return file_sha256(path)

    monkeypatch.setattr(download, 'file_sha256', look)
    download_file(source.as_uri(), SHA256, tmp_path / 'to')
    assert seen == [[]]


def test_another_file_under_that_name(source: Path, tmp_path: Path) -> None:
    (tmp_path / 'epoch_1.pth').write_bytes(b'mine')
    with pytest.raises(ValueError, match='there already.*remove it'):
        download_file(source.as_uri(), SHA256, tmp_path)
    assert (tmp_path / 'epoch_1.pth').read_bytes() == b'mine'


def test_a_server_that_fails(server: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='of 70 bytes'):
        download_file(f'{server}/epoch_1.pth', SHA256, tmp_path / 'to')
    with pytest.raises(OSError, match='answers 404'):
        download_file(f'{server}/gone.pth', SHA256, tmp_path / 'to')
    assert not list((tmp_path / 'to').iterdir())


def test_nobody_there(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match='cannot be reached'):
        download_file((source.parent / 'gone.pth').as_uri(), SHA256, tmp_path)
    with pytest.raises(OSError, match='cannot be reached'):
        download_file('http://127.0.0.1:9/x.pth', SHA256, tmp_path)


@pytest.mark.parametrize('sha256', ['', '0' * 63, 'g' * 64, None, 12])
def test_no_checksum_no_file(source: Path, tmp_path: Path,
                             sha256: str) -> None:
    with pytest.raises(ValueError, match='64 hexadecimal digits'):
        download_file(source.as_uri(), sha256, tmp_path / 'to')
    assert not (tmp_path / 'to').exists()


@pytest.mark.parametrize('url, message', [
    ('epoch_1.pth', 'begins with https://'),
    ('ftp://host/epoch_1.pth', 'begins with https://'),
    ('data:text/plain,hello', 'begins with https://'),
    ('https://host', 'names no file'),
    ('https://host/folder/', 'names no file'),
    ('https://host/..', 'names no file'),
    ('https://host/..%2f..%2fetc%2fpasswd', 'names no file'),
    ('https://host/..%5cevil.pth', 'names no file'),
    ('https://host/c:evil.pth', 'names no file'),
    ('https://host/a%00.pth', 'names no file'),
])
def test_addresses_that_are_none(tmp_path: Path, url: str,
                                 message: str) -> None:
    with pytest.raises(ValueError, match=message):
        download_file(url, SHA256, tmp_path)
