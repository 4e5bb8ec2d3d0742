# Copyright (c) mmregioncl contributors. All rights reserved.
"""Write the backbone of a checkpoint for another library, and check it."""
from __future__ import annotations

import hashlib
import importlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mmregioncl.version import __version__
from .backbone import Backbone, find_backbone
from .reference import stage_features
from .resnet_layout import ResNetLayout
from .safe_load import load_checkpoint_file
from .target import MMEngineTarget
from .targets import TARGETS

# Largest difference of a feature, relative to the largest feature above 1.
# Computed in float64, where equal weights differ by about 1e-15.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class ExportReport:
    """What was written, and what the check found.

    Args:
        path (str): The file.
        sha256 (str): Of its contents; also in ``{path}.sha256``.
        target (str): Library it was written for.
        num_tensors (int): Tensors in it, 318 for ResNet-50.
        backbone (Backbone): Where it came from.
        max_error (float): Largest difference of any feature of the four
            stages, between the reloaded file and the source tensors.
        usage (str): How the target is told to load it.
    """

    path: str
    sha256: str
    target: str
    num_tensors: int
    backbone: Backbone
    max_error: float
    usage: str


def export_backbone(checkpoint: str | os.PathLike,
                    target: str = 'mmengine',
                    out: str | os.PathLike | None = None,
                    file_format: str | None = None,
                    half: bool = False) -> ExportReport:
    """Export the query encoder's backbone, tensors only, and prove it.

    The file appears under its name only after it was reloaded into the
    target's ResNet and gave the features of the source on random images.

    Args:
        checkpoint (str | os.PathLike): Any checkpoint that
            :func:`find_backbone` knows.
        target (str): One of ``TARGETS``. Defaults to 'mmengine'.
        out (str | os.PathLike, optional): File to write, or a folder to write
            ``{stem}_{target}-{sha8}.pth`` to. Defaults to None, the folder of
            the checkpoint.
        file_format (str, optional): 'pth' or 'safetensors'. Defaults to None,
            which follows the name in ``out``, else 'pth'.
        half (bool): Store float16. The check then compares with the source
            rounded to float16. Defaults to False.

    Raises:
        ValueError: If the arguments do not fit together, there is no
            backbone, or the target cannot express it. Nothing is written.
        ImportError: If the target is not installed to check the file with.
        RuntimeError: If the written file does not give the same features.
            It is removed.
    """
    source = Path(os.path.expanduser(os.fspath(checkpoint)))
    if target not in TARGETS:
        raise ValueError(f'target {target!r} is unknown; choose one of '
                         f'{", ".join(TARGETS)}')
    to = TARGETS[target]
    folder, name, file_format = _place(source, out, file_format, to)
    backbone = find_backbone(load_checkpoint_file(source), str(source))
    obstacle = to.obstacle(backbone.layout)
    if obstacle:
        raise ValueError(
            f'{source} holds a {backbone.layout}; the ResNet of {target} '
            f'{obstacle}. The mmengine target (no --to) takes it' +
            (', mmdet and mmseg too.' if backbone.layout.stem_kernel ==
             7 else '.'))
    _require(to)
    tensors = _to_half(backbone.tensors) if half else backbone.tensors
    content = _serialize(to, tensors, _meta(source, backbone), file_format)
    sha256 = hashlib.sha256(content).hexdigest()
    name = name or f'{source.stem}_{target}-{sha256[:8]}.{file_format}'
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    partial = folder / f'.{os.getpid()}-{name}'
    try:
        partial.write_bytes(content)
        error = _compare(to, str(partial), tensors, backbone.layout)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    # `sha256sum -c` reads this from within the folder.
    path.with_name(f'{name}.sha256').write_text(f'{sha256}  {name}\n')
    return ExportReport(
        str(path), sha256, target, len(tensors), backbone, error,
        to.usage(str(path), backbone.layout))


def _place(source: Path, out: str | os.PathLike | None,
           file_format: str | None,
           to: MMEngineTarget) -> tuple[Path, str | None, str]:
    """Folder, file name (None: to be made up) and format."""
    folder, name = source.parent, None
    if out is not None:
        wanted = Path(os.path.expanduser(os.fspath(out)))
        if wanted.is_dir() or os.fspath(out).endswith(os.sep):
            folder = wanted
        else:
            folder, name = wanted.parent, wanted.name
            if wanted.resolve() == source.resolve():
                raise ValueError(f'--out {out} is the checkpoint itself; '
                                 'choose another name')
    suffix = Path(name).suffix[1:] if name else ''
    if file_format is None:
        file_format = 'safetensors' if suffix == 'safetensors' else 'pth'
    if file_format not in to.formats:
        raise ValueError(f'--format {file_format} cannot be read by '
                         f'{to.name}; choose {" or ".join(to.formats)}')
    if name and (suffix == 'safetensors') != (file_format == 'safetensors'):
        raise ValueError(f'--out {name} and --format {file_format} '
                         'contradict each other')
    return folder, name, file_format


def _require(to: MMEngineTarget) -> None:
    """Fail before anything is written if the check could not run."""
    try:
        importlib.import_module(to.module)
    except ImportError as error:
        raise ImportError(
            f'{to.module} cannot be imported ({error}). An export is checked '
            'with the ResNet of its target; install that (mmdet and mmseg '
            'need the full mmcv) or export for another target.') from error


def _serialize(to: MMEngineTarget, tensors: dict[str, Tensor],
               meta: dict[str, str], file_format: str) -> bytes:
    renamed = to.rename(tensors)
    if file_format == 'safetensors':
        from safetensors.torch import save
        return save(renamed, metadata=dict(meta, format='pt'))
    # Into memory: in a file torch would store the file's name as well, and
    # the same weights would get another checksum.
    buffer = io.BytesIO()
    torch.save(to.wrap(renamed, meta), buffer)
    return buffer.getvalue()


def _meta(source: Path, backbone: Backbone) -> dict[str, str]:
    """Where the weights are from. No paths and no dates in it."""
    return dict(
        method=backbone.method,
        encoder='query',
        architecture=str(backbone.layout),
        source=source.name,
        source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        exported_by=f'mmregioncl {__version__}')


def _to_half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    rounded = {}
    for key, value in tensors.items():
        rounded[key] = value.half() if value.is_floating_point() else value
        if not rounded[key].isfinite().all():
            raise ValueError(f'--half: a value of {key!r} is beyond '
                             f'{torch.finfo(torch.float16).max:.0f}, the '
                             'largest float16; export without --half')
    return rounded


def _compare(to: MMEngineTarget, path: str, tensors: dict[str, Tensor],
             layout: ResNetLayout) -> float:
    """Largest difference over the four stages; raises if it is too large."""
    # An uneven size, so that height and width cannot be mixed up unseen.
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(
        2,
        layout.in_channels,
        64,
        96,
        dtype=torch.float64,
        generator=generator)
    exact = {
        key: value.double() if value.is_floating_point() else value
        for key, value in tensors.items()
    }
    # Building the target's network draws random weights.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        expected = stage_features(exact, layout, images)
        got = to.features(path, layout, images)
    error = 0.
    for stage, (ours, theirs) in enumerate(zip(expected, got, strict=True)):
        if ours.shape != theirs.shape:
            raise RuntimeError(
                f'stage {stage + 1} of {to.name} gives {tuple(theirs.shape)}, '
                f'the source {tuple(ours.shape)}; the export was discarded')
        scale = max(1., ours.abs().max().item())
        difference = (ours - theirs).abs().max().item() / scale
        if not difference <= TOLERANCE:  # catches NaN too
            raise RuntimeError(
                f'features of stage {stage + 1} differ by {difference:.2e} '
                f'between {to.name} and the source (allowed {TOLERANCE}); the '
                'export was discarded')
        error = max(error, difference)
    return error
