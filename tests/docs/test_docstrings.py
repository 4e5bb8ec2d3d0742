# Copyright (c) mmregioncl contributors. All rights reserved.
"""Docstrings say what is true: examples run, defaults are the defaults."""
from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import mmregioncl
import mmregioncl.register  # noqa: F401

MODULES = sorted(
    each.name
    for each in pkgutil.walk_packages(mmregioncl.__path__, 'mmregioncl.'))
# Written in words, because the value itself says nothing to a reader.
IN_WORDS = {'find_images(extensions)', 'read_image_list(extensions)'}
ABSENT = object()


@pytest.mark.parametrize('name', MODULES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_there_are_examples() -> None:
    found = [
        example for name in MODULES
        for example in doctest.DocTestFinder().find(
            importlib.import_module(name)) if example.examples
    ]
    assert len(found) > 10


def documented(module: ModuleType) -> Iterator[tuple[str, Any, str]]:
    """Name, signature and docstring of all that the module defines."""
    for _, each in inspect.getmembers(module):
        if getattr(each, '__module__', None) != module.__name__:
            continue
        if inspect.isclass(each):
            for name, part in inspect.getmembers(each, inspect.isfunction):
                if part.__qualname__.startswith(each.__qualname__ + '.'):
                    if name != '__init__' and part.__doc__:
                        yield part.__qualname__, part, part.__doc__
            if each.__doc__:
                yield each.__name__, each, each.__doc__
        elif inspect.isfunction(each) and each.__doc__:
            yield each.__name__, each, each.__doc__


def claimed_defaults(docstring: str) -> Iterator[tuple[str, str]]:
    """Arguments that "Defaults to" is said of, and what is said."""
    parts = re.split(r'\n *Args:\n', inspect.cleandoc(docstring))
    if len(parts) < 2:
        return
    # up to the next heading at the left
    block = re.split(r'\n(?=\S)', parts[1])[0]
    for entry in re.split(r'\n(?= {4}\S)', '\n' + block):
        name = re.match(r'\s*(\w+)\b', entry)
        text = ' '.join(entry.split())
        claim = re.search(r'Defaults to (.+)', text)
        if name and claim:
            yield name[1], claim[1]


def value_of(text: str, names: dict[str, Any]) -> Any:
    """The value that the text begins with, given what the module names."""
    text = text.replace('`', '')
    ends = [len(text)] + [m.start() for m in re.finditer(r'[.,:; ]', text)]
    for end in sorted(ends, reverse=True):
        part = text[:end].strip().rstrip('.,:;')
        try:
            return ast.literal_eval(part)
        except (SyntaxError, ValueError):
            pass
        if re.fullmatch(r'dict\(.*\)|[A-Z_]+', part):
            return eval(part, names)
    return ABSENT


@pytest.mark.parametrize('name', MODULES)
def test_defaults_are_those_of_the_signature(name: str) -> None:
    module = importlib.import_module(name)
    for owner, each, docstring in documented(module):
        parameters = inspect.signature(each).parameters
        for argument, claim in claimed_defaults(docstring):
            if argument not in parameters and 'kwargs' in parameters:
                continue  # of the class that it is handed to
            assert argument in parameters, f'{owner} has no {argument}'
            default = parameters[argument].default
            value = value_of(claim, vars(module))
            if value is ABSENT:
                assert f'{owner}({argument})' in IN_WORDS, claim
            else:
                assert value == default, f'{owner}({argument}): {claim}'
                assert type(value) is type(default) or isinstance(
                    value, (int, float))


def test_the_check_sees_a_wrong_default() -> None:
    docstring = '''Do something.

    Args:
        momentum (float): Share that stays,
            in words. Defaults to 0.999, as in the paper.
        sizes (tuple): Of both. Defaults to (3, 5). More text.
        name (str): Defaults to ``'batch'``.
        other (int): Nothing is said.

    Returns:
        int: Defaults to 7.
    '''
    assert [(name, value_of(text, {}))
            for name, text in claimed_defaults(docstring)
            ] == [('momentum', 0.999), ('sizes', (3, 5)), ('name', 'batch')]
    assert value_of('those that OpenCV reads.', {}) is ABSENT
    assert value_of("'a. b', and so on", {}) == 'a. b'
