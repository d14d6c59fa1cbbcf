"""Which labelled rows stand for all rows of their time.

Where one class becomes known early and the other late (a default after a missed payment, a repaid loan after years),
the latest labels are of the early class alone. What trains or judges on them learns that everything ends that way. So
all rows count, for training as for judging, up to where no more labels are missing than always are. Of the younger ones
as many of each class count as if all classes took as long as the slowest of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.statistics.delays import Deliveries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_PRIOR_MISSING, _PRIOR_ROWS = 1, 10
"""What is taken to be usual before any row's time is over, and how little that weighs."""
_LEAST = 1000
"""The newest rows whose time is over that tell how many labels usually stay away, at least."""
_LEAST_GROUP = 50
"""Labels whose delay was seen, at the least, for a group to have a distribution of its own."""
_LEAST_SHARE = 0.1
"""Of a group's labels that must be known at an age for rows of that age to count: of fewer too little is known."""
_SLACK = 0.1
"""By how much more rows than the delays explain there may be, beside what chance explains."""
_PARTS = 4
_DEVIATIONS = 3.0
"""How far beyond the usual the count of missing labels may stray by chance: this many standard deviations, and one."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """How many labels never come, as rows tell whose time for one is over."""

    share: float
    """Of rows that stay without a label; above 0 and below 1."""
    rows: int
    """On which that rests."""

    @classmethod
    def of(cls, known: Array) -> Usual:
        """From whether each of these rows has a label; without any, one in ten is taken to stay away."""
        missing = len(known) - int(np.count_nonzero(known))
        rows = len(known) + _PRIOR_ROWS
        return cls(share=(missing + _PRIOR_MISSING) / rows, rows=rows)


def complete_rows(at: Array, known: Array, *, now: float, within: float, usual: Usual | None = None) -> int:
    """How many of n rows, from the first on, have their labels as far as they will ever have them.

    `at` `(n,)` are the moments of the rows, rising; `known` `(n,)` whether the label is there at `now`; `within` how
    long a label may take, in the same units. Rows older than that are not waited for. Of the younger ones the newest
    stretch is left out of which clearly more labels are missing than is usual, and then the next, until there is none:
    what slips through is within the noise of labels that never come. What is usual tell the rows older than `within`,
    where the caller knows no better.
    """
    over = int(np.searchsorted(at, now - within, side="right"))
    young = np.asarray(known[over:], dtype=bool)
    if usual is None:
        usual = Usual.of(known[max(0, over - max(len(young), _LEAST)) : over])
    count = len(young)
    while count:
        rows = np.arange(1, count + 1)
        excess = np.cumsum(~young[:count][::-1]) - usual.share * rows - 1
        variance = usual.share * (1 - usual.share) * rows * (1 + rows / usual.rows)
        strength = excess / np.sqrt(variance)
        clearest = int(strength.argmax())
        if strength[clearest] <= _DEVIATIONS:
            break
        count -= clearest + 1
    return over + count


def representative_rows(
    at: Array, known_at: Array, groups: Array, *, now: float, within: float, usual: Usual | None = None
) -> Array:
    """`(n,)` bool: the rows whose labels, taken together, are as those of all rows of their time.

    `at` `(n,)` are the moments of the rows, rising; `known_at` `(n,)` when each label came (NaN: not yet; minus
    infinity: nobody saw when); `groups` `(n,)` codes of what a delay may depend on, as `groups_of` gives them; the rest
    is as for `complete_rows`. Beyond the complete rows a label of group c, known at age a, counts with probability
    min_g F_g(a) / F_c(a), where F are the distributions of the delays (`delays`): then each group is left with the same
    share of its rows of every age. Which ones is settled by counting, not by chance. Where the delays do not explain
    how many labels are missing, as when outcomes are told with an earlier date, none of these rows counts.
    """
    deliveries = Deliveries.of(at, known_at, within=within)
    known = deliveries.known(at, known_at, now=now)
    count = complete_rows(at, known, now=deliveries.told_until(now), within=within, usual=usual)
    chosen = known.copy()
    chosen[count:] = False
    seen = np.flatnonzero(known & np.isfinite(known_at))
    if not np.any(seen >= count):
        return chosen
    codes = pooled(groups[seen], groups)
    present, age = np.unique(codes[seen]), deliveries.age(at[count:], now)
    by_age = np.empty((len(present), len(age)))
    for place, code in enumerate(present):
        of_group = seen[codes[seen] == code]
        by_age[place] = deliveries.learn(at[of_group], known_at[of_group], now=now).known_by(age)
    slowest = by_age.min(axis=0)
    old_enough = slowest >= _LEAST_SHARE
    young = seen[seen >= count] - count
    young = young[old_enough[young]]
    own = by_age[np.searchsorted(present, codes[young + count]), young]
    if explained(own, rows=int(old_enough.sum()), usual=usual or Usual.of(known[:count])):
        for code in present:
            of_group = codes[young + count] == code
            kept = _counted(slowest[young[of_group]] / own[of_group])
            chosen[young[of_group][kept] + count] = True
    return chosen


def unseen_rows(at: Array, known_at: Array, groups: Array, *, then: float, now: float, within: float) -> Array:
    """`(n,)` bool: of rows that stand for all of their time at `now`, such as do so too and whose label was not known
    `then`; for judging what had learned from all labels known then.

    Arguments are as for `representative_rows`. All rows since then count. Of older ones the slower class is left over:
    of a row of group c whose label has come, it came after `then` with probability 1 - F_c(a) / F_c(b), where a and b
    are its ages then and now. So it counts with the least of these probabilities over its own, as there.
    """
    deliveries = Deliveries.of(at, known_at, within=within)
    unseen = (at > then) | ~deliveries.known(at, known_at, now=then)
    old = np.flatnonzero(unseen & (at <= then))
    if not len(old):
        return unseen
    seen = np.isfinite(known_at)
    codes = pooled(groups[seen], groups)
    present = np.unique(codes[seen])
    age_then, age_now = (deliveries.age(at[old], moment) for moment in (then, now))
    left = np.empty((len(present), len(old)))
    for place, code in enumerate(present):
        of_group = np.flatnonzero(seen & (codes == code))
        delays = deliveries.learn(at[of_group], known_at[of_group], now=now)
        left[place] = 1 - delays.known_by(age_then) / np.maximum(delays.known_by(age_now), _LEAST_SHARE)
    least, own = left.min(axis=0), left[np.searchsorted(present, codes[old]), np.arange(len(old))]
    unseen[old] = False
    enough = least >= _LEAST_SHARE
    for code in present:
        of_group = enough & (codes[old] == code)
        unseen[old[of_group][_counted(least[of_group] / own[of_group])]] = True
    return unseen


def _counted(chance: Array) -> Array:
    """`(n,)` bool: as many of these as their chances add up to, spread evenly over them."""
    return np.asarray(np.diff(np.floor(np.cumsum(chance) + 0.5), prepend=0.0) > 0)


def explained(share: Array, *, rows: int, usual: Usual) -> bool:
    """Whether as many rows have a label as must by the delays that were seen: `share` `(m,)` is the part of rows like
    each of the m labelled ones that has one by now, `rows` how many there are, with a label or without.

    The sum of 1 / share estimates the rows that will ever have one (Horvitz and Thompson, 1952).
    """
    estimated = float(np.sum(1 / share))
    deviation = float(np.sqrt(np.sum((1 - share) / share**2)))
    return rows * (1 - usual.share) <= estimated * (1 + _SLACK) + _DEVIATIONS * deviation


def groups_of(labels: Array, *, classes: bool) -> Array:
    """`(n,)` codes of what a delay may depend on: the class, or for numbers the quarter it is in; a label is NaN
    where it is not known."""
    known = np.isfinite(labels)
    if classes or not known.any():
        return np.where(known, labels, -1).astype(np.int64)
    return np.searchsorted(np.quantile(labels[known], np.arange(1, _PARTS) / _PARTS), labels).astype(np.int64)


def pooled(seen: Array, groups: Array) -> Array:
    """`groups` with those of which few delays were seen made one; with the largest, if they stay few."""
    codes, counts = np.unique(seen, return_counts=True)
    few = codes[counts < _LEAST_GROUP]
    together = few[:1] if counts[counts < _LEAST_GROUP].sum() >= _LEAST_GROUP else codes[[counts.argmax()]]
    return np.where(np.isin(groups, few), together[0], groups) if len(few) else groups
