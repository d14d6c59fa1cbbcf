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
_WEEK = 7 * 86_400 * 1_000_000
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
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _read_text(column.cast(pl.String).str.strip_chars())
    raise DataError(
        f"column {column.name!r} has the type {dtype}, which is no time",
        where=f"column {column.name!r}",
        remedy="name a column of dates, datetimes, date texts or numbers",
    )


def _read_text(text: pl.Series) -> pl.Series:
    text = pl.select(pl.when(text != "").then(text).alias(text.name)).to_series()
    numbers = text.cast(pl.Float64, strict=False)
    parsed = [text.str.to_datetime(pattern, strict=False, time_unit="us") for pattern in ("%+", "%Y-%m-%d %H:%M:%S%#z")]
    parsed += [text.str.to_datetime(pattern, strict=False, time_unit="us") for pattern in FORMATS if "%H" in pattern]
    for found in parsed:
        if found.null_count() == text.null_count():
            return read_time(found)
    for pattern in (pattern for pattern in FORMATS if "%H" not in pattern):
        found = text.str.to_date(pattern, strict=False)
        if found.null_count() == text.null_count():
            return found
    if numbers.null_count() == text.null_count():
        return numbers
    best = min(parsed, key=lambda found: found.null_count())
    example = text.filter(best.is_null() & text.is_not_null())[0]
    raise DataError(
        f"{example!r} is not read as a time",
        where=f"column {text.name!r}",
        remedy="write times as 2024-03-31 or 2024-03-31 14:05, or give a column of numbers",
    )


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

    A label is never known before its row. Raises UsageError for a delay that does not fit the time, DataError for a
    label time of another kind than the time.
    """
    if order.dtype.is_numeric():
        return _known_by_number(order, at, delay=delay, label_times=label_times)
    if label_times is not None:
        if label_times.dtype.is_numeric():
            raise _other_kind(label_times, "dates, as the time is")
        return np.maximum(_microseconds(label_times), at)
    wait = _duration(delay or "0s")
    known: Array = at + round(wait.total_seconds() * 1e6)
    return known


def _known_by_number(order: pl.Series, at: Array, *, delay: Any, label_times: pl.Series | None) -> Array:
    numbers = order.to_numpy()
    if label_times is not None:
        if not label_times.dtype.is_numeric():
            raise _other_kind(label_times, "numbers, as the time is")
        due = label_times.to_numpy()
    else:
        due = numbers + _number(delay or "0")
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
        raise UsageError(
            f"{delay!r} is not a duration, and the time is one of dates",
            where="--label-delay",
            remedy="write a number and s, m, h, d or w, such as 7d or 12h",
        ) from error


def is_number(delay: str) -> bool:
    """Whether a delay was given as a plain number."""
    try:
        return float(delay) >= 0
    except ValueError:
        return False


def _number(delay: str | timedelta) -> float:
    try:
        number = float(delay)  # type: ignore[arg-type]  # a timedelta raises TypeError, which is told below
    except (TypeError, ValueError):
        number = float("nan")
    if not number >= 0 or number == float("inf"):
        raise UsageError(
            f"{delay!r} is not a number, and the time is one of numbers",
            where="--label-delay",
            remedy="give the delay in the units of the time column, such as 100",
        )
    return number


def _other_kind(label_times: pl.Series, wanted: str) -> DataError:
    return DataError(
        f"the label time has the type {label_times.dtype}",
        where=f"column {label_times.name!r}",
        remedy=f"name a column of {wanted}",
    )
