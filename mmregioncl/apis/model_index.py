# Copyright (c) mmregioncl contributors. All rights reserved.
"""What the model zoo holds, as model-index.yml and the metafiles say."""
from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import yaml

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class ModelEntry:
    """One config of the zoo, and its weights if there are any.

    Args:
        name (str): Stem of the config.
        config (Path): The config.
        weights (str, optional): Address of the published backbone.
        sha256 (str, optional): Of that file.
    """

    name: str
    config: Path
    weights: str | None
    sha256: str | None


def find_index() -> Path:
    """Path of model-index.yml: of a clone, or of an installed package.

    Raises:
        FileNotFoundError: If there is neither.
    """
    for folder in (PACKAGE.parent, PACKAGE / '.mim'):
        index = folder / 'model-index.yml'
        # site-packages may hold a file of that name that is not ours
        if index.is_file() and (folder / 'configs').is_dir():
            return index
    raise FileNotFoundError(
        f'no model-index.yml beside {PACKAGE} or in its .mim: install the '
        'package with `pip install .`, or run it from a clone')


@functools.lru_cache
def read_index(index: Path) -> dict[str, ModelEntry]:
    """Every entry of the metafiles that an index names.

    Args:
        index (Path): A model-index.yml.

    Returns:
        dict[str, ModelEntry]: By name, in alphabetical order.
    """
    root = index.parent
    models = []
    for metafile in yaml.safe_load(index.read_text())['Import']:
        models += yaml.safe_load((root / metafile).read_text())['Models']
    return {
        model['Name']:
        ModelEntry(model['Name'], root / model['Config'], model.get('Weights'),
                   model['Metadata'].get('SHA256'))
        for model in sorted(models, key=lambda model: model['Name'])
    }
