"""Does as much come as usual, and as soon?

Judged hour by hour, by one rule: an hour is out of the usual when it departs from its season's mean by more than twice
what any hour of the last weeks did. Let N hours and the one to be judged be exchangeable, and x the largest departure
of the N. Then the chance S(x) of a larger one is distributed as the least of N uniform numbers, whose square is on
average 2 / ((N + 1) (N + 2)) (order statistics: David and Nagaraja 2003, 2.3). A departure beyond 2 x has the chance
S(2 x), which is at most 2 S(x)^2 where departures are as likely to either side and their tail falls as quickly as an
exponential one or quicker. So each of three departures (fewer rows, more rows, older rows) comes about by chance with
a probability of at most 4 / ((N + 1) (N + 2)).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.figures import decision, show
from windlass.product.policy import Season
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

LEAST_HOURS = 336
"""Two weeks: with them 12 / ((N + 1) (N + 2)) is less than one false alarm in 8,760 hours (`detector.RUN_LENGTH`)."""
MOST_HOURS = 4 * LEAST_HOURS
"""What is usual may change: older hours say nothing."""
FURTHER = 2.0
"""Times as far out as any hour before."""
MATERIAL = 2.0
"""Less than half of the usual, or more than twice: what departs by less is not worth an alarm however sure it is."""
_SEASONS = {"hour": 1, "day": 24, "week": 168}
_MONDAY = 96  # the first one of 1970 began with this hour


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrivalEvidence:
    """What came in each of n hours, one after the other without a gap; the last of them is to be judged."""

    first: int
    """The first hour, counted from 1970."""
    rows: Ints
    """`(n,)` rows that came."""
    ages: Floats
    """`(n,)` how old they were then, on average, in seconds; NaN where none came or none says so."""


@dataclass(frozen=True, kw_only=True)
class Hour:
    """One hour beside those before it."""

    out: tuple[str, ...]
    """Of `fewer`, `more` and `late` what it is; empty: it is as usual."""
    usual_rows: float
    usual_age: float


def decide_arrivals(evidence: ArrivalEvidence, season: Season, now: datetime) -> Decision:
    """`alarm`, `quiet`, or `wait` while fewer than two weeks of hours tell what is usual.

    While hours of a season come as those before them did, at most one false alarm in 8,760 hours on average, over the
    three departures together. An hour that was out of the usual does not count as usual for later ones. The mean that
    hours depart from is that of their season, the judged hour included, so that all are treated alike; rows are
    compared by the square roots of their counts, whose noise does not grow with them (Anscombe 1948, Biometrika 35),
    ages by their logarithms.
    """
    count = len(evidence.rows)
    numbers: dict[str, Any] = {
        "hours": min(max(0, count - 1), MOST_HOURS),
        "hours_needed": LEAST_HOURS,
        "season": season,
    }
    if count <= LEAST_HOURS:
        return decision("arrivals", "wait", ["Two weeks or more tell how much is usual."], numbers, now)
    hour = judged_hours(evidence, season)[-1]
    rows, age = int(evidence.rows[-1]), float(evidence.ages[-1])
    numbers |= {"rows": rows, "usual_rows": hour.usual_rows, "age": age, "usual_age": hour.usual_age}
    numbers["departure"] = ", ".join(hour.out) or None
    if not hour.out:
        return decision("arrivals", "quiet", ["As much comes as in the weeks before, and as soon."], numbers, now)
    told = {
        "rows": f"In the last hour {rows:,} rows came; {hour.usual_rows:,.0f} are usual then.",
        "late": f"Rows of the last hour came {show(age)} s late on average; {show(hour.usual_age)} s are usual.",
    }
    reasons = list(dict.fromkeys(told["late" if each == "late" else "rows"] for each in hour.out))
    return decision("arrivals", "alarm", reasons, numbers, now)


def judged_hours(evidence: ArrivalEvidence, season: Season) -> list[Hour]:
    """Each hour of the last eight weeks that has two weeks before it."""
    rows, ages = evidence.rows[-MOST_HOURS - 1 :], evidence.ages[-MOST_HOURS - 1 :]
    first = evidence.first + len(evidence.rows) - len(rows)
    alike = (first - _MONDAY + np.arange(len(rows))) % _SEASONS[season]
    usual = np.ones(len(rows), dtype=bool)
    found = []
    for count in range(LEAST_HOURS + 1, len(rows) + 1):
        found.append(_judged(rows[:count], ages[:count], alike[:count], usual[:count]))
        usual[count - 1] = not found[-1].out
    return found


def is_out(departure: float, usual: Floats) -> bool:
    """Whether it is twice as far out as any of the `(n,)` usual ones; fewer than two weeks of these say nothing."""
    known = usual[np.isfinite(usual)]
    return len(known) >= LEAST_HOURS and departure > FURTHER * max(0.0, float(known.max()))


def _judged(rows: Ints, ages: Floats, season: Ints, usual: NDArray[np.bool_]) -> Hour:
    """The last of these hours; `usual` `(n,)` are those that tell what is."""
    before = usual.copy()
    before[-1] = False
    alike = before & (season == season[-1])
    usual_rows, usual_age = _mean(rows[alike]), _mean(ages[alike])
    fewer = 2 * (np.sqrt(_means(rows, season, usual) + 0.375) - np.sqrt(rows + 0.375))
    late = np.log1p(ages) - _means(np.log1p(ages), season, usual)
    material = {
        "fewer": rows[-1] * MATERIAL < usual_rows,
        "more": rows[-1] > usual_rows * MATERIAL,
        "late": ages[-1] > usual_age * MATERIAL,
    }
    departures = {"fewer": fewer, "more": -fewer, "late": late}
    out = tuple(name for name, each in departures.items() if material[name] and is_out(each[-1], each[before]))
    return Hour(out=out, usual_rows=usual_rows, usual_age=usual_age)


def _means(values: Floats | Ints, season: Ints, usual: NDArray[np.bool_]) -> Floats:
    """`(n,)`: for each hour the mean of the usual ones of its season, as far as they have a value."""
    known = usual & np.isfinite(values)
    sums = np.bincount(season[known], weights=values[known], minlength=int(season.max()) + 1)
    counts = np.bincount(season[known], minlength=len(sums))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[season]


def _mean(values: Floats | Ints) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
