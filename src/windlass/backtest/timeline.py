"""The simulated clock of a file: when each row happened, and when its label became known.

Dates and datetimes are the clock itself. Plain numbers have an order but no length, and policies speak of days; so a
window's worth of rows is taken to last a week, and a delay is looked up among the numbers: the label is known when
the first row comes whose number has gone that far.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from windlass.backtest.stream import NEVER
from windlass.errors import DataError, UsageError, WindlassError
from windlass.product.duration import parse_duration

Array = np.ndarray[Any, Any]
_DAY = 86_400 * 1_000_000
_WEEK = 7 * _DAY
_ORIGIN = 946_684_800 * 1_000_000  # 2000-01-01: where the clock of plain numbers starts
FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%Y%m%d",
)
"""How times are written in files, besides ISO 8601 with a zone; the first that reads every value is taken."""
_WITH_ZONE = ("%+", "%Y-%m-%d %H:%M:%S%#z")
_WITH_TIME = tuple(pattern for pattern in FORMATS if "%H" in pattern)
_WITHOUT_TIME = tuple(pattern for pattern in FORMATS if "%H" not in pattern)
_SAMPLE = 100
_LIKE_A_DATE = r"^(\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|\d{1,2}-[A-Za-z]{3}-\d{4}|[A-Za-z]{3} \d{1,2}, \d{4})"


def read_time(column: pl.Series) -> pl.Series:
    """A column as Date, Datetime (microseconds, UTC) or Float64; raises DataError when it is none of them.

    Of `03/04/2020` the month comes first, unless some row shows that it cannot.
    """
    dtype = column.dtype
    if dtype.is_integer() or dtype.is_float() or dtype.is_decimal():
        numbers = column.cast(pl.Float64)
        return pl.select(pl.when(numbers.is_finite()).then(numbers).alias(column.name)).to_series()
    if dtype == pl.Date:
        return column
    if isinstance(dtype, pl.Datetime):
        zoned = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column.dt.convert_time_zone("UTC")
        return zoned.cast(pl.Datetime("us", "UTC"))
    if dtype in (pl.Time, pl.Duration):  # of one day, or since a start that is not known
        return column.cast(pl.Duration("us")).to_physical().cast(pl.Datetime("us", "UTC"))
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _read_text(column.cast(pl.String).str.strip_chars())
    raise DataError(
        f"column {column.name!r} has the type {dtype}, which is no time",
        where=f"column {column.name!r}",
        remedy="name a column of dates, datetimes, date texts or numbers",
    )


def moments_in(column: pl.Series) -> pl.Series | None:
    """A column of texts that are all dates or datetimes as what they say; None for any other column."""
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return None
    text = _without_blanks(column.cast(pl.String).str.strip_chars())
    sample = text.drop_nulls().head(_SAMPLE)
    if not sample.len() or not sample.str.contains(_LIKE_A_DATE).all() or _parsed(sample) is None:
        return None
    return _parsed(text)


def _read_text(text: pl.Series) -> pl.Series:
    text = _without_blanks(text)
    found = _parsed(text)
    if found is not None:
        return found
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        return numbers
    tries = [text.str.to_datetime(pattern, strict=False, time_unit="us") for pattern in (*_WITH_ZONE, *_WITH_TIME)]
    tries += [text.str.to_date(pattern, strict=False) for pattern in _WITHOUT_TIME]
    best = min(tries, key=lambda attempt: attempt.null_count())
    example = text.filter(best.is_null() & text.is_not_null())[0]
    raise DataError(
        f"{example!r} is not read as a time",
        where=f"column {text.name!r}",
        remedy="write times as 2024-03-31 or 2024-03-31 14:05, or give a column of numbers",
    )


def _parsed(text: pl.Series) -> pl.Series | None:
    """Date, or Datetime (microseconds, UTC), by the first format that reads every value."""
    for pattern in (*_WITH_ZONE, *_WITH_TIME):
        found = text.str.to_datetime(pattern, strict=False, time_unit="us")
        if found.null_count() == text.null_count():
            return read_time(found)
    for pattern in _WITHOUT_TIME:
        found = text.str.to_date(pattern, strict=False)
        if found.null_count() == text.null_count():
            return found
    return None


def _without_blanks(text: pl.Series) -> pl.Series:
    return pl.select(pl.when(text != "").then(text).alias(text.name)).to_series()


def moments_of(order: pl.Series, *, windows: int) -> Array:
    """(n,) int64 microseconds of the simulated clock, for times in rising order."""
    if order.dtype.is_numeric():
        week = max(len(order) * 0.8 / windows, 1.0)
        return _ORIGIN + (np.arange(len(order)) * (_WEEK / week)).astype(np.int64)
    return _microseconds(order)


def known_moments(
    order: pl.Series, at: Array, *, delay: str | timedelta | None, label_times: pl.Series | None
) -> Array:
    """(n,) int64: when each label is known, given a delay or the column that says when; NEVER where that is null.

    A label is never known before its row. A mere date is over before a label of that day counts as known, where rows
    have a time of day. Raises UsageError for a delay that does not fit the time, DataError for a
    label time of another kind than the time.
    """
    if order.dtype.is_numeric():
        return _known_by_number(order, at, delay=delay, label_times=label_times)
    if label_times is not None:
        if label_times.dtype.is_numeric():
            raise _other_kind(label_times, "dates, as the time is")
        return np.maximum(_due(label_times, order), at)
    wait = _duration(delay if delay is not None else "0s") // timedelta(microseconds=1)
    known: Array = at + min(wait, NEVER - 1 - int(at.max()))
    return known


def early_labels(order: pl.Series, label_times: pl.Series) -> Array:
    """(n,) bool: the label time lies before the row's own."""
    if order.dtype.is_numeric():
        return np.asarray(label_times.to_numpy() < order.to_numpy())
    return np.asarray(_due(label_times, order) < _microseconds(order))


def _due(label_times: pl.Series, order: pl.Series) -> Array:
    moments = _microseconds(label_times)
    if label_times.dtype == pl.Date and order.dtype != pl.Date:
        return np.where(moments < NEVER, moments + _DAY, NEVER)
    return moments


def _known_by_number(order: pl.Series, at: Array, *, delay: Any, label_times: pl.Series | None) -> Array:
    numbers = order.to_numpy()
    if label_times is not None:
        if not label_times.dtype.is_numeric():
            raise _other_kind(label_times, "numbers, as the time is")
        due = label_times.to_numpy()
    else:
        due = numbers + _number(delay if delay is not None else "0")
    place = np.searchsorted(numbers, np.where(np.isnan(due), np.inf, due), side="left")
    moments = np.append(at, NEVER)[place]
    return np.asarray(np.maximum(moments, at))


def _microseconds(times: pl.Series) -> Array:
    moments = times.cast(pl.Datetime("us")) if times.dtype == pl.Date else times
    return np.asarray(moments.to_physical().fill_null(NEVER).to_numpy())


def _duration(delay: str | timedelta) -> timedelta:
    try:
        return parse_duration(delay, where="--label-delay") if delay != "0" else timedelta(0)
    except WindlassError as error:
        if str(delay).lstrip().startswith("-"):
            raise _negative(delay) from error
        raise UsageError(
            f"{error.what}, and the time is one of dates",
            where="--label-delay",
            remedy="write a number and s, m, h, d or w, such as 7d or 12h",
        ) from error


def _number(delay: str | timedelta) -> float:
    try:
        number = float(delay)  # type: ignore[arg-type]  # a timedelta raises TypeError, which is told below
    except (TypeError, ValueError):
        number = float("nan")
    if number < 0:
        raise _negative(delay)
    if not number >= 0 or number == float("inf"):
        raise UsageError(
            f"{delay!r} is not a number, and the time is one of numbers",
            where="--label-delay",
            remedy="give the delay in the units of the time column, such as 100",
        )
    return number


def _negative(delay: str | timedelta) -> UsageError:
    return UsageError(
        f"the delay {str(delay)!r} is negative: a label would be known before its row",
        where="--label-delay",
        remedy="give how long a label takes after its row, such as 7d, or 0",
    )


def _other_kind(label_times: pl.Series, wanted: str) -> DataError:
    return DataError(
        f"the label time has the type {label_times.dtype}",
        where=f"column {label_times.name!r}",
        remedy=f"name a column of {wanted}",
    )
