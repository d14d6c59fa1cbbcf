"""Bins that are frozen with a reference, and rows counted into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.monitoring.column import DATES, PRESENCES, ColumnProfile, kind_of
from windlass.monitoring.sketches import hash_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

BINS = 20
FEW = 20
"""Values of a number or category that are no more than this get a bin each."""
_AT_ONCE = 131_072
"""Texts taken out of a column together."""
_LARGEST = float(np.finfo(np.float64).max) / 2


def edges_of(ordered: Floats) -> Floats:
    """Edges that cut the sorted finite values into bins of equal size, from just below the least to the largest."""
    inner = distinct_of(ordered)
    if len(inner) > FEW:
        inner = distinct_of(ordered[np.linspace(0, len(ordered) - 1, BINS + 1).round().astype(np.int64)])[1:]
    return np.unique(np.append(np.nextafter(max(ordered[0], -_LARGEST), -np.inf), inner))


def hash_edges(hashes: Floats, counts: Counts) -> Floats:
    """Edges that cut categories, in the order of their hash, into bins of about equal size; none beyond the last."""
    order = np.argsort(hashes)
    share = np.cumsum(counts[order])
    places = np.searchsorted(share, np.linspace(0, share[-1], BINS + 1)[1:-1])
    return np.unique(hashes[order][places])


def hash_places(texts: list[str]) -> Floats:
    """Where each category lies in 0..1: an order that no data has chosen."""
    return np.asarray((hash_texts(texts) >> np.uint64(11)).astype(np.float64) / 2.0**53)


def count_numbers(edges: tuple[float, ...] | Floats, ordered: Floats, missing: int) -> Counts:
    """Sorted values without NaN counted into the bins, missing ones last."""
    places = np.searchsorted(ordered, edges, side="right")
    return np.append(np.diff(places, prepend=0, append=len(ordered)), missing)


def count_column(column: ColumnProfile, values: pl.Series) -> Counts | None:
    """`values` counted into the column's bins, missing ones last; None when they are not of the reference's type."""
    if values.null_count() == len(values):
        return _all_missing(column, len(values))
    if column.kind in PRESENCES:
        return count_presence(column, values)
    if kind_of(values.dtype) != column.kind:
        return None
    if column.kind == "number":
        return count_numbers(column.edges, *sorted_numbers(values))
    texts, counts = frequencies(values)
    found = np.zeros(len(column.counts), dtype=np.int64)
    np.add.at(found, places_of(column, texts), counts)
    found[-1] = values.null_count()
    return found


def count_presence(column: ColumnProfile, values: pl.Series) -> Counts | None:
    """Rows that are there, of a rising column those before all of the reference first, of identifiers by their hash;
    then the missing ones. None when they are not of the reference's type."""
    if column.kind == "presence":
        missing = int(is_missing(values).sum())
        return np.array([len(values) - missing, missing], dtype=np.int64)
    if column.kind == "identifier":
        return _count_identifiers(column, values) if kind_of(values.dtype) == "category" else None
    times = times_of(values)
    return None if times is None else count_numbers(column.edges, *sorted_numbers(times))


def is_missing(values: pl.Series) -> pl.Series:
    """Row by row: null, or NaN, by which NumPy says it."""
    return values.is_null() | values.is_nan().fill_null(value=False) if values.dtype.is_float() else values.is_null()


def _count_identifiers(column: ColumnProfile, values: pl.Series) -> Counts:
    """Row by row, since nearly each has another: new ones spread over the bins of hashes as those of the reference
    did, and such as repeat do not."""
    counts = np.zeros(len(column.counts), dtype=np.int64)
    counts[-1] = values.null_count()
    for start in range(0, len(values), _AT_ONCE):
        texts = values[start : start + _AT_ONCE].drop_nulls().cast(pl.String).to_list()
        places = places_of(column, texts)
        counts[:-1] += np.bincount(places, minlength=len(counts) - 1)
    return counts


def times_of(values: pl.Series) -> pl.Series | None:
    """Where each value lies in time: dates in microseconds, counters as they are; None for what is neither."""
    if values.dtype in DATES:
        return values.dt.epoch("us")
    return values if values.dtype.is_numeric() else None


def places_of(column: ColumnProfile, texts: list[str]) -> Counts:
    """The bin of each category."""
    if column.hashed:
        return np.searchsorted(column.edges, hash_places(texts), side="left")
    places = {text: place for place, text in enumerate(column.categories)}
    return np.array([places.get(text, len(places)) for text in texts], dtype=np.int64)


def sorted_numbers(values: pl.Series) -> tuple[Floats, int]:
    """What is there in ascending order, infinities included, and how many are missing: null or NaN."""
    known = values.drop_nulls() if values.null_count() else values
    ordered: Floats = np.sort((known if known.dtype == pl.Float64 else known.cast(pl.Float64)).to_numpy())
    count = int(np.searchsorted(ordered, np.nan))
    return ordered[:count], len(values) - count


def frequencies(values: pl.Series) -> tuple[list[str], Counts]:
    """The different texts and how often each occurs."""
    known = values.drop_nulls() if values.null_count() else values
    if known.dtype != pl.String:
        known = known.cast(pl.String)
    table = known.alias("value").value_counts(name="count")
    return table["value"].to_list(), table["count"].to_numpy().astype(np.int64)


def distinct_of(ordered: Floats) -> Floats:
    """The different ones among sorted values."""
    kept = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=kept[1:])
    return ordered[kept]


def _all_missing(column: ColumnProfile, rows: int) -> Counts:
    counts = np.zeros(len(column.counts), dtype=np.int64)
    counts[-1] = rows
    return counts
