# Copyright (c) mmregioncl contributors. All rights reserved.
"""What downstream configs import must not bring MMSelfSup along."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FORBIDDEN = ('mmselfsup', 'mmcls', 'mmcv', 'mmdet', 'mmseg', 'timm',
             'torchvision')


def test_transfer_is_light(repo_root: Path) -> None:
    code = f'''
import sys
for name in {FORBIDDEN}:
    sys.modules[name] = None  # importing it raises ImportError
import mmregioncl.transfer
import mmregioncl.transfer.authors
from mmengine.registry import HOOKS
assert HOOKS.get('CheckPretrainedHook') and HOOKS.get('PreciseBNHook')
'''
    subprocess.run([sys.executable, '-c', code], check=True, cwd=repo_root)
