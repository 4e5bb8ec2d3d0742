# Copyright (c) mmregioncl contributors. All rights reserved.
"""What a wheel, a source archive and an editable install hold, and make."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import mmregioncl
from mmregioncl.version import parse_version_info
from tests.builds import build, copy_checkout, git


@pytest.fixture
def checkout(repo_root: Path, tmp_path: Path) -> Path:
    return copy_checkout(repo_root, tmp_path / 'checkout')


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_the_package_and_what_mim_looks_for(
        checkout: Path, tmp_path: Path) -> None:
    (checkout / 'model-index.yml').touch()  # ours may not be there yet
    names = _names(build(checkout, 'build_wheel', tmp_path / 'out'))
    expected = {
        'mmregioncl/.mim/model-index.yml', 'mmregioncl/py.typed',
        'mmregioncl/.mim/docs/results/paper.json'
    }
    for folder, prefix in (('mmregioncl', ''), ('configs', 'mmregioncl/.mim/'),
                           ('tools', 'mmregioncl/.mim/')):
        expected |= {
            prefix + path.relative_to(checkout).as_posix()
            for path in (checkout / folder).rglob('*')
            if path.suffix in ('.py', '.yml', '.sh', '.json')
        }
    assert 'mmregioncl/.mim/tools/train.py' in expected
    assert names >= expected
    others = {name for name in names if not name.startswith('mmregioncl')}
    assert not others  # mmselfsup's wheel installs a package `tests`
    assert any(name.endswith('licenses/LICENSE') for name in names)


def test_wheel_from_the_source_archive_is_the_same(checkout: Path,
                                                   tmp_path: Path) -> None:
    archive = build(checkout, 'build_sdist', tmp_path / 'sdist')
    shutil.unpack_archive(archive, tmp_path / 'unpacked')
    (unpacked, ) = (tmp_path / 'unpacked').iterdir()
    ours = build(checkout, 'build_wheel', tmp_path / 'ours')
    theirs = build(unpacked, 'build_wheel', tmp_path / 'theirs')
    assert _names(ours) == _names(theirs)


def test_a_file_gone_from_the_sources_leaves_the_next_wheel(
        checkout: Path, tmp_path: Path) -> None:
    stale = checkout / 'configs/stale.py'
    stale.touch()
    first = build(checkout, 'build_wheel', tmp_path / 'first')
    assert 'mmregioncl/.mim/configs/stale.py' in _names(first)
    stale.unlink()
    second = build(checkout, 'build_wheel', tmp_path / 'second')
    assert 'mmregioncl/.mim/configs/stale.py' not in _names(second)


def test_editable_install_links_what_mim_looks_for(checkout: Path,
                                                   tmp_path: Path) -> None:
    build(checkout, 'build_editable', tmp_path / 'out')
    mim = checkout / 'mmregioncl/.mim'
    assert (mim / 'tools').resolve() == checkout / 'tools'
    assert (mim / 'configs').resolve() == checkout / 'configs'
    # and again, over the links of the first time
    build(checkout, 'build_editable', tmp_path / 'out')
    assert (mim / 'tools/train.py').is_file()
    assert (mim / 'docs/results/paper.json').is_file()
    assert (checkout / 'tools/train.py').is_file()


def test_what_builds_leave_behind_is_ignored_bygit(repo_root: Path) -> None:
    left = ['mmregioncl/.mim', 'build/lib/x.py', 'mmregioncl.egg-info/x']
    assert git(repo_root, 'check-ignore', *left).split() == left


def _requirements(file: Path) -> list[Requirement]:
    lines = (line.partition('#')[0].strip() for line in file.open())
    return [Requirement(line) for line in lines if line and line[0] != '-']


def _pins(repo: Path) -> dict[str, str]:
    pins = _requirements(repo / 'requirements/constraints.txt')
    return {
        pin.name.lower(): str(pin.specifier).removeprefix('==')
        for pin in pins
    }


@pytest.mark.parametrize(
    'name',
    ['runtime', 'lite', 'det', 'seg', 'mminstall', 'tests', 'build', 'dev'])
def test_every_requirement_is_pinned_within_its_range(repo_root: Path,
                                                      name: str) -> None:
    pins = _pins(repo_root)
    for each in _requirements(repo_root / f'requirements/{name}.txt'):
        assert each.specifier.contains(
            pins[each.name.lower()], prereleases=True), each


def test_pins_leave_no_room(repo_root: Path) -> None:
    assert all(
        re.fullmatch(r'[0-9a-z.]+', version)
        for version in _pins(repo_root).values())


def test_version_is_the_same_everywhere(repo_root: Path) -> None:
    citation = (repo_root / 'CITATION.cff').read_text()
    assert f'\nversion: {mmregioncl.__version__}\n' in citation
    assert parse_version_info('1.2.0') == (1, 2, 0)
    assert parse_version_info('1.2.0rc1') == (1, 2, 0, 'rc1')


CHECKS = ('flake8', 'mypy', 'sphinx-build', 'pytest')  # in this order


@pytest.fixture
def project(repo_root: Path, tmp_path: Path) -> Path:
    """The Makefile with set-up and tools that only write down their turn."""
    for name in ('Makefile', 'setup.py', 'pyproject.toml', '.ci/run'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(repo_root / name, tmp_path / name)
    for folder in ('requirements', 'tools', 'mmregioncl', '.venv/bin'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'requirements/runtime.txt').touch()
    _script(tmp_path / 'tools/setup_env.sh',
            'echo setup >> turns; touch .venv/.ready')
    for tool in CHECKS:
        _script(tmp_path / '.venv/bin' / tool,
                f'echo {tool} $PYTHONPATH >> turns')
    return tmp_path


def _script(path: Path, body: str) -> None:
    path.write_text(f'#!/bin/sh\n{body}\n')
    path.chmod(0o755)


def _environment() -> dict[str, str]:
    """Without what a make around these tests was told."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('MAKE', 'MMREGIONCL_CUDA_OPS'))
    }


def _ci(project: Path) -> tuple[int, list[str]]:
    """Exit status of .ci/run and who had a turn."""
    turns = project / 'turns'
    turns.unlink(missing_ok=True)
    env = _environment()
    result = subprocess.run(['bash', '.ci/run'],
                            cwd=project,
                            env=dict(env, PYTHONPATH='/elsewhere'),
                            stdin=subprocess.DEVNULL,
                            capture_output=True)
    return result.returncode, turns.read_text().split()


def test_ci_sets_up_once_then_lints_types_and_tests(project: Path) -> None:
    checks = list(CHECKS)
    assert _ci(project) == (0, ['setup', *checks])
    assert _ci(project) == (0, checks)
    later = (project / '.venv/.ready').stat().st_mtime + 10
    os.utime(project / 'requirements/runtime.txt', (later, later))
    assert _ci(project) == (0, ['setup', *checks])


def test_operators_for_a_gpu_can_follow(project: Path) -> None:
    _script(
        project / 'tools/setup_env.sh', 'echo setup >> turns; '
        'touch .venv/.ready ${MMREGIONCL_CUDA_OPS:+.venv/.ready-cuda}')
    env = _environment()
    for number, ops in enumerate(('', '1', '1', ''), 1):
        subprocess.run(['make', 'setup'],
                       cwd=project,
                       env=dict(env, MMREGIONCL_CUDA_OPS=ops),
                       capture_output=True,
                       check=True)
        turns = (project / 'turns').read_text().split()
        assert turns == ['setup'] * min(number, 2)


@pytest.mark.parametrize('tool', CHECKS)
def test_ci_fails_where_one_check_fails(project: Path, tool: str) -> None:
    _script(project / '.venv/bin' / tool, f'echo {tool} >> turns; exit 1')
    code, turns = _ci(project)
    assert code != 0
    assert turns[-1] == tool  # and stops there


def test_ci_fails_where_the_set_up_fails(project: Path) -> None:
    _script(project / 'tools/setup_env.sh', 'echo setup >> turns; exit 1')
    code, turns = _ci(project)
    assert code != 0
    assert turns == ['setup']
