"""What the rows of a reference look like, in a few kilobytes.

The bins are frozen with the reference; a window is counted into them, and counts of parts add up to the counts of the
whole, whatever the parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.divergence import psi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

Kind = Literal["number", "category", "boolean"]

BINS = 10
CATEGORIES = 20
"""The most frequent ones; the rest is counted together."""
_FEW = 20
"""Numbers with no more distinct values than this get a bin each."""
_PARTS = 10
_PART_ROWS = 100
_LARGEST = float(np.finfo(np.float64).max) / 2
_MOMENTS = (pl.Date, pl.Datetime, pl.Time, pl.Duration)


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the reference."""

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    """Numbers: bin i holds what is above edge i-1 and at most edge i. The outer ones enclose the reference's range, so
    that the first and the last bin are empty in the reference."""
    categories: tuple[str, ...] = ()
    """Categories and booleans: one bin each, then one for all others."""
    counts: tuple[int, ...]
    """Rows of the reference in each bin, missing ones last."""
    distinct: int
    usual_psi: float = 0.0
    """The largest shift (population stability index) of a tenth of the reference's rows, in the order of their time,
    from all of it: what the seasons and the trend within the reference amount to."""
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A reference, column by column; plain data, so that it lies in the bundle as JSON."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    unwatched: dict[str, str] = {}
    """Columns that cannot be judged for drift -> why."""


def profile(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> Profile:
    """The profile of `frame`, whose rows are in the order of their time; by default of all columns.

    Not watched, and said so: moments, identifiers (nearly every value is its own), columns that only ever rise with
    time (they are the calendar, not the world), and nested values.
    """
    watched: list[ColumnProfile] = []
    unwatched: dict[str, str] = {}
    for name in frame.columns if columns is None else columns:
        found = _profile_column(frame[name])
        if isinstance(found, str):
            unwatched[name] = found
        else:
            watched.append(found)
    return Profile(rows=frame.height, columns=tuple(watched), unwatched=unwatched)


def count_column(column: ColumnProfile, values: pl.Series) -> Counts | None:
    """`values` counted into the column's bins, missing ones last; None when they are not of the reference's type."""
    if values.dtype != pl.Null and kind_of(values.dtype) != column.kind:
        return None
    return np.bincount(_bins_of(column, values), minlength=len(column.counts))


def kind_of(dtype: pl.DataType) -> Kind | None:
    """How a column of this type is judged; None: not at all."""
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "category"
    return None


def _profile_column(values: pl.Series) -> ColumnProfile | str:
    """The column's profile, or why it has none."""
    kind = kind_of(values.dtype)
    if kind == "number":
        return _profile_numbers(values)
    if kind is not None:
        return _profile_categories(values, kind)
    if values.dtype == pl.Null:
        return "it is always missing"
    return "it is a moment" if values.dtype in _MOMENTS else f"values of type {values.dtype} are not judged"


def _profile_numbers(values: pl.Series) -> ColumnProfile | str:
    finite = _numbers(values)
    if len(finite) == 0:
        return "it is always missing"
    if _rises(finite):
        return "it only rises with time"
    ordered = np.sort(finite)
    distinct = 1 + int(np.count_nonzero(np.diff(ordered)))
    inner = np.unique(ordered if distinct <= _FEW else _quantiles(ordered))
    if distinct > _FEW:
        inner = inner[1:]  # the least value shares a bin with those up to the first tenth
    edges = np.unique(np.append(np.nextafter(max(ordered[0], -_LARGEST), -np.inf), inner))
    column = ColumnProfile(
        name=values.name,
        kind="number",
        edges=tuple(edges.tolist()),
        counts=(0,) * (len(edges) + 2),
        distinct=distinct,
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        mean=float(finite.mean()),
    )
    return _filled(column, values)


def _quantiles(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the sample that cut it into parts of equal size, from the least to the largest."""
    places = np.linspace(0, len(ordered) - 1, BINS + 1).round().astype(np.int64)
    return np.asarray(ordered[places], dtype=np.float64)


def _rises(numbers: NDArray[np.float64]) -> bool:
    """Whether the values, in the order of time, all but never fall: a counter, a year."""
    steps = np.diff(numbers)
    steps = steps[steps != 0]
    return len(steps) >= 2 and float((steps > 0).mean()) >= 0.99


def _profile_categories(values: pl.Series, kind: Kind) -> ColumnProfile | str:
    frequencies = values.drop_nulls().cast(pl.String).alias("value").value_counts(name="count")
    known = int(frequencies["count"].sum())
    if known == 0:
        return "it is always missing"
    if frequencies.height > 100 and frequencies.height > known / 2:
        return "nearly every value is its own: identifiers"
    top = frequencies.sort(["count", "value"], descending=[True, False]).head(CATEGORIES)
    column = ColumnProfile(
        name=values.name,
        kind=kind,
        categories=tuple(top["value"].to_list()),
        counts=(0,) * (top.height + 2),
        distinct=frequencies.height,
    )
    return _filled(column, values)


def _filled(column: ColumnProfile, values: pl.Series) -> ColumnProfile:
    """The column with its counts, and how much its parts differ among themselves."""
    bins, size = _bins_of(column, values), len(column.counts)
    parts = np.array_split(bins, _PARTS) if len(bins) >= _PARTS * _PART_ROWS else [bins]
    counts = np.array([np.bincount(part, minlength=size) for part in parts])
    total = counts.sum(axis=0)
    usual = max(psi(total, part) for part in counts)
    return msgspec.structs.replace(column, counts=tuple(total.tolist()), usual_psi=usual)


def _bins_of(column: ColumnProfile, values: pl.Series) -> Counts:
    """The bin of each value; null and NaN are missing, infinities lie in the outer bins."""
    missing = len(column.counts) - 1
    if values.dtype == pl.Null:
        return np.full(len(values), missing, dtype=np.int64)
    if column.kind == "number":
        numbers = values.cast(pl.Float64).to_numpy()  # null becomes NaN
        bins = np.searchsorted(column.edges, numbers, side="left")
        bins[np.isnan(numbers)] = missing
        return bins
    codes = values.cast(pl.String).cast(pl.Enum(column.categories), strict=False).to_physical().to_numpy()
    bins = np.where(np.isnan(codes), len(column.categories), codes).astype(np.int64)  # null: missing, or an other value
    if values.null_count():
        bins[values.is_null().to_numpy()] = missing
    return bins


def _numbers(values: pl.Series) -> NDArray[np.float64]:
    """What is there and finite, as float64."""
    numbers: NDArray[Any] = values.drop_nulls().cast(pl.Float64).to_numpy()
    return np.asarray(numbers[np.isfinite(numbers)], dtype=np.float64)
