# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from mmregioncl.datasets import ImageFolder
from mmregioncl.datasets.folder_settings import check_folder_settings


@pytest.mark.parametrize('name, value, message', [
    ('data_root', 3, 'a path, got 3'),
    ('ann_file', None, "a path, or '' for none, got None"),
    ('data_prefix', {}, r'a path or dict\(img_path=...\), got {}'),
    ('data_prefix', 1.5, 'a path or dict'),
    ('with_label', 'yes', "True or False, got 'yes'"),
    ('classes', 'abc', 'a list of names'),
    ('classes', [1, 2], 'a list of names'),
    ('extensions', None, 'a list of endings'),
    ('max_images', 2.5, 'at least 1, or None for all, got 2.5'),
    ('max_images', True, 'at least 1'),
    ('max_skipped_share', '10%', "a share between 0 and 1, got '10%'"),
    ('max_skipped_share', float('nan'), 'a share between 0 and 1'),
    ('max_pixels', 0, 'a number of pixels, at least 1, got 0'),
])
def test_what_may_not_be(name: str, value: Any, message: str) -> None:
    with pytest.raises(
            ValueError, match=f'ImageFolder.{name} must be '
            f'{message}'):
        check_folder_settings(**{name: value})


def test_what_may_be() -> None:
    defaults = {
        name: each.default
        for name, each in inspect.signature(ImageFolder).parameters.items()
        if name not in ('data_root', 'pipeline', 'kwargs')
    }
    assert len(defaults) == 8
    check_folder_settings(data_root=Path('/data'), **defaults)
    check_folder_settings(
        data_root='',
        data_prefix=dict(img_path='train'),
        classes=('a', 'b'),
        extensions='.png',
        max_images=1,
        max_skipped_share=0)
