# Copyright (c) mmregioncl contributors. All rights reserved.
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from mmregioncl.engine.hooks import CheckClassesHook


def runner(train: Any,
           val: Any,
           count: int | None,
           metric: Any = None) -> Any:
    """What the hook reads of a runner; None: names no classes."""

    def loader(classes: Any) -> Any:
        metainfo = {} if classes is None else dict(classes=classes)
        return SimpleNamespace(dataset=SimpleNamespace(metainfo=metainfo))

    model = nn.Module()
    model.head = nn.Module()
    if count is not None:
        model.head.num_classes = count
    return SimpleNamespace(
        model=model,
        train_dataloader=loader(train),
        val_loop=None if val == 'off' else SimpleNamespace(
            dataloader=loader(val),
            evaluator=SimpleNamespace(metrics=[metric])))


@pytest.mark.parametrize('train, val, count', [
    (('a', 'b'), ('a', 'b'), 2),
    (['a', 'b'], ('a', 'b'), 2),
    (('a', 'b'), None, 2),
    (None, None, 7),
    (('a', 'b'), 'off', 2),
    (('a', 'b'), ('a', 'b'), None),
])
def test_accepts(train: Any, val: Any, count: int | None) -> None:
    CheckClassesHook().before_train(runner(train, val, count))


@pytest.mark.parametrize('train, val, count, message', [
    (('a', 'b'), ('a', 'b'), 3, 'num_classes=3.*train.* 2 classes.*=2'),
    (('a', 'b'), 'off', 10, 'num_classes=10.*train.*=2'),
    (None, ('a', 'b'), 1, 'num_classes=1.*val_dataloader.*=2'),
    (('a', 'b', 'c'), ('a', 'c'), 3, r"3 classes.* 2: \['b'\] only in tr"),
    (('a', 'b'), ('b', 'a'), 2, 'same label means different'),
])
def test_refuses(train: Any, val: Any, count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CheckClassesHook().before_train(runner(train, val, count))


def test_refuses_a_top_5_of_fewer_classes() -> None:
    from mmcls.evaluation import Accuracy, MultiLabelMetric  # after mmregioncl
    check, top5 = CheckClassesHook().before_train, Accuracy(topk=(1, 5))
    with pytest.raises(ValueError, match='top 5 of 4 classes; set .*topk=1'):
        check(runner(None, None, 4, top5))
    check(runner(None, None, 5, top5))
    check(runner(None, None, 4, MultiLabelMetric(topk=5)))  # means another
