"""Evidence of drift that adds up from window to window, for all columns under one guarantee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from windlass.decisions.statistics.urn import Bins, log_evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

RUN_LENGTH = 8760
"""Windows before a false alarm, on average and at least: one a year when windows are hourly."""
SHOWN = 100
"""What a stake must have become before the sum over all of them counts: by chance one of a hundred becomes as much."""
_RECENT = 4
"""So many starts are kept apart; of older ones two thirds as many as it takes to halve the time between them."""
_SPACING = 1.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A moment from which on the rows are suspected to come from elsewhere."""

    window: int
    """The first suspected window, counted from 1."""
    before: Counts
    """`(d, k)`: rows of the windows before it."""
    log_stake: Floats
    """`(d,)`: logarithm of what was laid on it, for each column."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """A Shiryaev-Roberts e-detector over windows.

    With every window a stake of 1 is laid on "from here on it is different", for each column, and what it wins is the
    likelihood ratio of `urn.log_evidence`. While nothing has changed, a column's sum grows by at most 1 a window on
    average, whatever the reference looks like by chance, and so does the mean over columns, whatever they have to do
    with each other. An alarm when the mean reaches `RUN_LENGTH` comes after as many windows on average or later, and
    within n windows with probability at most n / RUN_LENGTH. Source: Shin, Ramdas and Rinaldo (2024), E-detectors, New
    England Journal of Statistics in Data Science 2.

    The sum alone would come to an alarm also where windows can show nothing, as those of a column that is always the
    same: each stake stays 1, and after `RUN_LENGTH` windows there are as many. So a column's evidence is what its best
    stake has become, until that is `SHOWN`. It is never more than the sum, and what holds of that holds of it.
    """

    windows: int
    total: Counts
    """`(d, k)`: rows of all windows."""
    starts: tuple[Start, ...]
    log_evidence: Floats
    """`(d,)`: logarithm of each column's evidence."""
    since: Counts
    """`(d,)`: the window with which each column most likely began to differ, if it does."""

    @classmethod
    def fresh(cls, shape: tuple[int, int]) -> Detector:
        """Before the first window."""
        return cls(
            windows=0,
            total=np.zeros(shape, dtype=np.int64),
            starts=(),
            log_evidence=np.full(shape[0], -np.inf),
            since=np.ones(shape[0], dtype=np.int64),
        )

    def after(self, bins: Bins, counts: Counts) -> Detector:
        """With one more window, whose rows fell into the bins as `counts` `(d, k)` says."""
        window, total = self.windows + 1, self.total + counts
        begun = Start(window=window, before=self.total, log_stake=np.zeros(len(counts)))
        starts = (*self.starts, begun)
        won = _won(bins, starts, total)
        worth = np.stack([start.log_stake for start in starts]) + won
        first, best = np.array([start.window for start in starts]), won.max(axis=0)
        return Detector(
            windows=window,
            total=total,
            starts=_thinned(starts, won, window, varying=bins.varying),
            log_evidence=np.where(best >= np.log(SHOWN), np.logaddexp.reduce(worth, axis=0), best),
            since=first[::-1][won[::-1].argmax(axis=0)] if len(counts) else self.since,  # of equals the last
        )

    def rows_since(self, column: int, window: int) -> Counts:
        """`(k,)`: rows of one column from the start at or before `window` on."""
        before = [start.before[column] for start in self.starts if start.window <= window]
        return np.asarray(self.total[column] - before[-1])

    @property
    def log_mean(self) -> float:
        """Logarithm of the mean over the columns: what the alarm depends on."""
        if not len(self.log_evidence):
            return float("-inf")
        return float(np.logaddexp.reduce(self.log_evidence) - np.log(len(self.log_evidence)))


def _won(bins: Bins, starts: tuple[Start, ...], total: Counts) -> Floats:
    """`(starts, d)`: logarithm of what a stake of 1 on each start has become, for each column."""
    before = np.stack([start.before for start in starts])
    every = (len(starts), 1)
    tiled = Bins(
        weights=np.tile(bins.weights, every),
        ordered=np.tile(bins.ordered, len(starts)),
        special=np.tile(bins.special, every),
        uneven=np.tile(bins.uneven, every),
        stretch=np.tile(bins.stretch, every),
    )
    rows = (-1, total.shape[1])
    found = log_evidence(tiled, before.reshape(rows), (total - before).reshape(rows))
    return found.reshape(before.shape[:2])


def _thinned(starts: tuple[Start, ...], won: Floats, window: int, *, varying: NDArray[np.bool_]) -> tuple[Start, ...]:
    """Fewer of the old starts. What lay on one that goes is laid, as it stands now, on the one before it: nothing is
    lost, and a martingale that changes hands at its value stays one.

    `varying` `(d,)`: columns of which rows count for less the longer a run varies alike. What a stake has become then
    goes up and down with the length of the run as well, so none changes hands for more than it was: that would only
    be sure to win where the heir's length tells little for the moment.
    """
    kept: list[tuple[Start, Floats]] = []
    for start, value in zip(starts, won, strict=True):
        age = window - start.window
        if kept and age >= _RECENT and (window - kept[-1][0].window) < _SPACING * age:
            heir, worth = kept[-1]
            price = np.where(varying, np.minimum(value - worth, 0.0), value - worth)
            stake = np.logaddexp(heir.log_stake, start.log_stake + price)
            kept[-1] = (Start(window=heir.window, before=heir.before, log_stake=stake), worth)
        else:
            kept.append((start, value))
    return tuple(start for start, _ in kept)
