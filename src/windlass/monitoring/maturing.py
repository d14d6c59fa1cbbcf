"""Predictions that wait for their outcome, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.losses import losses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Ids = pl.Series | Array | Sequence[str] | Sequence[int]

_COMPLETE = 0.8


class Maturing:
    """Turns predictions and their outcomes into losses, without being fooled by who comes first.

    Where one class becomes known early and the other late, the first outcomes after a start are of the early class
    alone, and their mean loss says nothing about the model. So losses count in the order in which the predictions were
    made, cohort by cohort: the longest run of predictions from the oldest on of which four in five outcomes are known (or
    overdue: then they are given up). Outcomes that come later still count when they come.
    """

    def __init__(self, kind: TaskKind, *, within: timedelta, memory: int, most_pending: int) -> None:
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
        self._open_at: Floats = np.empty(0)
        self.losses: Floats = np.empty(0)
        """What counts, in the order in which it came to; the last `memory` of them."""
        self.counted = 0
        """How many ever came to count."""

    @property
    def pending(self) -> int:
        return sum(batch.height for batch in self._waiting)

    def observe(self, predictions: Array, ids: Ids, at: datetime) -> None:
        """Predictions `(n,)` or `(n, k)` were made."""
        table = predictions.reshape(len(predictions), -1)
        columns = {str(place): table[:, place] for place in range(table.shape[1])}
        numbers = np.arange(self._made, self._made + len(table))
        self._waiting.append(pl.DataFrame({"id": as_ids(ids), "number": numbers, **columns}))
        self._made += len(table)
        self._open = np.concatenate([self._open, np.full(len(table), np.nan)])
        self._open_at = np.concatenate([self._open_at, np.full(len(table), at.timestamp())])
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
        """Let the longest cohort count of which enough is known, or too old to be waited for."""
        done = ~np.isnan(self._open) | (self._open_at <= now.timestamp() - self._within)
        enough = np.flatnonzero(np.cumsum(done) >= _COMPLETE * np.arange(1, len(done) + 1))
        count = int(enough[-1]) + 1 if len(enough) else 0
        if count == 0:
            return
        released = self._open[:count]
        self._open, self._open_at, self._first = self._open[count:], self._open_at[count:], self._first + count
        self._add(released)

    def _settle(self, settled: pl.DataFrame) -> None:
        table = settled.select(pl.exclude("id", "truth", "number")).to_numpy()
        found = losses(settled["truth"].to_numpy(), table if self._kind == "multiclass" else table[:, 0], self._kind)
        places = settled["number"].to_numpy() - self._first
        self._open[places[places >= 0]] = found[places >= 0]
        self._add(found[places < 0])

    def _add(self, found: Floats) -> None:
        found = found[np.isfinite(found)]
        if len(found):
            self.losses = np.concatenate([self.losses, found])[-self._memory :]
            self.counted += len(found)


def as_ids(ids: Ids) -> pl.Series:
    """Integers as int64, all else as text, so that ids from arrays, frames and lists meet."""
    series = ids if isinstance(ids, pl.Series) else pl.Series(ids)
    return series.cast(pl.Int64 if series.dtype.is_integer() else pl.String).alias("id")
