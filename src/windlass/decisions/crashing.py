"""Whether a version crashes what it runs in more often than machines do by themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from windlass.decisions.budget import CRASHING

_USUAL = timedelta(weeks=1)
"""In which a serving process crashes once by no fault of its version, at most: memory that flips a bit, a fault in a
library that comes once in millions of calls. Where more is known, that holds."""
_LASTS = timedelta(weeks=1)
"""How long a release lasts, as far as its share of the budget goes."""
MOST = 8
"""Crashes that are looked at together; more within the same time follow from fewer within less."""


def crashing(at: Sequence[datetime], *, before: int = 0, watched: timedelta = timedelta(0)) -> str | None:
    """Why a version is held to be at fault for the crashes at these times, in order; None: it is not.

    `before`: the crashes without any release in the time that was `watched`.

    Of crashes at a rate r that come independently of each other, r^n T w^(n-1) / (n-1)! sets of n are expected in the
    time T that lie within w of their first. For each n from two on, w is such that this is an equal part of the budget,
    which so bounds, by Markov's inequality and the union bound, how often any of them is found (scan statistics: Naus
    1965, Journal of the American Statistical Association 60). Looking often costs nothing.
    """
    every = min(_USUAL, watched / before) if before else _USUAL
    for count in range(2, min(len(at), MOST) + 1):
        within = _within(count, every)
        pairs = zip(at, at[count - 1 :], strict=False)
        if any(last - first <= within for first, last in pairs):
            usual = "as crashed without it" if before else "as machines do by themselves"
            return f"{count} of them within {_told(within)}, where one in {_told(every)} is held to be usual, {usual}"
    return None


def _within(count: int, every: timedelta) -> timedelta:
    part = CRASHING / (MOST - 1)
    return every * math.pow(part * math.factorial(count - 1) * (every / _LASTS), 1 / (count - 1))


def _told(time: timedelta) -> str:
    seconds = time.total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} seconds"
