"""Predictions that wait for their outcome, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.statistics.losses import least_losses, losses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]
    Ids = pl.Series | Array | Sequence[str] | Sequence[int]

_COMPLETE = 0.9
_STRETCH = 50
"""Predictions among which completeness is counted."""


class Maturing:
    """Turns predictions and their outcomes into losses, without being fooled by who comes first.

    Where one class becomes known early and the other late, the first outcomes after a start are of the early class
    alone, and their mean loss says nothing about the model. So losses count in the order in which the predictions
    were made, up to the last stretch of which nine in ten outcomes are known; of what is still unknown there the least
    possible loss counts, so that nobody's being late can raise an alarm. What is overdue is given up and does not
    count.
    """

    def __init__(self, kind: TaskKind, *, within: timedelta, memory: int, most_pending: int, columns: int = 0) -> None:
        self._kind = kind
        self._within = within.total_seconds()
        self._memory = memory
        self._most_pending = most_pending
        self._waiting: list[pl.DataFrame] = []
        self._made = 0
        """Predictions so far: the number of the next one."""
        self._first = 0
        """Number of the first prediction that does not count yet."""
        self._open: Floats = np.empty(0)
        """Losses from `_first` on, NaN while the outcome has not come."""
        self._least: Floats = np.empty(0)
        """The least that each of them can come to."""
        self._open_at: Floats = np.empty(0)
        self._open_groups: Codes = np.empty((0, columns), dtype=np.int64)
        self.losses: Floats = np.empty(0)
        """What counts, in the order in which it came to; the last `memory` of them."""
        self.groups: Codes = np.empty((0, columns), dtype=np.int64)
        """`(n, columns)`: the group of each of these in each declared slice."""
        self.counted = 0
        """How many ever came to count."""

    @property
    def pending(self) -> int:
        return sum(batch.height for batch in self._waiting)

    def observe(self, predictions: Array, ids: Ids, at: datetime, groups: Codes | None = None) -> None:
        """Predictions `(n,)` or `(n, k)` were made; `groups` `(n, columns)` codes of the group of each."""
        table = predictions.reshape(len(predictions), -1)
        columns = {str(place): table[:, place] for place in range(table.shape[1])}
        numbers = np.arange(self._made, self._made + len(table))
        made_at = np.full(len(table), at.timestamp())
        self._waiting.append(pl.DataFrame({"id": as_ids(ids), "number": numbers, "at": made_at, **columns}))
        self._made += len(table)
        self._open = np.concatenate([self._open, np.full(len(table), np.nan)])
        self._least = np.concatenate([self._least, least_losses(predictions, self._kind)])
        self._open_at = np.concatenate([self._open_at, made_at])
        none = np.full((len(table), self._open_groups.shape[1]), -1, dtype=np.int64)
        self._open_groups = np.concatenate([self._open_groups, none if groups is None else groups])
        if self.pending > self._most_pending:
            self._waiting = [pl.concat(self._waiting).tail(self._most_pending)]

    def mature(self, ids: Ids, truth: Array) -> int:
        """Outcomes `(m,)` have become known; returns how many predictions they settled."""
        outcomes = pl.DataFrame({"id": as_ids(ids), "truth": np.asarray(truth)})
        outcomes = outcomes.unique("id", keep="last", maintain_order=True)
        if not self._waiting or outcomes.height == 0:
            return 0
        waiting = pl.concat(self._waiting)
        settled = outcomes.join(waiting, on="id", how="inner", maintain_order="left_right")
        if settled.height:
            self._waiting = [waiting.join(outcomes, on="id", how="anti", maintain_order="left")]
            self._settle(settled)
        return settled.height

    def release(self, now: datetime) -> None:
        """Let the predictions count of which enough is known, or too old to be waited for."""
        known = ~np.isnan(self._open)
        due = now.timestamp() - self._within
        overdue = self._open_at <= due
        count = _settled_stretch(known | overdue)
        if count == 0:
            return
        best = np.where(overdue, np.nan, self._least)
        found = np.where(known, self._open, best)[:count]
        self._open, self._least, self._open_at = self._open[count:], self._least[count:], self._open_at[count:]
        groups, self._open_groups = self._open_groups[:count], self._open_groups[count:]
        self._first += count
        if overdue.any():
            self._waiting = [pl.concat(self._waiting).filter(pl.col("at") > due)]
        self._add(found, groups)

    def _settle(self, settled: pl.DataFrame) -> None:
        table = settled.select(pl.exclude("id", "truth", "number", "at")).to_numpy()
        found = losses(settled["truth"].to_numpy(), table if self._kind == "multiclass" else table[:, 0], self._kind)
        places = settled["number"].to_numpy() - self._first
        self._open[places[places >= 0]] = found[places >= 0]

    def _add(self, found: Floats, groups: Codes) -> None:
        groups, found = groups[np.isfinite(found)], found[np.isfinite(found)]
        if len(found):
            self.losses = np.concatenate([self.losses, found])[-self._memory :]
            self.groups = np.concatenate([self.groups, groups])[-self._memory :]
            self.counted += len(found)


def as_ids(ids: Ids) -> pl.Series:
    """Integers as int64, all else as text, so that ids from arrays, frames and lists meet."""
    series = ids if isinstance(ids, pl.Series) else pl.Series(ids)
    return series.cast(pl.Int64 if series.dtype.is_integer() else pl.String).alias("id")


def _settled_stretch(done: NDArray[np.bool_]) -> int:
    """How many predictions there are up to the end of the last stretch of which enough is done."""
    total = np.cumsum(done)
    before = np.concatenate([np.zeros(min(_STRETCH, len(done)), dtype=total.dtype), total[:-_STRETCH]])
    sizes = np.minimum(np.arange(1, len(done) + 1), _STRETCH)
    enough = np.flatnonzero(total - before >= _COMPLETE * sizes)
    return int(enough[-1]) + 1 if len(enough) else 0
