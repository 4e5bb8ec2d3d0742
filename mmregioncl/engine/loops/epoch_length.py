# Copyright (c) mmregioncl contributors. All rights reserved.
"""A resumed run whose epochs have got another length."""
from __future__ import annotations

import copy
import warnings

import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn
from torch.optim import SGD


def count_anew(runner: Runner, epoch: int, done: int) -> int:
    """Go on as if all epochs had had the length that they have now.

    With another batch size, number of processes or data set an epoch has
    another number of iterations, and all that counts them is in the old ones:
    schedules, accumulated gradients, momentum encoders. The optimizer's
    settings and the schedules are built from the config again, with the lr of
    the new total batch where ``auto_scale_lr`` is enabled, and the schedules
    are led to the place of the run. Momenta and weights stay.

    Args:
        runner (Runner): The run, with what the checkpoint held.
        epoch (int): Epochs that are done.
        done (int): Iterations of the current one that are done.

    Returns:
        int: Iterations that are done.
    """
    length = len(runner.train_dataloader)
    iteration = epoch * length + done
    for module in runner.model.modules():
        if isinstance(module, ExponentialMovingAverage):
            # 0 would copy the weights into the momentum encoder
            module.load_state_dict(
                dict(module.state_dict(),
                     steps=module.steps.new_tensor(max(1, iteration))))
    if isinstance(runner.optim_wrapper, OptimWrapper):
        _begin_anew(runner)
        _lead_schedules(runner, epoch, length, done)
        runner.optim_wrapper.initialize_count_status(
            runner.model, iteration, runner.max_iters)
    return iteration


def _begin_anew(runner: Runner) -> None:
    """Settings of the optimizer as at the first iteration of a new run."""
    fresh = runner.build_optim_wrapper(
        copy.deepcopy(runner.cfg.optim_wrapper))
    schedules, runner.param_schedulers = runner.param_schedulers, None
    runner.scale_lr(fresh, runner.auto_scale_lr)  # refuses where there are any
    runner.param_schedulers = schedules
    groups = runner.optim_wrapper.param_groups
    for group, given in zip(groups, fresh.param_groups):
        for name in [each for each in group if each.startswith('initial_')]:
            del group[name]
        group.update(_settings(given))


def _lead_schedules(runner: Runner, epoch: int, length: int,
                    done: int) -> None:
    """Step schedules as MMEngine's ParamSchedulerHook would have.

    On a stand-in with one group for each set of settings: a million steps
    over the 166 groups that LARS has of a ResNet-50 take minutes.
    """
    if runner.param_schedulers is None:
        return
    wrapper = runner.optim_wrapper
    kinds: list[dict] = []
    places = []
    for settings in map(_settings, wrapper.param_groups):
        if settings not in kinds:
            kinds.append(settings)
        places.append(kinds.index(settings))
    stand_in = SGD([
        dict(kind, params=[nn.Parameter(torch.zeros(1))]) for kind in kinds
    ])
    runner.optim_wrapper = OptimWrapper(stand_in)
    led = runner.build_param_scheduler(copy.deepcopy(
        runner.cfg.param_scheduler))
    with warnings.catch_warnings():
        # "scheduler.step() before optimizer.step()"
        warnings.simplefilter('ignore', UserWarning)
        for count, last in [(length, True)] * epoch + [(done, False)]:
            for _ in range(count):
                for schedule in led:
                    if not schedule.by_epoch:
                        schedule.step()
            for schedule in led:
                if last and schedule.by_epoch:
                    schedule.step()
    runner.optim_wrapper = wrapper
    runner.param_schedulers = runner.build_param_scheduler(
        copy.deepcopy(runner.cfg.param_scheduler))
    for group, place in zip(wrapper.param_groups, places):
        group.update((name, value) for name, value in _settings(
            stand_in.param_groups[place]).items()
                     if name in group or name.startswith('initial_'))
    for schedule, ahead in zip(runner.param_schedulers, led):
        state = ahead.state_dict()
        for name in ('base_values', '_last_value'):  # one for each group
            state[name] = [state[name][place] for place in places]
        schedule.load_state_dict(state)


def _settings(group: dict) -> dict:
    """Of a parameter group, as plain values."""
    return {name: value for name, value in group.items() if name != 'params'}
