"""Where values have risen above what they were on a holdout, and where they are down again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from windlass.decisions.loss_reference import STANDARD_ERRORS, LossReference, block_means, upper_mean
from windlass.decisions.statistics.sequential import change_evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_STRETCH = 1024
"""Rows that the next alarm and its end are sought in at first, after one has ended."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One of those that share the stakes: all losses, those of a group, or what the stretches of a ranking come to."""

    reference: LossReference
    share: float
    """Of each stake."""
    first: NDArray[np.int64]
    """`(m,)` rising: the rows that each value begins and ends with."""
    last: NDArray[np.int64]
    least: Floats
    """`(m,)` values: the least and the most that each can be."""
    most: Floats
    name: str = ""
    """Of a group; empty: it is of all rows."""
    ranks: bool = False
    """Whether the values are those of a ranking."""

    def within(self, start: int, stop: int) -> Judged:
        """What lies within the rows from `start` to before `stop`, by its places among these."""
        kept = slice(*(int(np.searchsorted(ends, row)) for ends, row in ((self.first, start), (self.last, stop))))
        return replace(
            self,
            first=self.first[kept] - start,
            last=self.last[kept] - start,
            least=self.least[kept],
            most=self.most[kept],
        )

    def null(self, errors: float) -> float:
        """What the mean of blocks can be where nothing has changed, if so many standard errors are granted."""
        return upper_mean(self.reference, errors=errors) / self.reference.bound

    def evidence(self, errors: float) -> Floats:
        """After each block, in units of one row: that the mean has risen above that since some moment."""
        return change_evidence(self.blocks(self.least), self.null(errors), self.stakes)

    def blocks(self, values: Floats) -> Floats:
        """Means of consecutive values of this one, in 0..1; the last, unfinished block is left for later."""
        bound = self.reference.bound
        return block_means(np.clip(values, 0.0, bound) / bound, self.reference.block)

    @property
    def begins(self) -> NDArray[np.int64]:
        """The rows that blocks begin with."""
        return self.first[:: self.reference.block]

    @property
    def ends(self) -> NDArray[np.int64]:
        """The rows that blocks end with."""
        return self.last[self.reference.block - 1 :: self.reference.block]

    @property
    def stakes(self) -> Floats:
        """How many rows each block is of, which is what may be laid on it."""
        return block_means((self.last - self.first + 1).astype(np.float64), self.reference.block) * self.reference.block


class Standing(NamedTuple):
    """What the losses come to by now."""

    raised: bool
    evidence: float
    """Since the last alarm ended, in units of one row; while one stands, the highest since it was raised."""
    worst: Judged
    """What has become worse, or comes closest to it."""
    since: int
    """The row from which on it has."""


def standing_of(judged: Sequence[Judged], rows: int, *, needed: float) -> Standing:
    """From alarm to end to alarm, up to now; evidence is gathered anew when an alarm has ended.

    No later row changes where an alarm comes and ends. So after the first it is sought in a stretch that is doubled
    until it holds both, and all together take time in proportion to the rows, however many alarms come and end.
    """
    errors = shared_errors(len(judged))
    start, reach = 0, rows
    while start < rows:
        stop = min(start + reach, rows)
        own = [each.within(start, stop) for each in judged]
        paths = [each.share * path_of(each, stop - start, errors) for each in own]
        total = np.sum(paths, axis=0)
        reached = np.flatnonzero(total >= needed)
        at = int(reached[0]) if len(reached) else len(total) - 1
        worst = int(np.argmax([path[at] for path in paths]))
        end = _ended(own[worst], errors, at=at, needed=needed) if len(reached) else None
        if end is not None:
            start, reach = start + end + 1, _STRETCH
        elif stop < rows:
            reach *= 2
        else:
            since = start + _since(own[worst], errors)
            return Standing(len(reached) > 0, float(total[at:].max()), judged[worst], since)
    return Standing(raised=False, evidence=0.0, worst=judged[0], since=rows - 1)


def _ended(of: Judged, errors: float, *, at: int, needed: float) -> int | None:
    """The row with which an alarm that was raised at the row `at` had ended; None: it stands.

    It ends when the rows after it prove that less than half of the rise is left, by the detector that raised it: while
    their mean, given all before, stays above that, a false end comes after `needed` predictions on average or later,
    and within n predictions with probability at most n / `needed`. The rise is what it was when the evidence stood
    highest: a few bad rows that raised the alarm would make too much of it. An outcome that has not come counts as the
    most that it can be, so that nobody's being late ends an alarm.
    """
    null = of.null(errors)
    blocks, ends = of.blocks(of.least), of.ends
    raised = int(np.searchsorted(ends, at, side="right")) - 1
    began = _began(blocks[: raised + 1], null)
    peak = raised + _highest_so_far(of.evidence(errors)[raised:])[:-1]
    sums = np.append(0.0, np.cumsum(blocks))
    half = (null + (sums[peak + 1] - sums[began]) / (peak + 1 - began)) / 2
    back = change_evidence(1 - of.blocks(of.most)[raised + 1 :], 1 - half, of.stakes[raised + 1 :])
    reached = np.flatnonzero(back >= needed)
    return int(ends[raised + 1 + reached[0]]) if len(reached) else None


def _highest_so_far(path: Floats) -> NDArray[np.int64]:
    """`(n,)`: up to each place, the first at which the path was highest."""
    higher = np.diff(np.maximum.accumulate(path), prepend=-np.inf) > 0
    return np.maximum.accumulate(np.where(higher, np.arange(len(path)), 0))


def shared_errors(references: int) -> float:
    """Standard errors for each of several references that hold together as often as one with two."""
    from scipy.special import ndtr, ndtri

    return float(-ndtri(ndtr(-STANDARD_ERRORS) / references))


def path_of(of: Judged, rows: int, errors: float) -> Floats:
    """`(rows,)`: its evidence after each of so many rows, in units of one row."""
    found = of.evidence(errors)
    last = np.searchsorted(of.ends, np.arange(rows), side="right") - 1
    return np.where(last >= 0, found[np.maximum(last, 0)], 0.0) if len(found) else np.zeros(rows)


def _since(of: Judged, errors: float) -> int:
    """The row from which on it has become worse; the first while it has no full block."""
    blocks = of.blocks(of.least)
    if not len(blocks):
        return 0
    return int(of.begins[_began(blocks, of.null(errors))])


def _began(blocks: Floats, null: float) -> int:
    """Where the losses began to be higher: the lowest point of their sum less what lies between before and after.

    What lies between is not known at first, so the point is sought against the null, and again with the mean from there
    on (Page 1954, Biometrika 41).
    """
    between, start = null, 0
    for _ in range(2):
        start = min(int(np.argmin(np.cumsum(np.append(0.0, blocks - between)))), len(blocks) - 1)
        between = max(null, (null + float(blocks[start:].mean())) / 2)
    return start
