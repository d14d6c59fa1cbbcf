"""How single columns become numbers: what is learned of each, as plain data, and how it is applied.

Three kinds of column: numbers (also booleans, durations and times of day), moments (dates and datetimes) and
categories. Everything learned is a dict of lists, strings, floats and numpy arrays, so that any safe format keeps it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from windlass.errors import ProductError

Array = np.ndarray[Any, Any]

_SHORT = 64  # rows up to which a dict is quicker than a cast to an Enum (160 us a column, whatever its length)
_DAY = 86_400.0
CYCLES = {"hour": 24.0, "weekday": 7.0, "yearday": 365.25}
"""Parts of a moment and their lengths: hours, days (Monday is 0), days (1 January is 0)."""


def kind_of(dtype: pl.DataType) -> str | None:
    """`number`, `moment` or `category`; None for a dtype that has no sound encoding (lists, structs, bytes)."""
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Duration, pl.Time):
        return "number"
    if dtype in (pl.Date, pl.Datetime):
        return "moment"
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return "category"
    return None


def check_encodable(frame: pl.DataFrame, *, where: str) -> None:
    """Raise ProductError that names every column whose dtype has no sound encoding."""
    wrong = {name: dtype for name, dtype in frame.schema.items() if kind_of(dtype) is None}
    if not wrong:
        return
    name, dtype = next(iter(wrong.items()))
    raise ProductError(
        "an estimator gets numbers, and the default encoding has none for "
        + ", ".join(f"{name!r} of type {dtype}" for name, dtype in wrong.items()),
        where=f"{where}, column {name!r}",
        remedy=f"{_spread(name, dtype)} in `features`, leave it out there, or define `train`, "
        "which gets the frame as it is",
    )


def _spread(name: str, dtype: pl.DataType) -> str:
    """What makes encodable columns of one that is not."""
    if isinstance(dtype, pl.Struct):
        return f"spread it into columns (rows.unnest({name!r}))"
    if isinstance(dtype, pl.List | pl.Array):
        space = "list" if isinstance(dtype, pl.List) else "arr"
        return f"spread it into columns (pl.col({name!r}).{space}.get(0), .{space}.len(), ...)"
    return "turn it into a number, a text or a date"


def numbers_of(column: pl.Series) -> Array:
    """(n,) float64, null being NaN and infinities staying; durations in seconds, times of day in hours."""
    dtype = column.dtype
    if isinstance(dtype, pl.Float64):  # first, since to compare with another type takes as long as the numbers
        return np.asarray(column.to_numpy())
    if dtype == pl.Duration:
        return _seconds(column.to_numpy().astype("timedelta64[us]"))
    if dtype == pl.Time:
        return np.asarray(column.to_physical().cast(pl.Float64).to_numpy() / 3.6e12)
    return np.asarray(column.cast(pl.Float64, strict=False).to_numpy())


def seconds_of(column: pl.Series) -> Array:
    """(n,) float64 seconds since 1970 in UTC; null is NaN. What is not a moment is read as one if it can be."""
    if column.dtype not in (pl.Date, pl.Datetime):
        text = column.cast(pl.String, strict=False)
        if text.null_count() == len(text):
            return np.full(len(text), np.nan)
        column = text.str.to_datetime(strict=False, time_unit="us")
    return _seconds(column.to_numpy().astype("datetime64[us]"))


def _seconds(ticks: Array) -> Array:
    """Microseconds of numpy's own types as float64 seconds; NaT is NaN."""
    seconds = ticks.astype(np.int64) / 1e6
    missing = np.isnat(ticks)
    return np.asarray(np.where(missing, np.nan, seconds) if missing.any() else seconds)


def part_of(seconds: Array, part: str) -> Array:
    """(n,) float64: the `part` (a key of CYCLES) of moments in seconds since 1970; NaN stays NaN."""
    if part == "hour":
        return np.mod(seconds, _DAY) / 3600
    days = np.floor(seconds / _DAY)
    if part == "weekday":
        return np.asarray(np.mod(days + 3, 7))  # 1970-01-01 was a Thursday
    known = np.isfinite(days)
    whole = np.where(known, days, 0).astype("datetime64[D]")
    since_new_year = (whole - whole.astype("datetime64[Y]").astype("datetime64[D]")).astype(float)
    return np.asarray(np.where(known, since_new_year, np.nan))


def codes_of(column: pl.Series, values: dict[str, int], enum: pl.Enum) -> Array:
    """(n,) int64: the position of each value, `len(values)` for one never seen, `len(values) + 1` for null.

    Both ways look up the same exact strings, so a value's code does not depend on how many rows came with it.
    """
    unseen, missing = len(values), len(values) + 1
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        column = column.cast(pl.String, strict=False)
    if len(column) <= _SHORT:
        found = ((missing if value is None else values.get(value, unseen)) for value in column.to_list())
        return np.fromiter(found, dtype=np.int64, count=len(column))
    codes = column.cast(enum, strict=False).to_physical().cast(pl.Int64).fill_null(unseen).to_numpy(writable=True)
    if column.null_count():
        codes[column.is_null().to_numpy()] = missing
    return codes


def target_means(codes: Array, size: int, target: Array, fold: Array, *, smoothing: float) -> tuple[Array, Array]:
    """The mean target of each code, and for each row the mean of its code among rows of other folds.

    `codes` and `fold` are (n,), `target` is (n, k); the results are (size, k) and (n, k). Means are drawn towards the
    overall mean as if by `smoothing` more rows, so a code without rows has the overall mean. With a single fold the
    rows get the means that their own labels went into. Source: Micci-Barreca (2001), "A preprocessing scheme for
    high-cardinality categorical attributes", eq. 3 and 7.
    """
    folds = int(fold.max()) + 1
    cell = fold * size + codes

    def by_cell(weights: Array | None) -> Array:
        return np.bincount(cell, weights=weights, minlength=folds * size).reshape(folds, size).astype(float)

    counts = by_cell(None)
    sums = np.stack([by_cell(one) for one in target.T], axis=2)
    rows, total = counts.sum(axis=0), sums.sum(axis=0)
    prior = target.mean(axis=0)
    table: Array = (total + smoothing * prior) / (rows[:, None] + smoothing)
    if folds == 1:
        return table, table[codes]
    other_rows = rows - counts
    other_prior = (total.sum(axis=0) - sums.sum(axis=1)) / np.maximum(other_rows.sum(axis=1), 1)[:, None]
    means: Array = (total - sums + smoothing * other_prior[:, None, :]) / (other_rows[:, :, None] + smoothing)
    return table, means[fold, codes]
