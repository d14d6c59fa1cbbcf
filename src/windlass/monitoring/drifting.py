"""The windows of one version against its reference, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.vigil import Vigil
from windlass.monitoring.bins import count_column
from windlass.monitoring.column import ColumnProfile
from windlass.monitoring.comparison import bins_of, judge, table_of
from windlass.monitoring.profiles import Profile
from windlass.monitoring.reference import Reference, prediction_frame
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Part = tuple[pl.DataFrame, NDArray[np.float64]]


class WindowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one window in the bins of the reference: features, then predictions."""

    rows: int
    counts: tuple[tuple[int, ...] | None, ...]
    """One for each column; None: the window lacks it, or has it with another type."""


class Drifting:
    """What is known of drift so far, window by window.

    What stretches of the reference, in the order of time, did among themselves is no news: seasons, trends, and rows
    that follow each other.

    What answers is not the model whose answers the reference has: it was fitted again, on all rows, and its scores have
    another distribution on the very same ones. So the reference lends its answers no more than their bins. What later
    answers are held against are those of the version's own first window, as many as that has.
    """

    def __init__(self, reference: Reference) -> None:
        self._features: Profile = reference.features
        self._scores = () if reference.predictions is None else reference.predictions.columns
        self._columns: tuple[ColumnProfile, ...] = (*self._features.judged, *self._scores)
        self._bins = bins_of(self._columns, seasons=True)
        self._vigil = Vigil.begin(self._bins)
        self._answered = False
        """Whether the first window has been."""
        self._last: tuple[WindowCounts, Counts] | None = None

    def count(self, parts: Iterable[Part]) -> WindowCounts:
        """The window that consists of `parts`: features, and predictions `(n,)` or `(n, k)`.

        Parts may differ in the types of their columns, as frames read from JSON do.
        """
        held = [(features, prediction_frame(scores)) for features, scores in parts]
        inputs = _alike(features for features, _ in held)
        answers = _alike(scores for _, scores in held)
        found = [_count(column, inputs) for column in self._features.judged]
        found += [_count(column, answers) for column in self._scores]
        return WindowCounts(rows=sum(scores.height for _, scores in held), counts=tuple(found))

    def take(self, windows: Iterable[WindowCounts]) -> None:
        """Windows in their order: the evidence goes on from them."""
        for window in windows:
            counts = self._counts(window)
            self._vigil = self._vigil.after(self._bins, counts)
            self._last = window, counts

    def judge(self, now: datetime) -> Decision | None:
        """The judgement after the last window; None before the first.

        To say how large each shift is takes longer than the evidence, and many windows may come for each judgement that
        anybody asks for.
        """
        if self._last is None:
            return None
        window, counts = self._last
        missing = [column.name for column, own in zip(self._columns, window.counts, strict=True) if own is None]
        judged = judge(
            self._features,
            self._vigil,
            self._bins,
            counts,
            now=now,
            rows=window.rows,
            vanished=missing,
            scores=self._scores,
        )
        return judged.decision

    def _counts(self, window: WindowCounts) -> Counts:
        """`(d, k)`: its rows in the bins; none of the answers that are to be the measure of the others."""
        counts, inputs = table_of(self._columns, window.counts), len(self._features.judged)
        found = [own for own in window.counts[inputs:] if own is not None]
        if not self._answered and len(found) == len(self._scores):
            self._answered = True
            self._scores = tuple(
                msgspec.structs.replace(column, counts=own) for column, own in zip(self._scores, found, strict=True)
            )
            self._columns = (*self._features.judged, *self._scores)
            self._bins = bins_of(self._columns, seasons=True)
            counts[inputs:] = 0
        return counts


def _alike(frames: Iterable[pl.DataFrame]) -> list[dict[str, pl.Series]]:
    """The columns of frames; of those with the same columns and types together, so that each is counted seldom."""
    groups: dict[tuple[object, ...], list[pl.DataFrame]] = {}
    for frame in frames:
        if frame.height:
            groups.setdefault(tuple(frame.schema.items()), []).append(frame)
    return [pl.concat(group).to_dict() for group in groups.values()]


def _count(column: ColumnProfile, parts: Sequence[dict[str, pl.Series]]) -> tuple[int, ...] | None:
    total = np.zeros(len(column.counts), dtype=np.int64)
    for part in parts:
        counts = count_column(column, part[column.name]) if column.name in part else None
        if counts is None:
            return None
        total += counts
    return tuple(total.tolist())
