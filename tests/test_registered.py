# Copyright (c) mmregioncl contributors. All rights reserved.
"""Every class that we register has a test that names it."""
from __future__ import annotations

from pathlib import Path

import pytest

import mmregioncl.register  # noqa: F401

TESTS = Path(__file__).parent


def registered() -> list[str]:
    import mmengine.registry
    import mmselfsup.registry
    registries = {
        id(each): each
        for module in (mmselfsup.registry, mmengine.registry)
        for each in vars(module).values()
        if isinstance(each, mmengine.registry.Registry)
    }
    return sorted({
        cls.__module__.rsplit('.', 1)[1] + '.' + name
        for each in registries.values()
        for name, cls in each.module_dict.items()
        if cls.__module__.startswith('mmregioncl.')
    })


def test_there_are_some() -> None:
    assert {'region_swap.RegionSwap', 'regioncl_moco.RegionCLMoCo',
            'knn_loop.KNNLoop'} <= set(registered())


@pytest.mark.parametrize('name', registered())
def test_has_a_test(name: str) -> None:
    """Its own file, as tests mirror the tree, or one that names it."""
    module, name = name.split('.')
    if list(TESTS.rglob(f'test_{module}.py')):
        return
    texts = (path.read_text() for path in TESTS.rglob('test_*.py')
             if path.name != Path(__file__).name)
    assert any(name in text for text in texts)
