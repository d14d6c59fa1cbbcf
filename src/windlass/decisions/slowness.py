"""Has a version become slow since everybody asks it?

In a canary each call is held against one of the champion's next to it. After promotion nobody answers beside it any
more: there are its predecessor's calls of before, and the few that workers make of it now, which no caller waits for.
What a machine does to one call it does to the next as well, so what counts here are stretches of time, not calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.figures import show
from windlass.decisions.statistics.sequential import course_above

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

SLOWER, SLOWER_MS = 2.0, 2.0
"""A stretch is slow when its calls take twice as long as the predecessor's usually did, and so many ms longer."""
QUICKEST = 0.1
"""Of each stretch the quickest tenth of the calls is compared: where a machine is busy with something else, some calls
still come through as quickly as ever; of a version that is slower, none."""
LONGER = 1.5
"""And where its predecessor is timed beside it, so many times as long as usual is enough."""
FEW = 5
"""Stretches of the predecessor below which nothing is held against them."""


def _none() -> Array:
    return np.empty(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretches:
    """Calls in milliseconds, by stretches of time (`release.probation` says how long one is)."""

    quickest: Array = field(default_factory=_none)
    """`(n,)`: of each stretch since the promotion, what the quickest tenth of the version's calls took at most."""
    beside: Array = field(default_factory=_none)
    """`(n,)`: the median of its predecessor's calls in shadow in the same stretch; NaN where there was none."""
    control: Array = field(default_factory=_none)
    """`(n,)`: the same as `quickest` of the calls that workers made of its predecessor in the same stretch, beside
    those of the version; NaN where there was none. Empty: nowhere."""
    before: Array = field(default_factory=_none)
    """`(m,)`: the same as `quickest` of the predecessor, in each stretch in which that one answered."""
    asks: float = 1.0
    """How many times as many models the version asks as its predecessor, at least 1 (`ReleaseEvidence.asks`)."""

    def slow(self) -> Array:
        """`(n,)`: 1 for each stretch that is slow beside the predecessor of before, and of the same stretch as well.

        Where there was a control, that one says what is slow now. The calls of before only have to agree: a call that
        repeats another may find in some cache what that one had to wait for.
        """
        control = self.control if len(self.control) else np.full(len(self.quickest), np.nan)
        usual = float(np.median(self.before))
        alone, now = (slow_from(taken, asks=self.asks, longer=SLOWER_MS) for taken in (usual, control))
        limit = np.where(np.isnan(control), alone, np.fmax(now, LONGER * self.asks * usual))
        both = self.asks * self.beside > alone
        return np.asarray((self.quickest > limit) & ~both, dtype=np.float64)


def slow_from(usual: Array | float, *, asks: float, longer: float) -> Any:
    """From how many milliseconds on a call is slow, where one of the other version takes `usual` and asks one model for
    `asks` of this one's: twice as long as is to be expected, and `longer` milliseconds."""
    expected = asks * usual
    return np.maximum(SLOWER * expected, expected + longer)


def limit_of(stretches: Stretches) -> float | None:
    """From how many milliseconds on a call is slow; None: too little is known of the predecessor."""
    if len(stretches.before) < FEW:
        return None
    return float(slow_from(float(np.median(stretches.before)), asks=stretches.asks, longer=SLOWER_MS))


def slowness(stretches: Stretches, alpha: float, numbers: dict[str, Any]) -> str | None:
    """Why the version is to go for being slow; None: it is not known to be.

    A stretch in which the predecessor, asked the same, takes so long as well speaks for the rows, the machine, or for
    what both depend on, and counts as one that is not slow. While the next stretch is slow in at most one of two cases,
    whatever came before, this happens with probability at most `alpha`, ever (a bet: `statistics.sequential`).
    """
    limit = limit_of(stretches)
    if limit is None:
        return None
    slow, usual = stretches.slow(), float(np.median(stretches.before))
    proof = float(course_above(slow, 0.5).max(initial=1.0))
    numbers |= {
        "stretches": len(slow),
        "slow_stretches": int(slow.sum()),
        "previous_latency_ms": usual,
        "latency_limit_ms": limit,
        "control_latency_ms": _median(stretches.control),
        "evidence_latency": proof,
    }
    if proof < 1 / alpha:
        return None
    said = f"In {int(slow.sum())} of {len(slow)} stretches of a minute or more nine in ten of its calls took"
    if np.isnan(numbers["control_latency_ms"]):
        return (
            f"{said} more than {show(limit)} ms; the quickest tenth of its predecessor's took up to {show(usual)} ms."
        )
    now = show(numbers["control_latency_ms"])
    return (
        f"{said} far longer than its predecessor's at the same time; the quickest tenth of these took up to {now} ms."
    )


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
