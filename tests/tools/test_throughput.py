# Copyright (c) mmregioncl contributors. All rights reserved.
"""What the benchmarks count, against counting by hand."""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

SMALL = dict(batch=2, size=192, depth=18, width=8, queue=512)


@pytest.fixture(autouse=True)
def benchmarks(repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools import each other by name, as when they are run."""
    monkeypatch.syspath_prepend(str(repo_root / 'tools' / 'benchmarks'))


def test_peak_memory_by_hand() -> None:
    from step_costs import PeakMemory
    held = torch.zeros(100)  # 400 bytes
    with PeakMemory([held, held.view(10, 10)]) as memory:
        assert memory.held == 400
        one = held + 1  # 800
        two = one * 2  # 1200
        assert two.view(10, 10).untyped_storage()  # nothing new
        two.add_(1)
        del one, two  # 400
        three = held[:50] + 1  # 600
    assert (memory.peak, memory.now) == (1200, 600)
    del three


def test_flops_of_a_layer_by_hand() -> None:
    """Forward, gradient of the weight and gradient of the input."""
    from step_costs import count
    layer = torch.nn.Conv2d(3, 4, 3, bias=False)
    image = torch.randn(2, 3, 6, 6, requires_grad=True)
    figures = count(lambda: layer(image).sum().backward(), [], 'cpu')
    assert figures['flops'] == 3 * 2 * (2 * 4 * 4 * 4) * (3 * 3 * 3)


@pytest.mark.parametrize('checkpoint', [False, True])
def test_on_paper_is_what_a_step_takes(checkpoint: bool) -> None:
    """FLOPs and memory of the meta device are those of the CPU."""
    from contestants import Contestant, Settings
    from on_paper import on_paper
    settings = Settings(checkpoint=checkpoint, **SMALL)
    taken = Contestant('mocov2', 'regioncl', settings).measure()
    paper = on_paper('regioncl', settings)
    assert paper['flops'] == taken['flops']
    # counters of BatchNorm, pointers, step counts: 8 bytes each
    assert paper['peak'] == pytest.approx(taken['peak'], abs=2000)
    assert paper['held'] == pytest.approx(taken['held'], abs=2000)


def test_for_the_cost_of_the_host() -> None:
    """Half clean, half composites: the passes, and so the FLOPs, of MoCo."""
    from contestants import Contestant, Settings
    settings = Settings(share=.5, clean_share=.5, **SMALL | dict(batch=4))
    assert settings.passes('mocov2') == (4, 4)
    assert Settings(share=.5).passes('simsiam') == (6, 7.5)
    assert str(settings) == 'fp32, share=0.5, clean_share=0.5'
    host, ours = (
        Contestant('mocov2', side, settings).measure()['flops']
        for side in ('host', 'regioncl'))
    assert ours == pytest.approx(host, rel=.05)  # projector, contrast


def test_what_the_queue_costs_on_paper() -> None:
    """3 N anchors of D against K keys, and the same for the gradient."""
    from contestants import Settings
    from on_paper import on_paper
    short, long = (on_paper('regioncl', Settings(**SMALL | dict(queue=keys)))
                   for keys in (512, 1536))
    assert long['flops'] - short['flops'] == 2 * 2 * (3 * 2) * 128 * 1024
    assert long['held'] - short['held'] == 4 * 128 * 1024


def test_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is at least each of its parts and at most their sum; the
    wire is that of tests/tools/test_wire_count.py, on average."""
    import cost_model
    monkeypatch.setattr(sys, 'argv', ['cost_model.py'])
    args = cost_model.parse_args()
    settings = cost_model.Settings(**SMALL)
    device = cost_model.DEVICES['a100-tf32']
    ours, host = (cost_model.predict(side, device, settings, args)
                  for side in ('regioncl', 'host'))
    for row in (ours, host):
        longest = max(row['arithmetic'], row['traffic'])
        assert longest <= row['step'] - row['exchange'] <= (
            row['arithmetic'] + row['traffic'])
    image, key = 3 * 192 * 192 * 4, 128 * 4
    assert host['shuffle_mb'] == pytest.approx(
        7 * 2 * (image + key) / 1e6)
    assert ours['shuffle_mb'] == pytest.approx(
        host['shuffle_mb'] / 8)
    assert ours['queue_mb'] == host['queue_mb']
    assert '| a100 | RegionCL-M |' in cost_model.table(
        [dict(ours, device='a100', name='RegionCL-M')])


def run(monkeypatch: pytest.MonkeyPatch, out: Path,
        *arguments: str) -> list[dict[str, Any]]:
    import throughput
    small = [f'--{name}={value}' for name, value in SMALL.items()]
    monkeypatch.setattr(sys, 'argv', [
        'throughput.py', *small, '--repeats=1', '--warmup=0',
        f'--json={out}', *arguments])
    throughput.main()
    return json.loads(out.read_text())


def test_against_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                          capsys: pytest.CaptureFixture) -> None:
    """With little but the encoders, FLOPs are in the ratio of the passes.
    SimSiam's projector, large beside this encoder, has 4 N rows to its 2."""
    moco, simsiam = run(monkeypatch, tmp_path / 'a.json', '--methods',
                        'mocov2', 'simsiam', '--peak-tflops', '1')
    assert moco['flops_ratio'] == pytest.approx(7 / 4, rel=0.01)
    assert 9 / 6 < simsiam['flops_ratio'] < 4 / 2
    assert moco['over_arithmetic'] == pytest.approx(
        moco['ratio'] / moco['flops_ratio'])
    printed = capsys.readouterr().out
    assert moco['machine'] in printed and '| simsiam |' in printed
    assert 'supervised' not in printed  # torchvision has no width 8


def test_fast_against_plain(tmp_path: Path,
                            monkeypatch: pytest.MonkeyPatch) -> None:
    row, = run(monkeypatch, tmp_path / 'a.json', '--fast')
    assert row['fast_flops'] == row['plain_flops']
    assert row['fast_peak'] < row['plain_peak']
    assert row['speedup'] > 0


def test_distance_of_curves() -> None:
    import precision_curves
    flat = [1.] * 30
    drop = [1.] * 15 + [0.] * 15
    assert precision_curves.distance(flat, flat) == 0
    # windows 6 to 20 of 21 hold i / 10 of the drop
    by_hand = sum(min(10, max(0, i - 5)) / 10 for i in range(21)) / 21
    assert precision_curves.distance(flat, drop) == pytest.approx(by_hand)
    figures = precision_curves.verdict(
        dict(fp32=[flat, [2.] * 30], bf16=[[1.1] * 30, [2.1] * 30]))
    assert figures['between_precisions'] == pytest.approx(0.1)
    assert figures['between_seeds'] == pytest.approx(1)
    assert figures['ratio'] == pytest.approx(0.1)
