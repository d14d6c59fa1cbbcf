"""A stretch of history, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from windlass.errors import DataError
from windlass.product.examples import Examples
from windlass.product.product import Product

Array = np.ndarray[Any, Any]

HISTORY = 0.2
"""The part of the rows that everything starts from."""
NEVER = np.iinfo(np.int64).max
"""`known_at` of a label that never came."""
COHORT = 20
COMPLETE = 0.8
MINIMUM = 20
"""Rows below which there is nothing to replay."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """n rows in the order of their time, each with the moment at which its label became known.

    Moments are microseconds since 1970 on the simulated clock.
    """

    product: type[Product]
    features: pl.DataFrame
    """n rows, as `Product.features` returned them."""
    rows: pl.DataFrame
    """The n rows without the target."""
    watched: tuple[str, ...]
    """The features whose drift says something: those that do not simply tell the time."""
    target: Array
    """(n,) float64: label codes or values; NaN where there is none."""
    classes: tuple[Any, ...]
    at: Array
    """(n,) int64, rising: when each row's prediction is asked for."""
    known_at: Array
    """(n,) int64: when its label is known, never before `at`."""
    order: pl.Series
    """(n,) the time as the user has it: dates, datetimes or numbers."""
    notes: tuple[str, ...] = ()
    """What was assumed or left out, for people."""

    def __len__(self) -> int:
        return len(self.target)

    def known(self, now: int, *, start: int, stop: int) -> Array:
        """The positions from `start` to before `stop` whose label is known at `now`, in the order of the rows.

        This is the only way to a label, for training as for judging; scoring a window afterwards is the other.
        """
        known: Array = np.flatnonzero(self.known_at[start:stop] <= now) + start
        return known

    def complete(self, now: int, *, stop: int) -> int:
        """The first row, before `stop`, of the stretch whose labels are not all there yet at `now`.

        Where one class becomes known early and the other late, the latest labels are of the early class alone. So rows
        judge a model only up to here: in cohorts of 20 in the order of time, each of which has four in five of its
        labels or is older than `Outcome.within`; `monitoring.maturing` lets losses count by the same rule.
        """
        cohorts = stop // COHORT
        known = (self.known_at[:stop] <= now)[: cohorts * COHORT].reshape(cohorts, COHORT).mean(axis=1) >= COMPLETE
        within = round(self.product.outcome.within.total_seconds() * 1e6)
        old = self.at[COHORT - 1 : cohorts * COHORT : COHORT] <= now - within
        ready = known | old
        whole = cohorts if ready.all() else int(np.argmin(ready))
        return stop if whole == cohorts and within == 0 else whole * COHORT

    def examples(self, positions: Array) -> Examples:
        """Labelled rows to train on."""
        target = self.target[positions]
        return Examples(
            features=_take(self.features, positions),
            target=target if self.product.task.kind == "regression" else target.astype(np.int64),
            rows=_take(self.rows, positions),
            classes=self.classes,
        )

    def time_at(self, position: int) -> str | float:
        """The time of a row as the user has it: ISO 8601 text or a number, whole ones without a point."""
        value = self.order[position]
        if not isinstance(value, int | float):
            return str(value.isoformat())
        return int(value) if value == int(value) else value

    def take(self, positions: Array) -> pl.DataFrame:
        """The features of these rows."""
        return _take(self.features, positions)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Rows from `start` to before `stop`."""

    start: int
    stop: int

    @property
    def rows(self) -> int:
        return self.stop - self.start


def windows_of(rows: int, count: int) -> list[Window]:
    """The first fifth is history; the rest, in `count` windows that differ by one row at most.

    Fewer than `count` rows give as many windows as there are rows. Raises DataError for fewer than 20 rows.
    """
    if rows < MINIMUM:
        raise DataError(
            f"there are {rows} rows, and a backtest needs at least {MINIMUM}",
            where="data",
            remedy="take a longer stretch of history; hundreds of rows a window make the figures mean something",
        )
    first = round(rows * HISTORY)
    cuts = np.linspace(first, rows, min(count, rows - first) + 1).round().astype(int).tolist()
    return [Window(start=start, stop=stop) for start, stop in pairwise(cuts)]


def _take(frame: pl.DataFrame, positions: Array) -> pl.DataFrame:
    """Rows by position; neighbouring positions are a slice, which copies nothing."""
    if len(positions) and positions[-1] - positions[0] + 1 == len(positions):
        return frame.slice(int(positions[0]), len(positions))
    return frame[positions]
