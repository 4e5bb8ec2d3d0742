# Copyright (c) mmregioncl contributors. All rights reserved.
"""A run of four steps, published as a finished one would be."""
from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

import mmregioncl
from mmregioncl.apis import file_sha256
from mmregioncl.evaluation.load_backbone import load_backbone
from tests.tiny_run import write_images

REPO = Path(__file__).resolve().parents[2]
NAME = 'regioncl_mocov2_r18w16_cifar10'
CONFIG = REPO / f'configs/small/{NAME}.py'
OPTIONS = [
    'model.queue_len=16', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
    'param_scheduler.1.end=2', 'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'default_hooks.logger.interval=1'
]


def call(tool: str, *arguments: str) -> int | None:
    """Run a tool in this process, for the sake of its imports."""
    argv, sys.argv = sys.argv, [tool, *map(str, arguments)]
    try:
        runpy.run_path(str(REPO / 'tools' / tool), run_name='__main__')
    except SystemExit as stopped:
        return stopped.code
    finally:
        sys.argv = argv
    return 0


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work dir of a run that has ended."""
    folder = tmp_path_factory.mktemp('run')
    for part in ('train', 'test'):
        for path in write_images(folder / part, 6).rglob('*.png'):
            cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (32, 32)))
    roots = [
        f'{loader}.dataset.data_root={folder / part}'
        for loader, part in (('train_dataloader',
                              'train'), ('val_cfg.bank_dataloader', 'train'),
                             ('val_dataloader', 'test'))
    ]
    here = os.getcwd()
    os.chdir(folder)
    try:
        call('train.py', CONFIG, '--seed', '5', '--work-dir', folder / 'work',
             '--cfg-options', *OPTIONS, *roots)
    finally:
        os.chdir(here)
    return folder / 'work'


@pytest.fixture
def tool() -> dict[str, Any]:
    return runpy.run_path(
        str(REPO / 'tools/model_converters/publish_model.py'))


def test_published(run: Path, tmp_path: Path,
                   capsys: pytest.CaptureFixture) -> None:
    zoo = tmp_path / 'zoo'
    assert call('model_converters/publish_model.py', run / 'epoch_1.pth', NAME,
                '--out', zoo) == 0
    entry = json.loads(capsys.readouterr().out)
    index = json.loads((zoo / 'index.json').read_text())
    assert index['models'] == [entry]
    assert (entry['name'], entry['seed'], entry['epochs']) == (NAME, 5, 1)
    assert (entry['images'], entry['classes']) == (16, 3)  # 4 steps of 4

    file = zoo / entry['file']
    assert file_sha256(file) == entry['sha256']
    assert entry['sha256'][:8] in file.name and NAME in file.name
    assert file.stat().st_size == entry['bytes'] < 2e6
    content = torch.load(file, weights_only=True)  # torch's own list
    trained = torch.load(run / 'epoch_1.pth', weights_only=True)['state_dict']
    assert set(content['state_dict']) == {
        key
        for key in trained if key.startswith('backbone.')
    }
    for key, value in content['state_dict'].items():
        assert value.dtype in (torch.float16, torch.int64)
        torch.testing.assert_close(
            value.to(trained[key].dtype), trained[key], rtol=1e-3, atol=1e-6)
    backbone = mmregioncl.get_model(NAME)
    load_backbone(backbone, str(file))
    assert torch.equal(backbone.conv1.weight.half(),
                       content['state_dict']['backbone.conv1.weight'])

    records = [
        json.loads(line)
        for line in (zoo / entry['log']).read_text().splitlines()
    ]
    knn = {r['step']: r['knn/top1'] for r in records if 'knn/top1' in r}
    assert (entry['knn_random'], entry['knn_top1']) == (knn[0], knn[1])
    assert [r['step'] for r in records if 'loss' in r] == [1, 2, 3, 4]
    for each in (file.read_bytes(), (zoo / entry['log']).read_bytes()):
        assert str(run.parent).encode() not in each  # no paths of ours

    expected = (f'python tools/train.py configs/small/{NAME}.py --seed 5 '
                '--cfg-options ')
    assert entry['command'].startswith(expected)
    assert set(entry['command'].removeprefix(expected).split()) == set(OPTIONS)


def test_a_second_one_of_that_name_replaces_the_first(
        run: Path, tmp_path: Path, tool: dict[str, Any]) -> None:
    first = tool['publish'](run / 'epoch_1.pth', CONFIG, tmp_path)
    (run / '20990101_000000').mkdir()  # as if resumed: the date is the first
    checkpoint = torch.load(run / 'epoch_1.pth', weights_only=True)
    checkpoint['state_dict']['backbone.conv1.weight'] += 1
    try:
        torch.save(checkpoint, run / 'other.pth')
        second = tool['publish'](run / 'other.pth', CONFIG, tmp_path)
    finally:
        (run / '20990101_000000').rmdir()
    assert second['file'] != first['file'] and second['log'] == first['log']
    assert sorted(path.name for path in tmp_path.glob('*')) == sorted(
        ['index.json', 'logs', second['file']])


def test_what_is_not_published(run: Path, tmp_path: Path, tool: dict[str, Any],
                               monkeypatch: pytest.MonkeyPatch) -> None:
    publish = tool['publish']
    settings = publish.__globals__
    checkpoint = torch.load(run / 'epoch_1.pth', weights_only=True)
    checkpoint['meta']['epoch'] = 0
    torch.save(checkpoint, run / 'early.pth')
    with pytest.raises(ValueError, match='epoch 0 of 1; publish the last'):
        publish(run / 'early.pth', CONFIG, tmp_path)
    checkpoint['meta'].update(
        epoch=1, cfg=checkpoint['meta']['cfg'] + "\nlauncher = 'pytorch'\n")
    torch.save(checkpoint, run / 'several.pth')
    with pytest.raises(ValueError, match='several processes'):
        publish(run / 'several.pth', CONFIG, tmp_path)
    torch.save(dict(state_dict=checkpoint['state_dict']), run / 'bare.pth')
    with pytest.raises(ValueError, match='no training checkpoint'):
        publish(run / 'bare.pth', CONFIG, tmp_path)
    with pytest.raises(ValueError, match="'model.*no option"):
        publish(run / 'epoch_1.pth',
                CONFIG.with_name('regioncl_densecl_r18w16_cifar10.py'),
                tmp_path)
    with pytest.raises(ValueError, match='no k-NN of epoch 1, only of none'):
        tool['read_accuracy']([], 1)
    monkeypatch.setitem(settings, 'MAX_FILE', 10**6)
    with pytest.raises(ValueError, match='the file would have 1.4 MB'):
        publish(run / 'epoch_1.pth', CONFIG, tmp_path)
    monkeypatch.setitem(settings, 'MAX_FILE', 10**7)
    monkeypatch.setitem(settings, 'MAX_ZOO', 10**6)
    with pytest.raises(ValueError, match='the zoo with it'):
        publish(run / 'epoch_1.pth', CONFIG, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_config_from_elsewhere(run: Path, tmp_path: Path,
                                 capsys: pytest.CaptureFixture) -> None:
    config = tmp_path / 'mine.py'
    config.touch()
    assert call('model_converters/publish_model.py', run / 'epoch_1.pth',
                config) == 1
    assert 'not below configs/' in capsys.readouterr().err


def test_the_zoo_is_what_its_index_says() -> None:
    zoo = REPO / 'zoo'
    models = json.loads((zoo / 'index.json').read_text())['models']
    files = {each['file'] for each in models}
    assert {path.name for path in zoo.glob('*.pth')} == files
    assert {path.name
            for path in zoo.glob('logs/*')
            } == {Path(each['log']).name
                  for each in models}
    for each in models:
        assert file_sha256(zoo / each['file']) == each['sha256']
        assert (zoo / each['file']).stat().st_size == each['bytes'] < 12e6
    assert sum(each['bytes'] for each in models) < 60e6
