# Copyright (c) mmregioncl contributors. All rights reserved.
"""Each remedy where it is needed, and where it is not."""
from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any, Iterator

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmcv.image import photometric
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import LinearLR, OptimWrapper

import mmregioncl.register  # noqa: F401
from mmregioncl import compat

ORIGINAL_HUE = getattr(photometric.adjust_hue, '__wrapped__',
                       photometric.adjust_hue)


# ---------------------------------------------------------------- version wall
@pytest.fixture
def walled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package that looks at mmcv's version as mmselfsup does."""
    (tmp_path / 'walled.py').write_text(
        'import mmcv\nseen = mmcv.__version__\n'
        'assert seen < "2.1.0", "too new"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    yield 'walled'
    sys.modules.pop('walled', None)


@pytest.mark.parametrize('version, shown', [
    ('2.1.0', '2.0.1'),
    ('2.1.9', '2.0.1'),
    ('2.0.1', '2.0.1'),
    ('2.0.0', '2.0.0'),  # healthy: shown as it is
])
def test_version_wall(walled: str, version: str, shown: str,
                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmcv, '__version__', version)
    compat.import_behind_version_wall(walled)
    assert sys.modules[walled].seen == shown
    assert mmcv.__version__ == version


def test_version_is_restored_when_the_import_fails(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'failing.py').write_text('raise ArithmeticError')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(mmcv, '__version__', '2.1.0')
    with pytest.raises(ArithmeticError):
        compat.import_behind_version_wall('failing')
    assert mmcv.__version__ == '2.1.0'


def test_an_mmcv_that_nobody_has_tried(
        walled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmcv, '__version__', '2.2.0')
    with pytest.raises(ImportError, match=r'mmcv 2.2.0 is too new for walled; '
                       r'install "mmcv>=2.0.0,<2.2.0"'):
        compat.import_behind_version_wall(walled)
    compat.import_behind_version_wall('mmselfsup')  # is imported: no matter


# ------------------------------------------------------------------ registries
def test_missing_locations_are_dropped(
        monkeypatch: pytest.MonkeyPatch) -> None:
    from mmselfsup import registry
    for each in (registry.RUNNERS, registry.RUNNER_CONSTRUCTORS,
                 registry.LOOPS):
        monkeypatch.setattr(
            each, '_locations',
            ['mmselfsup.models', 'mmselfsup.engine.no_such_module'])
        compat.drop_missing_registry_locations()
        assert each._locations == ['mmselfsup.models']
        compat.drop_missing_registry_locations()  # healthy: as it was
        assert each._locations == ['mmselfsup.models']


def test_runner_parts_are_found() -> None:
    """Without the remedy this raises ModuleNotFoundError."""
    from mmengine.runner import EpochBasedTrainLoop
    from mmselfsup.registry import LOOPS, RUNNER_CONSTRUCTORS, RUNNERS
    assert LOOPS.get('EpochBasedTrainLoop') is EpochBasedTrainLoop
    assert RUNNERS.get('NoSuchRunner') is None
    assert RUNNER_CONSTRUCTORS.get('NoSuchConstructor') is None


# ----------------------------------------------------------------- checkpoints
@pytest.fixture
def safe_globals() -> Iterator[None]:
    """Start with none, and put back what was there."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


def training_checkpoint() -> dict[str, Any]:
    """What MMEngine's runner saves for a resume."""
    model = torch.nn.Linear(2, 3)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1, 0.9))
    schedule = LinearLR(optimizer, start_factor=0.1, end=5)
    hub = MessageHub.get_instance('compat')
    for step in range(3):
        optimizer.update_params(model(torch.ones(1, 2)).sum())
        schedule.step()
        hub.update_scalar('train/loss', torch.tensor(0.5 + step))
        hub.update_scalar('train/time', np.float64(step))
        hub.update_scalar('train/data_time', np.array(step / 2))
        hub.update_info('iter', step)
    return dict(
        meta=dict(epoch=1, iter=3, experiment_name='a', seed=0),
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
        param_schedulers=[schedule.state_dict()],
        message_hub=hub.state_dict())


def test_a_training_checkpoint_loads(tmp_path: Path,
                                     safe_globals: None) -> None:
    file = tmp_path / 'epoch_1.pth'
    saved = training_checkpoint()
    torch.save(saved, file)
    with pytest.raises(pickle.UnpicklingError):  # needed
        torch.load(file, weights_only=True)
    compat.allow_mmengine_checkpoints()
    loaded = torch.load(file, weights_only=True)
    scalars = loaded['message_hub']['log_scalars']
    assert isinstance(scalars['train/loss'], HistoryBuffer)
    assert scalars['train/loss'].mean() == 1.5
    assert scalars['train/time'].statistics('max') == 2
    assert loaded['meta'] == saved['meta']
    assert torch.equal(loaded['state_dict']['weight'],
                       saved['state_dict']['weight'])


@pytest.mark.parametrize('old, new', [
    (b'numpy._core.multiarray', b'numpy.core.multiarray'),
    (b'numpy.core.multiarray', b'numpy._core.multiarray'),
])
def test_a_checkpoint_of_the_other_numpy(tmp_path: Path, safe_globals: None,
                                         old: bytes, new: bytes) -> None:
    """numpy 1 and 2 name their constructors differently."""
    file = tmp_path / 'epoch_1.pth'
    torch.save(
        dict(history=HistoryBuffer([1., 2.], [1, 1]), number=np.float32(3)),
        file, _use_new_zipfile_serialization=False)
    file.write_bytes(file.read_bytes().replace(old, new))
    compat.allow_mmengine_checkpoints()
    loaded = torch.load(file, weights_only=True)
    assert loaded['history'].mean() == 1.5 and loaded['number'] == 3


class Attribute:
    """Pickled as ``getattr(owner, name)``."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name

    def __reduce__(self) -> tuple:
        return getattr, (self.owner, self.name)


@pytest.mark.parametrize('attribute', [
    Attribute(HistoryBuffer, 'update'),
    Attribute(HistoryBuffer, '__init__'),
    Attribute(HistoryBuffer, '__subclasses__'),
    Attribute(torch.Tensor, 'mean'),
    Attribute(torch.nn.Parameter, '__class__'),
    Attribute('text', 'format'),
])
def test_a_general_getattr_is_refused(tmp_path: Path, attribute: Attribute,
                                      safe_globals: None) -> None:
    file = tmp_path / 'bad.pth'
    torch.save(dict(state_dict=attribute), file)
    compat.allow_mmengine_checkpoints()
    with pytest.raises((ValueError, pickle.UnpicklingError),
                       match=attribute.name):
        torch.load(file, weights_only=True)


class Touch:

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return Path.touch, (self.file, )


def test_nothing_else_is_let_through(tmp_path: Path,
                                     safe_globals: None) -> None:
    torch.save(Touch(tmp_path / 'touched'), tmp_path / 'bad.pth')
    compat.allow_mmengine_checkpoints()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'bad.pth', weights_only=True)
    assert not (tmp_path / 'touched').exists()


def test_leaves_an_older_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 2.6 the list takes no pairs, and nothing needs it."""
    monkeypatch.delattr(torch.serialization, 'add_safe_globals')
    monkeypatch.setattr(torch, '__version__', '2.5.1')
    compat.allow_mmengine_checkpoints()


# ------------------------------------------------------------------------- hue
@pytest.fixture
def unpatched_hue(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mmcv, mmcv.image, photometric,
                   sys.modules['mmselfsup.datasets.transforms.processing']):
        monkeypatch.setattr(module, 'adjust_hue', ORIGINAL_HUE)


def hue_places() -> list[Any]:
    return [
        module.adjust_hue
        for module in (mmcv, mmcv.image, photometric,
                       sys.modules['mmselfsup.datasets.transforms.processing'])
    ]


@pytest.mark.skipif(np.__version__ < '2', reason='numpy 1 wraps around')
def test_hue_is_repaired_everywhere(unpatched_hue: None) -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(OverflowError):  # needed
        mmcv.adjust_hue(image, -0.1, backend='cv2')
    compat.fix_adjust_hue()
    first = hue_places()
    assert len(set(map(id, first))) == 1 and first[0] is not ORIGINAL_HUE
    compat.fix_adjust_hue()  # not needed any more
    assert hue_places() == first


def test_a_healthy_hue_is_left_alone(
        unpatched_hue: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def healthy(img: np.ndarray, hue_factor: float,
                backend: str | None = None) -> np.ndarray:
        return img

    monkeypatch.setattr(photometric, 'adjust_hue', healthy)
    compat.fix_adjust_hue()
    assert photometric.adjust_hue is healthy
    assert mmcv.adjust_hue is ORIGINAL_HUE


@pytest.mark.parametrize('factor', [-0.5, -0.31, -0.1, -0.001, 0, 0.1, 0.5])
def test_hue_turns_as_under_numpy_1(factor: float) -> None:
    image = np.random.randint(0, 256, (9, 7, 3), np.uint8)
    hue, saturation, value = cv2.split(
        cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL))
    turn = int(factor * 255)  # towards zero, as a cast in C
    turned = ((hue.astype(int) + turn) % 256).astype(np.uint8)
    expected = cv2.cvtColor(
        cv2.merge([turned, saturation, value]), cv2.COLOR_HSV2BGR_FULL)
    ours = mmcv.adjust_hue(image, factor, backend='cv2')
    assert np.array_equal(ours, expected)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_color_jitter_of_mmselfsup() -> None:
    """The stock pipelines: pillow, hue to both sides."""
    from mmselfsup.datasets.transforms import ColorJitter
    image = np.random.randint(0, 256, (8, 8, 3), np.uint8)
    jitter = ColorJitter(0.4, 0.4, 0.4, 0.4)
    for _ in range(10):
        jittered = jitter(dict(img=image))['img']
        assert jittered.shape == image.shape


def test_applying_it_twice_does_no_harm() -> None:
    from mmselfsup import registry
    before = (hue_places(), list(registry.LOOPS._locations), mmcv.__version__)
    compat.apply_compat()
    assert before == (hue_places(), list(registry.LOOPS._locations),
                      mmcv.__version__)
