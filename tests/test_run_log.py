# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmregioncl.run_log import epoch_length, knn_curve, read_run


def write(folder: Path, *records: dict) -> None:
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('\n'.join(
        json.dumps(record) for record in records))


def test_a_resumed_run_is_one_run(tmp_path: Path) -> None:
    """Iteration 4 was lost with the stop and done again."""
    write(tmp_path / '20260101_000000/vis_data', {
        'knn/top1': 10.,
        'step': 0
    }, dict(lr=1, loss=3., step=2), {
        'knn/top1': 20.,
        'step': 2
    }, dict(lr=1, loss=2., step=4))
    write(tmp_path / '20260102_000000/vis_data', dict(lr=1, loss=1., step=4))
    records = read_run(tmp_path)
    assert [r['step'] for r in records] == [0, 2, 2, 4]
    assert [r.get('loss') for r in records] == [None, 3., None, 1.]


def test_one_file(tmp_path: Path) -> None:
    write(tmp_path / 'x', dict(lr=1, loss=3., step=2))
    assert read_run(tmp_path /
                    'x/scalars.json') == [dict(lr=1, loss=3., step=2)]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='holds no run.*name the work dir'):
        read_run(tmp_path)
    with pytest.raises(ValueError, match='holds no run'):
        read_run(tmp_path / 'gone')


@pytest.mark.parametrize('text', ['{"step": 1}\n{"st\n', '[1]', '{"loss": 1}'])
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / 'scalars.json'
    file.write_text(text)
    with pytest.raises(ValueError, match=r'line \d is no record of a run'):
        read_run(file)


def test_a_last_line_that_was_cut_off(tmp_path: Path) -> None:
    """The machine went down, or its disk was full."""
    file = tmp_path / 'scalars.json'
    file.write_text('{"step": 1}\n{"step": 2, "lo')
    with pytest.warns(UserWarning, match='last line was cut off'):
        assert read_run(file) == [dict(step=1)]


def session(folder: Path, first: int, last: int, start: bool = False) -> None:
    """Epochs of four iterations; the loss says which session it was."""
    records = [{'knn/top1': 10., 'step': 0}] if start else []
    for step in range(first, last + 1):
        records.append(
            dict(
                loss=folder.name, lr=1, epoch=(step - 1) // 4 + 1, step=step))
        if step % 4 == 0:
            records.append({'knn/top1': 10. + step, 'step': step // 4})
    write(folder / 'vis_data', *records)


def told(run: Path) -> tuple[list, list]:
    records = read_run(run)
    losses = [(r['step'], r['loss']) for r in records if 'loss' in r]
    return losses, knn_curve(records)


def test_begun_anew_in_the_same_folder(tmp_path: Path) -> None:
    """Shorter than what was there before, of which nothing is left."""
    session(tmp_path / 'a', 1, 12, start=True)
    session(tmp_path / 'b', 1, 6, start=True)
    assert told(tmp_path) == ([(i, 'b') for i in range(1, 7)], [(0, 10.),
                                                                (1, 14.)])


def test_resumed_from_an_earlier_checkpoint(tmp_path: Path) -> None:
    """Of the longer session only what lies before."""
    session(tmp_path / 'a', 1, 12, start=True)
    session(tmp_path / 'b', 5, 6)
    losses, knn = told(tmp_path)
    assert losses == [(1, 'a'), (2, 'a'), (3, 'a'), (4, 'a'), (5, 'b'),
                      (6, 'b')]
    assert knn == [(0, 10.), (1, 14.)]


def test_a_checkpoint_that_was_evaluated_later(tmp_path: Path) -> None:
    """tools/test.py logs it as step 0, which is that of random weights."""
    session(tmp_path / 'a', 1, 4, start=True)
    write(tmp_path / 'b/vis_data', {'knn/top1': 99., 'step': 0})
    assert told(tmp_path)[1] == [(0, 10.), (1, 14.)]


def test_stopped_before_anything_was_logged(tmp_path: Path) -> None:
    """And resumed: its evaluation is that of the run."""
    write(tmp_path / 'a/vis_data', {'knn/top1': 10., 'step': 0})
    session(tmp_path / 'b', 3, 4)
    assert told(tmp_path) == ([(3, 'b'), (4, 'b')], [(0, 10.), (1, 14.)])


def test_knn_is_told_from_losses() -> None:
    log = [{
        'step': 0,
        'knn/top1': 25.
    }, {
        'step': 12,
        'loss': 6.
    }, {
        'step': 10,
        'knn/top1': 50.
    }]
    assert knn_curve(log) == [(0, 25.), (10, 50.)]


LENGTH = 1251


def rows(first: int, last: int, interval: int = 50) -> list[dict]:
    """What is logged from one iteration to another, both counted from 1."""
    return [
        dict(epoch=(step - 1) // LENGTH + 1, step=step)
        for step in range(first, last + 1)
        if (step - 1) % LENGTH % interval == interval - 1
    ]


@pytest.mark.parametrize('epochs', [2, 3, 6])
@pytest.mark.parametrize('interval', [1, 50, 1251])
def test_a_whole_log_tells_its_epochs(epochs: int, interval: int) -> None:
    assert epoch_length(rows(1, epochs * LENGTH,
                             interval)) == (LENGTH, True)


@pytest.mark.parametrize('begin', [601, 2 * LENGTH + 1000])
def test_one_that_begins_inside_an_epoch(begin: int) -> None:
    """It tells once two whole epochs have begun, and says so before."""
    epoch = begin // LENGTH + 1
    assert epoch_length(rows(begin, epoch * LENGTH)) == (1, False)
    assert epoch_length(rows(begin, (epoch + 1) * LENGTH)) == (1, False)
    assert epoch_length(rows(begin, (epoch + 2) * LENGTH)) == (LENGTH, True)


def test_a_text_log_says_it() -> None:
    assert epoch_length([dict(epoch=3, step=9, length=4.)]) == (4, True)


def test_the_last_iteration_of_an_epoch_may_be_logged() -> None:
    """LoggerHook(ignore_last=False)."""
    every = [
        dict(epoch=epoch, step=(epoch - 1) * 312 + place)
        for epoch in range(1, 5) for place in (50, 100, 300, 312)
    ]
    assert epoch_length(every) == (312, True)
    assert epoch_length(every[:8]) == (312, True)


@pytest.mark.parametrize('old, new', [(6, 3), (3, 6), (100, 75)])
@pytest.mark.parametrize('epochs', [1, 2])
def test_resumed_with_another_batch(old: int, new: int, epochs: int,
                                    tmp_path: Path) -> None:
    """Four epochs, the last one lost, and one or two after the third."""
    begin = range(1, 4 * old + 1), range(3 * new + 1, (3 + epochs) * new + 1)
    for session, length, steps in zip('ab', (old, new), begin):
        write(tmp_path / session / 'vis_data', *(
            dict(
                loss=session,
                epoch=(step - 1) // length + 1,
                step=step,
                time=step / length) for step in steps))
    records = read_run(tmp_path)
    steps = [each['step'] for each in records]
    assert steps == sorted(set(steps))
    assert [each['loss'] for each in records] == ['a'] * 3 * old + [
        'b'] * epochs * new
    for each in records:
        assert each['step'] / old == pytest.approx(each['time'])
    assert epoch_length(records)[0] == pytest.approx(old, rel=0.01)
