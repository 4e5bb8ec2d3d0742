# Copyright (c) mmregioncl contributors. All rights reserved.
"""Does a run's loss go the way that a known run's went?"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from .run_curves import KEYS, Curve, Run, mean

# How far a run may be off. In time: the fast fall begins when the first keys
# of use meet the queue, an epoch earlier or later with another seed, and the
# whole curve moves with it. In level: the authors' own epoch means rise and
# fall by up to 0.06 where they no longer learn (epochs 175 to 200), and a run
# of ours (regioncl_mocov2_r18w16_tinyimagenet), made again with other random
# draws, ended 0.03 away.
EPOCHS_OFF = 1.
SHARE_OFF = 0.2
LEVEL_OFF = 0.1
# lr is compared with its largest value; 10 % covers warm-up and rounding
LR_OFF = 0.1
# a batch of a few images more or less moves this by less
ITERATIONS_OFF = 0.01


@dataclass
class Verdict:
    """What came out.

    Args:
        state (str): 'on track', 'off track' or 'not comparable'.
        lines (list[str]): The figures, and what they may mean.
    """

    state: str
    lines: list[str] = field(default_factory=list)


def compare(run: Run, reference: Run) -> Verdict:
    """Hold a run against a reference.

    Args:
        run (Run): The run in question.
        reference (Run): The run that it repeats.

    Returns:
        Verdict: 'on track' if the latest losses lie in the band around the
        reference's that ``EPOCHS_OFF``, ``SHARE_OFF`` and ``LEVEL_OFF`` give.
    """
    for key in KEYS:
        for time, value in run.curves.get(key, []):
            if not math.isfinite(value):
                return Verdict('off track', [
                    f'{key} is {value} at {time:.1f} epochs: the run has '
                    'diverged; go back to a checkpoint before it'
                ])
    expected = reference.iterations_per_epoch
    if not run.told and run.curves[KEYS[0]][-1][0] <= expected:
        run = run.scaled(expected)  # still in its first epoch
    obstacle = _obstacle(run, reference)
    if obstacle:
        return Verdict('not comparable', [obstacle])
    verdict = Verdict('on track')
    for key in KEYS:
        theirs = reference.curves[key]
        # before that the queue holds random keys
        curve = [each for each in run.curves[key] if each[0] >= theirs[0][0]]
        if not curve:
            return Verdict('not comparable', [
                f'the run is at {run.curves[key][-1][0]:.2f} epochs, and the '
                f'reference begins at {theirs[0][0]:.2f}; ask again later'
            ])
        time, value = _latest(curve)
        low, high = band(theirs, time)
        verdict.lines.append(
            f'{key} {value:.3f} at {time:.1f} epochs; reference '
            f'{interpolate(theirs)(time):.3f}, band {low:.3f} to {high:.3f}')
        if not low <= value <= high:
            verdict.state = 'off track'
            verdict.lines.append(_advice(key, value, high, theirs))
    return verdict


def _latest(curve: Curve) -> tuple[float, float]:
    """The last point, averaged over up to five within half an epoch."""
    near = [each for each in curve[-5:] if each[0] >= curve[-1][0] - 0.5]
    return mean(t for t, _ in near), mean(v for _, v in near)


def band(curve: Curve, time: float) -> tuple[float, float]:
    """Lowest and highest loss that still counts as the reference's.

    Args:
        curve (Curve): Of the reference.
        time (float): In epochs.
    """
    at = interpolate(curve)
    off = max(EPOCHS_OFF, SHARE_OFF * time)
    values = [at(time - off), at(time), at(time + off)]
    values += [value for t, value in curve if abs(t - time) <= off]
    return min(values) - LEVEL_OFF, max(values) + LEVEL_OFF


def interpolate(curve: Curve) -> Callable[[float], float]:
    """Straight between points over the logarithm of time, as losses fall.

    Args:
        curve (Curve): In the order of time. Beyond its ends it is constant.
    """

    def at(time: float) -> float:
        if time <= curve[0][0]:
            return curve[0][1]
        for (t0, v0), (t1, v1) in zip(curve, curve[1:]):
            if time <= t1:
                share = math.log(time / t0) / math.log(t1 / t0)
                return v0 + share * (v1 - v0)
        return curve[-1][1]

    return at


def _obstacle(run: Run, reference: Run) -> str | None:
    """Why the two runs are not the same experiment."""
    length, expected = run.iterations_per_epoch, reference.iterations_per_epoch
    if not run.told:
        length = run.curves[KEYS[0]][-1][0]  # and more
    if abs(length / expected - 1) > ITERATIONS_OFF:
        return (f'{"" if run.told else "more than "}{length:.0f} iterations '
                f'per epoch, the reference has {expected:.0f}: another batch '
                'or another data set, and the loss runs differently there. '
                'That says nothing against the run, but this curve cannot '
                'judge it')
    missing = [key for key in KEYS if key not in run.curves]
    if missing:
        return f'the log has no {missing[0]}: a run of the plain host?'
    if 'lr' in run.curves:
        time, lr = run.curves['lr'][-1]
        curve = reference.curves['lr']
        theirs = interpolate(curve)(time)
        if abs(lr - theirs) > LR_OFF * max(value for _, value in curve):
            return (f'lr {lr:.3g} at {time:.1f} epochs, the reference has '
                    f'{theirs:.3g} there: another schedule, which this curve '
                    'cannot judge')
    return None


def _advice(key: str, value: float, high: float, curve: Curve) -> str:
    if value <= high:
        return (f'  too low: the usual cause of a {key} below that of a right '
                'run is that batch norm tells which key belongs to which '
                'query (no shuffling of the key view over GPUs)')
    if value > curve[0][1] - 0.3:
        return (f'  stuck: {key} is still where it began. Chance is '
                'ln(queue_len + 1); look at lr and warm-up, momentum (0.999, '
                'not 0.001), and whether the two views are of one image')
    return (f'  too high: {key} falls more slowly than it should. Look at lr '
            'for this batch, momentum, temperature and the augmentations')
