"""Predictions that wait for their outcome, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from windlass.decisions.statistics.losses import least_losses, losses, most_losses
from windlass.monitoring.answers import numbers_of

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


class _Answered(NamedTuple):
    """Predictions, in the order in which they were made."""

    number: Array
    at: Array
    loss: Array
    """NaN while the outcome has not come."""
    least: Array
    """The least and the most that it can come to."""
    most: Array
    truth: Array
    """NaN while the outcome has not come."""
    score: Array
    """Of the positive class, or the value; NaN for several classes."""
    group: Array
    """`(n, columns)`: the group of each in each declared slice."""

    def chosen(self, places: Any) -> _Answered:
        return _Answered(*(column[places] for column in self))

    def followed_by(self, other: _Answered) -> _Answered:
        return _Answered(*map(np.concatenate, zip(self, other, strict=True)))


class Maturing:
    """Turns predictions and their outcomes into losses, without being fooled by who comes first.

    Where one class becomes known early and the other late, the first outcomes after a start are of the early class
    alone, and their mean loss says nothing about the model. So losses count in the order in which the predictions
    were made, up to the last stretch of which nine in ten outcomes are known; of what is still unknown there the least
    and the most that it can come to are told, so that nobody's being late can raise an alarm or end one. What is
    overdue is given up and does not count.
    """

    def __init__(self, kind: TaskKind, *, within: timedelta, memory: int, most_pending: int, columns: int = 0) -> None:
        self._kind = kind
        self._within = within.total_seconds()
        self._memory = memory
        self._most_pending = most_pending
        self._waiting: list[pl.DataFrame] = []
        self._made = 0
        """Predictions so far: the number of the next one."""
        none = np.empty(0)
        numbers, groups = np.empty(0, dtype=np.int64), np.empty((0, columns), dtype=np.int64)
        self._answered = _Answered(numbers, none, none, none, none, none, none, groups)
        """Those that count, the last `memory` of them, and those that do not count yet."""
        self._count = 0
        """How many of these count."""
        self.changes = 0
        """Grows with whatever may change what counts."""

    @property
    def pending(self) -> int:
        return sum(batch.height for batch in self._waiting)

    @property
    def losses(self) -> Floats:
        """`(n,)` of what counts, in the order of the predictions: the least that each can come to."""
        counted = self._answered.chosen(slice(self._count))
        return np.where(np.isnan(counted.loss), counted.least, counted.loss)

    @property
    def most(self) -> Floats:
        """`(n,)` of the same the most that each can come to."""
        counted = self._answered.chosen(slice(self._count))
        return np.where(np.isnan(counted.loss), counted.most, counted.loss)

    @property
    def truth(self) -> Floats:
        """`(n,)` of the same the outcome, NaN where it has not come."""
        return self._answered.truth[: self._count]

    @property
    def scores(self) -> Floats:
        """`(n,)` of the same the score of the positive class or the value; NaN for several classes."""
        return self._answered.score[: self._count]

    @property
    def groups(self) -> Codes:
        """`(n, columns)`: the group of each of these in each declared slice."""
        return self._answered.group[: self._count]

    def observe(self, predictions: Array, ids: Ids, at: datetime, groups: Codes | None = None) -> None:
        """Predictions `(n,)` or `(n, k)` were made; `groups` `(n, columns)` codes of the group of each."""
        table = predictions.reshape(len(predictions), -1)
        columns = {str(place): table[:, place] for place in range(table.shape[1])}
        numbers = np.arange(self._made, self._made + len(table))
        made_at = np.full(len(table), at.timestamp())
        self._waiting.append(pl.DataFrame({"id": as_ids(ids), "number": numbers, "at": made_at, **columns}))
        self._made += len(table)
        none = np.full((len(table), self._answered.group.shape[1]), -1, dtype=np.int64)
        self._answered = self._answered.followed_by(
            _Answered(
                number=numbers,
                at=made_at,
                loss=np.full(len(table), np.nan),
                least=least_losses(predictions, self._kind),
                most=most_losses(predictions, self._kind),
                truth=np.full(len(table), np.nan),
                score=table[:, 0].astype(np.float64) if self._kind != "multiclass" else np.full(len(table), np.nan),
                group=none if groups is None else groups,
            )
        )
        if self.pending > self._most_pending:
            self._waiting = [pl.concat(self._waiting).tail(self._most_pending)]

    def mature(self, ids: Ids, truth: Array) -> int:
        """Outcomes `(m,)` have become known; returns how many predictions they settled."""
        outcomes = pl.DataFrame({"id": as_ids(ids), "truth": numbers_of(truth)})
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
        """Let the predictions count of which enough is known, and give up those that are too old to be waited for."""
        due = now.timestamp() - self._within
        overdue = np.isnan(self._answered.loss) & (self._answered.at <= due)
        if overdue.any():
            self._waiting = [pl.concat(self._waiting).filter(pl.col("at") > due)]
            self._answered = self._answered.chosen(~overdue)
            self.changes += 1
        count = _settled_stretch(~np.isnan(self._answered.loss))
        self.changes += count != self._count
        forgotten = max(0, count - self._memory)
        self._answered = self._answered.chosen(slice(forgotten, None))
        self._count = count - forgotten

    def _settle(self, settled: pl.DataFrame) -> None:
        table = settled.select(pl.exclude("id", "truth", "number", "at")).to_numpy()
        found = losses(settled["truth"].to_numpy(), table if self._kind == "multiclass" else table[:, 0], self._kind)
        numbers = settled["number"].to_numpy()
        kept = np.isin(numbers, self._answered.number)
        places = np.searchsorted(self._answered.number, numbers[kept])
        self._answered.loss[places] = found[kept]
        self._answered.truth[places] = settled["truth"].to_numpy()[kept]
        self.changes += 1


def as_ids(ids: Ids) -> pl.Series:
    """Integers as int64, all else as text, so that ids from arrays, frames and lists meet."""
    series = ids if isinstance(ids, pl.Series) else pl.Series(ids)
    return series.cast(pl.Int64 if series.dtype.is_integer() else pl.String).alias("id")


def _settled_stretch(known: NDArray[np.bool_]) -> int:
    """How many predictions there are up to the end of the last stretch of which enough are known."""
    total = np.cumsum(known)
    before = np.concatenate([np.zeros(min(_STRETCH, len(known)), dtype=total.dtype), total[:-_STRETCH]])
    sizes = np.minimum(np.arange(1, len(known) + 1), _STRETCH)
    enough = np.flatnonzero(total - before >= _COMPLETE * sizes)
    return int(enough[-1]) + 1 if len(enough) else 0
