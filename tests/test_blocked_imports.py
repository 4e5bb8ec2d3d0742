# Copyright (c) mmregioncl contributors. All rights reserved.
"""What must work without: everything but torch, and mmcv's compiled ops."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CORE_ALONE = '''
import sys

# torch, what torch requires, and what belongs to Python
ALLOWED = set(sys.stdlib_module_names) | {
    'torch', 'torchgen', 'functorch', 'triton', 'typing_extensions', 'sympy',
    'mpmath', 'networkx', 'jinja2', 'markupsafe', 'filelock', 'fsspec',
    'mmregioncl'}

class OnlyTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] not in ALLOWED:
            raise ModuleNotFoundError(f'No module named {name!r} (blocked)',
                                      name=name)

sys.meta_path.insert(0, OnlyTorch())
import mmregioncl
assert mmregioncl.__version__
import mmregioncl.core as core
import torch

regions = core.SwappedRegions(core.sample_grid(4, 3, 3, (1, 2)),
                              core.pair_random(4), 2)
images = torch.randn(4, 5, 6, 6, requires_grad=True)
composites = core.swap_regions(images, regions)
canvas, paste = core.pool_regions(
    torch.nn.functional.avg_pool2d(composites, 2), regions)
query = core.unit(images.mean((2, 3)))
key, queue = query.detach(), torch.randn(5, 7)
terms = core.region_info_nce(query, core.unit(canvas), core.unit(paste), key,
                             regions.donors, queue)
sum(terms[n].sum() for n in ('instance', 'canvas', 'paste')).backward()
core.enqueue(queue, torch.zeros(1, dtype=torch.long), core.gather_rows(
    core.exchange_rows(key, core.draw_permutation(4, 0, 0))))
core.split_batchnorm(torch.nn.BatchNorm2d(5), 2)(images)
assert images.grad.isfinite().all()
foreign = {name.partition('.')[0] for name in sys.modules} & {
    'mmcv', 'mmengine', 'mmcls', 'mmselfsup', 'numpy', 'cv2', 'torchvision'}
assert not foreign, foreign
print('done')
'''

WITHOUT_OPS = '''
import sys

class NoOps:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[:2] in (['mmcv', 'ops'], ['mmcv', '_ext']):
            raise ModuleNotFoundError(f'No module named {name!r} (blocked)',
                                      name=name)

sys.meta_path.insert(0, NoOps())
from tests.models import tiny_moco
import mmregioncl.register
import mmregioncl.models

for name in mmregioncl.models.algorithms.__all__:
    assert tiny_moco.MODELS.get(name) is not None, name
assert 'mmcv.ops' not in sys.modules
model = tiny_moco.build(tiny_moco.config(), double=False)
losses = model.loss([v.float() for v in tiny_moco.draw_views(4)], None)
(losses['loss_instance'] + losses['loss_region']).backward()
assert model.backbone.conv1.weight.grad.isfinite().all()
print('done')
'''


@pytest.mark.parametrize('program', [
    pytest.param(CORE_ALONE, id='core with torch alone'),
    pytest.param(WITHOUT_OPS, id='pretraining without mmcv.ops'),
])
def test_blocked_imports(program: str, repo_root: Path) -> None:
    finished = subprocess.run(
        [sys.executable, '-c', program],
        cwd=repo_root,
        env=dict(os.environ, PYTHONPATH=str(repo_root), OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=300)
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert finished.stdout.split()[-1] == 'done'
