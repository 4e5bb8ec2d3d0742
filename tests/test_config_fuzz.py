# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import time
from pathlib import Path

import pytest

import mmregioncl.register  # noqa: F401
from tests import config_fuzz
from tests.tiny_run import write_images

NUMBER = 500


def test_they_run_or_say_why_not(tmp_path: Path) -> None:
    """Each of 500 runs a step, or gives an error that names the setting."""
    counts, unclear = config_fuzz.fuzz(NUMBER, 0, write_images(tmp_path, 2))
    print(config_fuzz.summary(counts, unclear))
    assert unclear == []
    assert counts.total() == NUMBER
    # it would prove little if hardly any were right, or hardly any wrong
    assert counts['ran'] > NUMBER / 20 and counts['ValueError'] > NUMBER / 3


def test_unchanged_configs_run(tmp_path: Path) -> None:
    for config in config_fuzz.bases():
        config_fuzz.run(config, {'dataset', 'model'},
                        write_images(tmp_path, 2))


def test_what_counts_as_unclear(tmp_path: Path,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors from the depths, errors about something else, hangs."""
    images = write_images(tmp_path, 2)

    def outcome(run: object) -> str:
        monkeypatch.setattr(config_fuzz, 'run', run)
        counts, unclear = config_fuzz.fuzz(1, 0, images)
        assert counts.total() + len(unclear) == 1
        return unclear[0] if unclear else ''

    def fail(error: Exception) -> None:
        raise error

    for error in (RuntimeError('mat1 and mat2 shapes cannot be multiplied'),
                  ValueError('something is wrong'), AssertionError()):
        assert type(error).__name__ in outcome(lambda *_: fail(error))
    monkeypatch.setattr(config_fuzz, '_SECONDS', 1)
    assert outcome(lambda *_: time.sleep(10)).endswith('hangs')
    assert outcome(lambda *_: None) == ''
