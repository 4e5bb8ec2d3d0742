# Copyright (c) mmregioncl contributors. All rights reserved.
"""Every command of README and docs is one that works.

Long ones are not run here. Each is held against what it names: the tool and
its own parser, the config and its settings, the files of the repository, the
epochs that a checkpoint is named after; and each tool is run by some test.
"""
from __future__ import annotations

import argparse
import configparser
import inspect
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import mmengine.registry
import pytest
from mmengine.config import Config

import mmregioncl.register
import mmregioncl.transfer  # noqa: F401
from mmregioncl.launch import config_roots, find_config
from tests.docs.pages import REPO, blocks, commands, list_pages

COMMANDS = sorted({(page.relative_to(REPO).as_posix(), *words)
                   for page in list_pages()
                   for words in commands(page.read_text())})
CALLED = [each[1:] for each in COMMANDS]
# stand for something of the user's: CONFIG, FILE, /any/folder
PLACEHOLDER = re.compile(r'[A-Z_.]+|/any/.*|.*(NAME|\.\.\.).*')
# a hook that the config does not have; what it may say is its signature
NEW = {'default_hooks.composites': 'CompositesHook'}
# of the shell and of slurm: nothing of ours to hold them against
SYSTEM = {
    '.', '[', 'cd', 'code=$?', 'exit', 'export', 'ln', 'sbatch', 'scontrol'
}
MIM = {'search', 'download', 'train', 'test', 'run', 'install', 'uninstall'}


class Parsed(Exception):
    """Ends a tool when it has parsed its arguments."""


def parse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the tool itself makes of its arguments."""
    real = argparse.ArgumentParser.parse_args

    def stop(parser: Any, *args: Any, **kwargs: Any) -> None:
        raise Parsed(real(parser, *args, **kwargs))

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop)
    monkeypatch.setattr(sys, 'argv', list(words))
    with pytest.raises(Parsed) as info:
        runpy.run_path(str(REPO / words[0]), run_name='__main__')
    return info.value.args[0]


def check_config(name: str) -> None:
    """It is there, by path or by name."""
    if not PLACEHOLDER.fullmatch(name):
        find_config(
            str(REPO / name) if (REPO / name).is_file() else name,
            config_roots(REPO))


def load(name: str) -> Config:
    return Config.fromfile(
        find_config(
            str(REPO / name) if (REPO / name).is_file() else name,
            config_roots(REPO)),
        import_custom_modules=False)


def check_option(cfg: Any, key: str) -> None:
    """The config has the setting, or what it configures takes it."""
    for start, registered in NEW.items():
        if key.startswith(f'{start}.'):
            cfg, key = dict(type=registered), key[len(start) + 1:]
    *path, last = key.split('.')
    for part in path:
        cfg = cfg[int(part)] if isinstance(cfg, (list, tuple)) else cfg[part]
    if last in cfg or last == 'type':
        return
    assert 'type' in cfg, f'no setting {key}'
    assert last in parameters_of(cfg['type']), f'{cfg["type"]} has no {last}'


def parameters_of(name: str) -> set[str]:
    """Of the constructors of a registered class."""
    import mmselfsup.registry
    for module in (mmselfsup.registry, mmengine.registry):
        for registry in vars(module).values():
            if isinstance(registry, mmengine.registry.Registry):
                cls = registry.get(name)
                if cls is not None:
                    return {
                        parameter
                        for each in inspect.getmro(cls)
                        if '__init__' in vars(each) for parameter in
                        inspect.signature(each.__init__).parameters
                    }
    raise AssertionError(f'{name} is not registered')


def check_checkpoint(path: str) -> None:
    """work_dirs/CONFIG/epoch_N.pth: the config trains for N epochs."""
    found = re.fullmatch(r'work_dirs/([^/]+)/(epoch|iter)_(\d+)\.pth', path)
    if found is None or PLACEHOLDER.fullmatch(found[1]):
        return
    loop = load(found[1]).train_cfg
    wanted = loop.max_epochs if found[2] == 'epoch' else loop.max_iters
    assert wanted == int(found[3]), f'{path}: the last is {wanted}'


def check_python(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] == '-m':  # pytest and its files, or a module of tests/
        module = words[1].replace('.', '/')
        assert words[1] == 'pytest' or (REPO / f'{module}.py').is_file()
        for word in words[2:]:
            if word.startswith('tests/'):
                assert (REPO / word.partition('::')[0]).exists(), word
        return
    assert words[0].endswith('.py'), 'which tool?'
    if words[0] == 'demo/picture.py':  # takes paths, no options
        assert len(words) in (3, 4)
        return
    args = vars(parse(words, monkeypatch))
    config = args.get('config')
    if isinstance(config, str):
        check_config(config)
        if args.get('cfg_options') and not PLACEHOLDER.fullmatch(config):
            cfg = load(config)
            for key in args['cfg_options']:
                check_option(cfg, key)


@pytest.mark.parametrize('command', COMMANDS, ids=' '.join)
def test_command(command: tuple[str, ...],
                 monkeypatch: pytest.MonkeyPatch) -> None:
    page, *words = command
    while re.fullmatch(r'srun|[A-Z_]+=\S*', words[0]):  # OMP_NUM_THREADS=1
        words.pop(0)
    if words[0] in SYSTEM:
        return
    tool, rest = words[0], words[1:]
    monkeypatch.chdir(REPO)
    for word in rest:
        check_checkpoint(word)
        if re.match(r'(configs|docs|tools|demo(?!/out)|mmregioncl)/', word):
            assert list(REPO.glob(word)), f'{word} is not there'
    if tool == 'python':
        check_python(rest, monkeypatch)
    elif tool == 'make':
        targets = re.findall(r'^(\w+):', (REPO / 'Makefile').read_text(), re.M)
        assert {word for word in rest if '=' not in word} <= {*targets}
    elif tool == 'pip':
        check_pip(rest)
    elif tool == 'mim':
        assert rest[0] in MIM
    else:
        script = REPO / tool
        assert script.is_file() and os.access(script, os.X_OK)
        check_config(
            next(
                each for each in rest
                if each.startswith('configs') or PLACEHOLDER.fullmatch(each)))


def check_pip(words: list[str]) -> None:
    """Extras and requirement files are there."""
    setup = configparser.ConfigParser()
    setup.read(REPO / 'setup.cfg')
    known = set(setup['options.extras_require'])
    assert words[0] == 'install'
    for word in words[1:]:
        extras = re.fullmatch(r'\.\[([\w,]+)\]', word)
        if extras:
            assert set(extras[1].split(',')) <= known, word
        if word.startswith('requirements/'):
            assert (REPO / word).is_file()


def test_each_tool_is_run_by_a_test() -> None:
    """Under its name, in tests/ or by the demo."""
    texts = [
        path.read_text()
        for pattern in ('tests/**/*.py', 'demo/*.sh', 'tools/**/*.sh')
        for path in REPO.glob(pattern) if path != Path(__file__)
    ]
    tools = {
        word
        for words in CALLED
        for word in words if re.fullmatch(r'tools/\S+\.(py|sh)', word)
    }
    assert len(tools) >= 10
    for tool in tools:
        assert any(Path(tool).stem in text for text in texts), tool


def test_there_are_commands() -> None:
    """The README's three are among them."""
    starts = {' '.join(words[:2]) for words in CALLED}
    for start in ('make demo', 'make test', 'python tools/train.py',
                  'python tools/export.py'):
        assert start in starts


@pytest.mark.parametrize('words, error', [
    (['python', 'tools/train.py', 'regioncl_mocov2_r5'], ValueError),
    ([
        'python', 'tools/train.py', 'regioncl_mocov2_r50', '--cfg-options',
        'model.queue_length=3'
    ], AssertionError),
    (['python', 'tools/export.py', 'x.pth', '--to', 'jax'], SystemExit),
    ([
        'python', 'tools/test.py', 'regioncl_mocov2_r50',
        'work_dirs/regioncl_mocov2_r50/epoch_100.pth'
    ], AssertionError),
    (['pip', 'install', '.[nothing]'], AssertionError),
    (['make', 'nothing'], AssertionError),
    (['tools/nothing.sh', 'CONFIG'], AssertionError),
])
def test_the_check_sees_what_is_wrong(words: list[str], error: Any,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(error):
        test_command(('page', *words), monkeypatch)


SNIPPETS = [
    pytest.param(block, id=f'{page.name}-{number}') for page in list_pages()
    for number, block in enumerate(blocks(page.read_text(), 'python'))
]


@pytest.mark.parametrize('block', SNIPPETS)
def test_snippet(block: str, tmp_path: Path,
                 monkeypatch: pytest.MonkeyPatch) -> None:
    """Code runs; a config loads, on what it inherits from."""
    monkeypatch.chdir(tmp_path)
    if re.match(r'(import|from) ', block):
        if "'FILE'" in block:
            import torch
            import torchvision
            weights = torchvision.models.resnet50().state_dict()
            del weights['fc.weight'], weights['fc.bias']
            torch.save(weights, 'FILE')
        exec(compile(block, 'block', 'exec'), {})
        return
    base = re.match(r"_base_ = '\./(\w\S*)\.py'", block)
    path = (
        find_config(base[1], config_roots(REPO)) if base else REPO /
        'configs/_base_/default_runtime.py')
    text = re.sub(r'^_base_ = .*\n', '', block)
    (tmp_path / 'mine.py').write_text(f'_base_ = {str(path)!r}\n{text}\n')
    cfg = Config.fromfile(tmp_path / 'mine.py', import_custom_modules=False)
    inherited = Config.fromfile(path, import_custom_modules=False)
    assert cfg.to_dict() != inherited.to_dict()
    if 'param_scheduler' in block:
        last, length = cfg.param_scheduler[-1], cfg.train_cfg
        if 'milestones' in last:
            assert last.milestones[-1] < length.max_iters
        else:
            assert last.end == length.max_epochs
    for hook in re.findall(r"type='(\w+(?:Hook|Backend))'", block):
        registry = (
            mmengine.registry.HOOKS
            if hook.endswith('Hook') else mmengine.registry.VISBACKENDS)
        found = registry.get(hook) or registry.get(f'mmselfsup.{hook}')
        assert found is not None, hook
