# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from mmregioncl.datasets import demo_sets
from mmregioncl.datasets.demo_sets import META, UNFINISHED, make_demo_set


def _make(folder: Path, **changes: int) -> bool:
    counts = dict(seed=0, train=3, val=2, width=32) | changes
    return make_demo_set(folder, 'folders', **counts)


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob('*') if path.is_file()
    }


def test_finished_set_is_left_as_it_is(tmp_path):
    assert _make(tmp_path / 'set')
    meta = json.loads((tmp_path / 'set' / META).read_text())
    assert (meta['seed'], meta['train'], meta['val']) == (0, 3, 2)
    assert meta['size'] == [32, 32] and meta['files'] == 5
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}
    assert not _make(tmp_path / 'set')
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}


def test_interrupted_set_is_redone(tmp_path, monkeypatch):
    _make(tmp_path / 'whole')
    layout = demo_sets.LAYOUTS['folders']
    done = []

    def fails(job):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(job)
        return layout.render(job)

    with monkeypatch.context() as patch:
        patch.setitem(demo_sets.LAYOUTS, 'folders',
                      type(layout)(1, 1, 32, (1, 1), fails))
        with pytest.raises(KeyboardInterrupt):
            _make(tmp_path / 'half', seed=9)
    assert (tmp_path / 'half' / UNFINISHED).exists()
    assert not (tmp_path / 'half' / META).exists()
    assert len(_files(tmp_path / 'half')) == 4
    assert _make(tmp_path / 'half')  # also with other parameters
    assert _files(tmp_path / 'half') == _files(tmp_path / 'whole')


def test_set_that_lost_a_picture_is_redone(tmp_path):
    _make(tmp_path)
    before = _files(tmp_path)
    next((tmp_path / 'train').rglob('*.jpg')).unlink()
    assert _make(tmp_path)
    assert _files(tmp_path) == before


def test_files_added_later_do_no_harm(tmp_path):
    _make(tmp_path)
    (tmp_path / 'notes.txt').write_text('mine')
    assert not _make(tmp_path)


def test_other_parameters_are_an_error_with_the_cure(tmp_path):
    _make(tmp_path)
    before = _files(tmp_path)
    with pytest.raises(
            ValueError, match='seed=0 where seed=1.*another folder'):
        _make(tmp_path, seed=1)
    with pytest.raises(ValueError, match='train=3 where train=4'):
        _make(tmp_path, train=4)
    with pytest.raises(ValueError, match="layout='folders'"):
        make_demo_set(tmp_path, 'coco')
    assert _files(tmp_path) == before


def test_foreign_folder_is_not_touched(tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(ValueError, match='not of a demo set'):
        _make(tmp_path)
    assert (tmp_path / 'thesis.tex').read_text() == 'years of work'
    with pytest.raises(ValueError, match='is a file'):
        _make(tmp_path / 'thesis.tex')


@pytest.mark.parametrize('content', ['', '[]', '{"files": 2}', '{"seed": 0}'])
def test_meta_of_something_else_is_an_error(tmp_path, content):
    (tmp_path / META).write_text(content)
    with pytest.raises(ValueError, match='delete this one'):
        _make(tmp_path)


@pytest.mark.parametrize('changes, message', [
    (dict(seed=-1), 'seed=-1 must be 0 or more'),
    (dict(train=0), 'train=0 must be 1 or more'),
    (dict(val=-2), 'val=-2 must be 1 or more'),
    (dict(width=16), 'width=16 .* multiple of 1, at least 32'),
])
def test_numbers_out_of_range(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        _make(tmp_path / 'set', **changes)
    assert not (tmp_path / 'set').exists()


def test_width_and_layout_must_fit(tmp_path):
    with pytest.raises(ValueError, match='multiple of 4, at least 43'):
        make_demo_set(tmp_path, 'coco', width=90)
    with pytest.raises(ValueError, match='choose from folders, coco'):
        make_demo_set(tmp_path, 'voc')


def _command(monkeypatch, repo_root, *args: object) -> None:
    tool = repo_root / 'tools/dataset_converters/make_demo_data.py'
    monkeypatch.setattr(sys, 'argv', [str(tool), *map(str, args)])
    monkeypatch.setattr(sys, 'path', list(sys.path))
    runpy.run_path(str(tool), run_name='__main__')


def test_command(tmp_path, monkeypatch, capsys, repo_root):
    args = (tmp_path, '--train', 1, '--val', 1, '--size', 96, '--workers', 1)
    _command(monkeypatch, repo_root, *args)
    assert capsys.readouterr().out.count('rendered') == 3
    assert {p.name for p in tmp_path.iterdir()} == {'folders', 'coco',
                                                    'cityscapes'}
    _command(monkeypatch, repo_root, *args, '--layouts', 'coco')
    assert 'there already' in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        _command(monkeypatch, repo_root, *args, '--seed', 3)
    assert stopped.value.code == 2
    assert 'seed=3 is asked for' in capsys.readouterr().err
