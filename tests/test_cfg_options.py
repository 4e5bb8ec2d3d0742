# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import argparse
from typing import Any

import pytest
from mmengine.config import Config, DictAction

from mmregioncl.cfg_options import CfgOptions, check_names


def parse(action: Any, *words: str) -> dict:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=action)
    return parser.parse_args(['--cfg-options', *words]).cfg_options


@pytest.mark.parametrize('text', [
    '1', '0.5', '1e-3', 'true', 'None', 'grid', '1,2', '[1,2]', '(1,2)',
    '[(1,2),[a,b]]', '[1, 2]', '1, 2', "'x'", '', 'a=b'
])
def test_values_are_those_of_mmengine(text: str) -> None:
    word = f'model.a={text}'
    assert parse(CfgOptions, word) == parse(DictAction, word)


@pytest.mark.parametrize('key, text', [
    ('data_root', '/my images/a'),
    ('data_root', '/a,b/c d'),
    ('data_root', '2024'),
    ('train_dataloader.dataset.data_root', 'True'),
    ('load_from', 'runs/my run, the second.pth'),
    ('load_from', 'my run.pth'),
])
def test_paths_stay(key: str, text: str) -> None:
    assert parse(CfgOptions, f'{key}={text}', 'b.c=1') == {key: text, 'b.c': 1}


def test_quotation_marks_that_the_shell_left() -> None:
    found = parse(CfgOptions, 'data_root="/my images"', "load_from='a b.pth'")
    assert found == dict(data_root='/my images', load_from='a b.pth')


def test_given_twice() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions)
    words = '--cfg-options a=1 b=2 --cfg-options b=3'.split()
    assert parser.parse_args(words).cfg_options == dict(a=1, b=3)


@pytest.mark.parametrize('word, message', [
    ('foo', "takes KEY=VALUE, got 'foo'"),
    ('a.b=[1,(2]', 'Imbalanced brackets'),
])
def test_what_is_none(word: str, message: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        parse(CfgOptions, word)
    assert message in capsys.readouterr().err


CFG = Config(dict(model=dict(), max_epochs=4))


@pytest.mark.parametrize('key', [
    'model.x', 'train_cfg.max_epochs', 'data_root', 'randomness.seed',
    'default_hooks.composites.type', 'param_scheduler.0.end', 'work_dir',
    'find_unused_parameters', 'env_cfg.dist_cfg.backend'
])
def test_settings_of_a_run(key: str) -> None:
    check_names([key], CFG)


@pytest.mark.parametrize('key, message', [
    ('train_dataloder.batch_size', 'did you mean train_dataloader'),
    ('max_epochs', 'variable of the config.*used up.*train_cfg.max_epochs'),
    ('zzz', 'no setting zzz; there are .*optim_wrapper'),
])
def test_what_nothing_would_read(key: str, message: str) -> None:
    with pytest.raises(ValueError, match=f'--cfg-options {key}: .*{message}'):
        check_names(['model.x', key], CFG)
