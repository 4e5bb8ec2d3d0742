# Copyright (c) mmregioncl contributors. All rights reserved.
"""What the settings of ImageFolder may be."""
from __future__ import annotations

import os
from typing import Any


def check_folder_settings(**settings: Any) -> None:
    """Raise ValueError for a setting that cannot be.

    Args:
        **settings: Arguments of :class:`ImageFolder`.
    """
    for name, value in settings.items():
        fits, wanted = _RULES[name]
        if not fits(value):
            raise ValueError(
                f'ImageFolder.{name} must be {wanted}, got {value!r}')


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _is_prefix(value: Any) -> bool:
    return isinstance(value, str) or isinstance(value, dict) and isinstance(
        value.get('img_path'), str)


def _are_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(
        isinstance(each, str) for each in value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value is not True and value >= 1


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


_RULES: dict[str, tuple[Any, str]] = dict(
    data_root=(lambda value: value is None or _is_path(value), 'a path'),
    ann_file=(lambda value: isinstance(value, str), "a path, or '' for none"),
    data_prefix=(_is_prefix, 'a path or dict(img_path=...)'),
    with_label=(lambda value: isinstance(value, bool), 'True or False'),
    classes=(lambda value: value is None or _are_names(value),
             'a list of names, or None for all folders'),
    extensions=(lambda value: isinstance(value, str) or _are_names(value),
                'a list of endings'),
    max_images=(lambda value: value is None or _is_count(value),
                'at least 1, or None for all'),
    max_skipped_share=(_is_share, 'a share between 0 and 1'),
    max_pixels=(_is_count, 'a number of pixels, at least 1'))
