"""Whose fault it is that a version gave no answer: that of the rows, or its own.

Features and model are the user's code, and any value may trip them: a gap where the model was trained without one, a
category that an encoder has never seen. Such a request is the caller's to mend, and he must know which value it was. A
version that fails on everything is ours to mend, and he can only wait. The exception does not tell the two apart, but
asking again does: if the version answers other rows, it is these rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from windlass.product.contract.rows import MOST_PROBLEMS, Problem
from windlass.product.contract.types import dtype_of
from windlass.records.bundle import Column

Attempt = Callable[[pl.DataFrame], str | None]
"""Asks the version about rows: why it does not answer, None when it does."""

_MOST_ASKED = 60
"""How often a version is asked again for one request: enough for a bad row among ten thousand, and its bad value."""
_MOST_WITHOUT_WITNESS = 12
"""How often at most while nothing has been answered: a version that fails on everything must not cost much more."""
_ABOUT_GAPS = re.compile(r"\b(nans?|null|none|nonetype|missing)\b", re.IGNORECASE)
_PLAIN: dict[str, Any] = {
    "bool": False,
    "int": 0,
    "float": 0.0,
    "str": "",
    "datetime": datetime(2000, 1, 1, tzinfo=UTC),
    "date": date(2000, 1, 1),
}


class Witness:
    """A row that a version has answered; by it the version shows later that it still can. Kept in memory alone."""

    def __init__(self) -> None:
        self.row: pl.DataFrame | None = None

    def keep(self, frame: pl.DataFrame) -> None:
        """Remember the first of rows that were answered, unless there is one already."""
        if self.row is None:
            self.row = frame[[0]]  # gathered, since a slice would hold on to the whole request


def blame(
    attempt: Attempt, frame: pl.DataFrame, reason: str, *, witness: Witness, columns: Sequence[Column]
) -> list[Problem]:
    """What is wrong with the n rows of `frame`, on which a version failed for `reason`: row, field and why.

    Empty when the version does not answer other rows either, or answers these when it is asked again, so that the fault
    is its own. Before it has answered anything (`witness` is empty), the others are the first row with its gaps filled,
    and a row of plain values.
    """
    inquiry = _Inquiry(attempt, frame, witness, columns)
    try:
        if not inquiry.finds_witness() or inquiry.answers_now():
            return []
        inquiry.find_bad(range(frame.height), reason)
    except _Enough:
        if inquiry.has_witness and not inquiry.bad:
            return [Problem(field="rows", row=None, reason=_first_line(reason))]
    if not inquiry.has_witness:
        return _gaps(frame, reason)
    return [problem for place, why in inquiry.bad for problem in inquiry.fields(place, why)][:MOST_PROBLEMS]


class _Enough(Exception):
    """The version has been asked as often as one request is worth."""


class _Inquiry:
    def __init__(self, attempt: Attempt, frame: pl.DataFrame, witness: Witness, columns: Sequence[Column]) -> None:
        self._attempt = attempt
        self._frame = frame
        self._witness = witness
        self._columns = columns
        self._asked = 0
        self.bad: list[tuple[int, str]] = []
        """Rows on which the version fails when they come alone, and why."""

    @property
    def has_witness(self) -> bool:
        return self._witness.row is not None

    def finds_witness(self) -> bool:
        """Whether the version may still answer something; False when it fails on what it answered before."""
        if self._witness.row is not None:
            return self._why_not(self._witness.row) is None
        plain = _plain_row(self._columns)
        filled = self._frame[[0]].with_columns(pl.col(name).fill_null(plain[name][0]) for name in plain.columns)
        for row in (filled, plain):
            if self._why_not(row) is None:
                break
        return True

    def answers_now(self) -> bool:
        """Whether it has only failed in passing (a service that it asks was away), which says nothing of the rows."""
        return self.has_witness and self._why_not(self._frame) is None

    def find_bad(self, places: range, reason: str) -> None:
        """Narrow `places`, on which the version fails for `reason`, down to single rows, by halves."""
        if len(places) == 1:
            self.bad.append((places.start, reason))
            return
        middle = len(places) // 2
        for half in (places[:middle], places[middle:]):
            why = self._why_not(self._frame[half.start : half.stop])
            if why is not None:
                self.find_bad(half, why)

    def fields(self, place: int, reason: str) -> Iterator[Problem]:
        """Which values of a bad row it is; the row as a whole when the version has been asked often enough."""
        row = self._frame[[place]]
        gaps = [name for name in row.columns if row[name].has_nulls()]
        try:
            culprit, why = self._culprit(row, [*gaps, *(name for name in row.columns if name not in gaps)], reason)
            if culprit not in gaps:
                yield Problem(field=culprit, row=place, reason=f"this version fails on the value: {_first_line(why)}")
                return
            others = [name for name in gaps if name != culprit and self._why_not(self._mixed(row, [name])) is not None]
        except _Enough:
            yield Problem(field="row", row=place, reason=f"this version fails on it: {_first_line(reason)}")
            return
        for name in sorted([culprit, *others], key=row.columns.index):
            yield _gap(name, place, why)

    def _culprit(self, row: pl.DataFrame, names: Sequence[str], reason: str) -> tuple[str, str]:
        """A column whose value makes the version fail, beside those before it, where the witness's does not."""
        answered, failing = 0, len(names)
        while failing - answered > 1:
            middle = (answered + failing) // 2
            why = self._why_not(self._mixed(row, names[:middle]))
            if why is None:
                answered = middle
            else:
                failing, reason = middle, why
        return names[failing - 1], reason

    def _mixed(self, row: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        """The witness with some values of `row`."""
        assert self._witness.row is not None
        return self._witness.row.with_columns(row[name] for name in names)

    def _why_not(self, frame: pl.DataFrame) -> str | None:
        if self._asked >= (_MOST_ASKED if self.has_witness else _MOST_WITHOUT_WITNESS):
            raise _Enough
        self._asked += 1
        reason = self._attempt(frame)
        if reason is None:
            self._witness.keep(frame)
        return reason


def _gaps(frame: pl.DataFrame, reason: str) -> list[Problem]:
    """The gaps in rows on which a version fails, if these are what it complains of; for want of a witness."""
    if not reason.startswith(("ValueError", "TypeError")) or not _ABOUT_GAPS.search(reason):
        return []
    missing = [(place, name) for name in frame.columns for place in frame[name].is_null().arg_true()]
    return [_gap(name, place, reason) for place, name in sorted(missing)][:MOST_PROBLEMS]


def _gap(name: str, place: int, why: str) -> Problem:
    return Problem(field=name, row=place, reason=f"this version takes no missing value here: {_first_line(why)}")


def _first_line(reason: str) -> str:
    return reason.strip().partition("\n")[0][:300]


def _plain_row(columns: Sequence[Column]) -> pl.DataFrame:
    """One row without gaps, of the least surprising values that the columns' types have."""
    series = []
    for column in columns:
        dtype = dtype_of(column)
        value = dtype.categories[0] if isinstance(dtype, pl.Enum) and len(dtype.categories) else _PLAIN[column.dtype]
        series.append(pl.Series(column.name, [value]).cast(dtype))
    return pl.DataFrame(series)
