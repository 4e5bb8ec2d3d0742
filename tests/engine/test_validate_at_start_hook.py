# Copyright (c) mmregioncl contributors. All rights reserved.
"""Nothing is evaluated where validation is off, or on resume."""
from types import SimpleNamespace
from typing import Any

import pytest

from mmregioncl.engine import ValidateAtStartHook


@pytest.mark.parametrize('loop, done', [(None, 0), (object(), 5)])
def test_does_nothing(loop: Any, done: int) -> None:
    runner: Any = SimpleNamespace(val_loop=loop, iter=done)
    ValidateAtStartHook().before_train(runner)  # touches nothing else


def test_says_that_another_loop_is_not_evaluated() -> None:
    warned: list[str] = []
    logger = SimpleNamespace(warning=warned.append)
    runner: Any = SimpleNamespace(val_loop=object(), iter=0, logger=logger)
    ValidateAtStartHook().before_train(runner)
    assert 'nothing is evaluated' in warned[0]
