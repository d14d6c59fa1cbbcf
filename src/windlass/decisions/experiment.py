"""Which of two versions does better by a metric of the caller's own? An A/B test that may be looked at at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.figures import decision, show, show_moment
from windlass.decisions.statistics.sequential import proportion_bounds
from windlass.records.decision import Decision
from windlass.records.experiment import Plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.05
"""Chance that a difference is told where there is none, however often one looks."""
SPLIT_ALPHA = 0.001
"""Chance that a sound split is called broken, the same way."""
LEAST_KEYS = 100
"""Measured keys of each version before anything is told: the interval is right for many."""
_UNSEEN = 4
"""Keys by which each version's variance allows for what none of its own has shown yet."""
_TUNED_FOR = 2000
"""Measured keys at which the interval is as narrow as one that holds at all looks can be."""


def _nothing() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """What came of the keys of one version."""

    keys: int = 0
    """Keys that were assigned to it and have asked; each counts once."""
    values: Floats = field(default_factory=_nothing)
    """`(n,)`: the sum of what was measured for each key of which something was."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentEvidence:
    """Both arms so far."""

    a: Arm
    b: Arm


def decide_experiment(evidence: ExperimentEvidence, plan: Plan, now: datetime) -> Decision:
    """`a`, `b`, `broken`, `undecided` or `wait`.

    `a` or `b`: the interval of the difference of the means excludes 0. `broken`: the keys are not split as was asked,
    so that nothing can be concluded. `undecided`: the time is over. It may be asked at any time and as often as one
    likes: the interval holds at all looks together.
    """
    a, b = evidence.a, evidence.b
    low, high = proportion_bounds(b.keys, a.keys + b.keys, SPLIT_ALPHA)
    numbers: dict[str, Any] = {
        "keys_a": a.keys,
        "keys_b": b.keys,
        "measured_a": len(a.values),
        "measured_b": len(b.values),
        "split_low": low,
        "split_high": high,
    }
    if not low <= plan.split <= high:
        told = f"{b.keys:,} of {a.keys + b.keys:,} keys went to {plan.b}, where {plan.split:.0%} should"
        return decision("experiment", "broken", [f"{told}: something but chance decides who gets which."], numbers, now)
    over = plan.until is not None and now >= plan.until
    if min(len(a.values), len(b.values)) < LEAST_KEYS:
        few = f"{LEAST_KEYS} keys of each version must have been measured; {len(a.values)} and {len(b.values)} have."
        return decision("experiment", "undecided" if over else "wait", [few], numbers, now)
    if min(a.values.min(), b.values.min()) == max(a.values.max(), b.values.max()):
        only = show(float(a.values[0]))
        same = f"{plan.metric} is {only} with every key of both versions so far, which tells nothing of either."
        return decision("experiment", "undecided" if over else "wait", [same], numbers, now)
    gain, radius = difference(a.values, b.values)
    mean_a, mean_b = float(a.values.mean()), float(b.values.mean())
    numbers |= {"mean_a": mean_a, "mean_b": mean_b, "gain": gain, "gain_low": gain - radius, "gain_high": gain + radius}
    said = (
        f"{plan.metric} is {show(mean_b)} with {plan.b} and {show(mean_a)} with {plan.a}, a difference of {show(gain)} "
        f"(95 % interval at all looks {show(gain - radius)} to {show(gain + radius)})"
    )
    if abs(gain) > radius:
        better = "b" if (gain > 0) == plan.larger_is_better else "a"
        name = plan.b if better == "b" else plan.a
        return decision("experiment", better, [f"{name} is better: {said}."], numbers, now)
    if over:
        return decision(
            "experiment", "undecided", [f"The time is over, and neither is clearly better: {said}."], numbers, now
        )
    until = "" if plan.until is None else f" It ends at {show_moment(plan.until)} at the latest."
    return decision("experiment", "wait", [f"Neither is clearly better so far: {said}.{until}"], numbers, now)


def difference(a: Floats, b: Floats) -> tuple[float, float]:
    """The difference of the means, b less a, and the half width of its interval, which holds at all looks together.

    An asymptotic confidence sequence by Robbins' normal mixture: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024,
    Annals of Statistics 52, theorem 2.2), with the variance of a difference of two means. That takes many keys which
    show what the figure can be: of what is rare, a version with few keys has shown nothing, and no variance. So each
    counts as if `_UNSEEN` keys more were as far from the mean of all as the farthest of any, after the plus-four rule
    of Agresti and Coull (1998, The American Statistician 52).
    """
    seen = len(a) + len(b)
    mean = (float(a.sum()) + float(b.sum())) / seen
    farthest = max(abs(float(edge) - mean) for arm in (a, b) for edge in (arm.min(), arm.max()))
    variance = sum((float(arm.var(ddof=1)) + _UNSEEN * farthest**2 / (len(arm) - 1)) / len(arm) for arm in (a, b))
    log_alpha = -2 * np.log(ALPHA)
    tuned = seen * (log_alpha + np.log(log_alpha) + 1) / _TUNED_FOR
    radius = np.sqrt(2 * variance * (tuned + 1) / tuned * np.log(np.sqrt(tuned + 1) / ALPHA))
    return float(b.mean() - a.mean()), float(radius)
