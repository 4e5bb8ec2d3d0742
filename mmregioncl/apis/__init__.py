# Copyright (c) mmregioncl contributors. All rights reserved.
from .download import download_checkpoint, download_file, file_sha256
from .zoo import get_model, list_models

__all__ = [
    'download_checkpoint', 'download_file', 'file_sha256', 'get_model',
    'list_models'
]
