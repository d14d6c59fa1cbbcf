"""A stretch of history, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from windlass.decisions.statistics.completeness import groups_of, representative_rows
from windlass.errors import DataError
from windlass.product.examples import Examples
from windlass.product.product import Product

Array = np.ndarray[Any, Any]

HISTORY = 0.2
"""The part of the rows that everything starts from."""
NEVER = np.iinfo(np.int64).max
"""`known_at` of a label that never came."""
MINIMUM = 20
"""Rows below which there is nothing to replay."""


_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Rows of a stream with the labels that are known at some moment, in the order of the rows."""

    positions: Array
    labels: Array
    """(m,) float64 codes or values."""

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, places: Any) -> Known:
        """Those at `places`: a slice, truth values or numbers."""
        return Known(positions=self.positions[places], labels=self.labels[places])


@dataclass(frozen=True, kw_only=True, eq=False)
class Revisions:
    """Labels that came in the place of earlier ones, and these, in the order in which they became known."""

    rows: Array
    known_at: Array
    """(r,) int64, rising."""
    labels: Array
    """(r,) float64."""

    @classmethod
    def none(cls) -> Revisions:
        return cls(rows=np.empty(0, dtype=np.int64), known_at=np.empty(0, dtype=np.int64), labels=np.empty(0))


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
    """(n,) float64: label codes or values as they ended up; NaN where there is none."""
    classes: tuple[Any, ...]
    at: Array
    """(n,) int64, rising: when each row's prediction is asked for."""
    known_at: Array
    """(n,) int64: when its label is first known, never before `at`."""
    order: pl.Series
    """(n,) the time as the user has it: dates, datetimes or numbers."""
    revisions: Revisions = field(default_factory=Revisions.none)
    """Of the rows whose label was corrected, each label from the first on."""
    notes: tuple[str, ...] = ()
    """What was assumed or left out, for people."""

    def __len__(self) -> int:
        return len(self.target)

    @property
    def within(self) -> int:
        """Microseconds that a label may take."""
        return self.product.outcome.within // _MICROSECOND

    def known(self, now: int, *, start: int, stop: int) -> Known:
        """The rows from `start` to before `stop` whose label is known at `now`, as it is known then.

        This is the only way to a label, for training as for judging; scoring a window afterwards is the other.
        """
        positions = np.flatnonzero(self.known_at[start:stop] <= now) + start
        return Known(positions=positions, labels=self._labels(now)[positions])

    def representative(self, now: int, *, stop: int) -> Known:
        """Of the rows before `stop` whose label is known at `now` those that stand for all rows of their time.

        They alone train and judge, as in production (`decisions.statistics.completeness`).
        """
        seen = self.known_at[:stop] <= now
        labels = np.where(seen, self._labels(now)[:stop], np.nan)
        chosen = representative_rows(
            self.at[:stop],
            np.where(seen, self.known_at[:stop], np.nan),
            groups_of(labels, classes=self.product.task.kind != "regression"),
            now=now,
            within=self.within,
        )
        positions = np.flatnonzero(chosen)
        return Known(positions=positions, labels=labels[positions])

    def _labels(self, now: int) -> Array:
        """(n,) the labels as they are known at `now`, where they are."""
        if not len(self.revisions.rows):
            return self.target
        labels = self.target.copy()
        so_far = int(np.searchsorted(self.revisions.known_at, now, side="right"))
        labels[self.revisions.rows[:so_far]] = self.revisions.labels[:so_far]  # of several for a row, the last
        return labels

    def examples(self, known: Known) -> Examples:
        """Labelled rows to train on."""
        return Examples(
            features=_take(self.features, known.positions),
            target=self.truth(known),
            rows=_take(self.rows, known.positions),
            classes=self.classes,
        )

    def truth(self, known: Known) -> Array:
        """Their labels as codes, or values."""
        return known.labels if self.product.task.kind == "regression" else known.labels.astype(np.int64)

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
