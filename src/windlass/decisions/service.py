"""Is the service as good as was promised, and may it be risked for a release?

The error budget is what an objective leaves: of 99.9 % one request in a thousand. An alarm is raised when it is spent
so fast that a person should look, by the rule of several windows and burn rates of the Site Reliability Workbook (Beyer
and others 2018, chapter 5): the long window says that it matters, the short one that it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.figures import decision
from windlass.product.duration import format_duration
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

LEAST = 10
"""Bad requests in the long window before an alarm: of few requests a single failure is a high rate."""


@dataclass(frozen=True, kw_only=True)
class Burn:
    """A part of the budget that must not be spent within a window."""

    budget: float
    long: timedelta
    short: timedelta


BURNS = (
    Burn(budget=0.02, long=timedelta(hours=1), short=timedelta(minutes=5)),
    Burn(budget=0.05, long=timedelta(hours=6), short=timedelta(minutes=30)),
    Burn(budget=0.10, long=timedelta(days=3), short=timedelta(hours=6)),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceEvidence:
    """What was asked in the window of the budget, minute by minute."""

    minutes: Ints
    """`(n,)` minutes since 1970, rising."""
    asked: Ints
    """`(n,)` requests that count for the objective in each."""
    bad: Ints
    """`(n,)`: those of them that missed it."""


def decide_service(
    evidence: ServiceEvidence, *, name: str, target: float, window: timedelta, now: datetime
) -> Decision:
    """`alarm` or `quiet`, for one objective; `numbers["budget_left"]` is 0 or less when the budget is spent.

    `name` is what is promised (`availability`, `latency`), `target` the part of the requests that must keep it.
    """
    asked, bad = _within(evidence, window, now)
    budget = 1 - target
    left = 1 - bad / (asked * budget) if asked else 1.0
    numbers: dict[str, Any] = {"objective": name, "target": target, "requests": asked, "bad": bad, "budget_left": left}
    burning = []
    for burn in BURNS:
        if burn.long >= window:
            continue
        limit = burn.budget * (window / burn.long)
        long_asked, long_bad = _within(evidence, burn.long, now)
        rate = _rate(long_asked, long_bad, budget)
        recent = _rate(*_within(evidence, burn.short, now), budget)
        numbers |= {f"burn_{format_duration(burn.long)}": rate, f"burn_{format_duration(burn.short)}": recent}
        if long_bad >= LEAST and rate >= limit and recent >= limit:
            burning.append(
                f"{long_bad:,} of {long_asked:,} requests missed the {name} objective of {target:.4g} within "
                f"{format_duration(burn.long)}: the error budget is spent {rate:.1f} times as fast as it may be."
            )
    if burning:
        return decision("service", "alarm", burning, numbers, now)
    quiet = f"The {name} objective of {target:.4g} is kept: {max(left, 0):.0%} of its error budget is left."
    if left <= 0:
        quiet = f"The error budget of {name} is spent: {bad:,} of {asked:,} requests missed {target:.4g}."
    return decision("service", "quiet", [quiet], numbers, now)


def is_spent(judged: Decision) -> bool:
    """Whether nothing is left of the budget."""
    left = judged.numbers["budget_left"]
    return isinstance(left, float) and left <= 0 and judged.count("bad") >= LEAST


def _within(evidence: ServiceEvidence, window: timedelta, now: datetime) -> tuple[int, int]:
    first = int((now - window).timestamp() // 60)
    inside = evidence.minutes > first
    return int(evidence.asked[inside].sum()), int(evidence.bad[inside].sum())


def _rate(asked: int, bad: int, budget: float) -> float:
    return bad / asked / budget if asked else 0.0
