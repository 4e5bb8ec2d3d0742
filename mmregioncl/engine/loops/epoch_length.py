# Copyright (c) mmregioncl contributors. All rights reserved.
"""A resumed run whose epochs have got another length."""
from __future__ import annotations

import copy
import warnings

from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner


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
    """Settings and schedules as at the first iteration of a new run."""
    scheduled = runner.param_schedulers is not None
    runner.param_schedulers = None  # scale_lr refuses where there are some
    fresh = runner.build_optim_wrapper(
        copy.deepcopy(runner.cfg.optim_wrapper))
    runner.scale_lr(fresh, runner.auto_scale_lr)
    groups = runner.optim_wrapper.param_groups
    for group, given in zip(groups, fresh.param_groups):
        for name in [each for each in group if each.startswith('initial_')]:
            del group[name]
        group.update((name, value) for name, value in given.items()
                     if name != 'params')
    if scheduled:
        runner.param_schedulers = runner.build_param_scheduler(
            copy.deepcopy(runner.cfg.param_scheduler))


def _lead_schedules(runner: Runner, epoch: int, length: int,
                    done: int) -> None:
    """Step them as MMEngine's ParamSchedulerHook would have."""
    schedules = runner.param_schedulers or []
    by_epoch = [each for each in schedules if each.by_epoch]
    by_iteration = [each for each in schedules if not each.by_epoch]
    with warnings.catch_warnings():
        # "scheduler.step() before optimizer.step()"
        warnings.simplefilter('ignore', UserWarning)
        for count, last in [(length, by_epoch)] * epoch + [(done, [])]:
            for schedule in by_iteration * count + last:
                schedule.step()
