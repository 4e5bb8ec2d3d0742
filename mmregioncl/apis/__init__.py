# Copyright (c) mmregioncl contributors. All rights reserved.
from .download import download_checkpoint, download_file, file_sha256

__all__ = ['download_checkpoint', 'download_file', 'file_sha256']
