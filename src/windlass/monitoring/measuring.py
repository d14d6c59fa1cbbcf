"""From the values of one column to its profile, in one pass over sorted parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.monitoring import exact, sketches
from windlass.monitoring.bins import (
    FEW,
    count_numbers,
    count_presence,
    distinct_of,
    edges_of,
    frequencies,
    hash_edges,
    hash_places,
    is_missing,
    places_of,
    sorted_numbers,
    times_of,
)
from windlass.monitoring.column import DATES, MOMENTS, PRESENCES, Beyond, ColumnProfile, Kind, Sketches, kind_of
from windlass.monitoring.unevenness import stretches, unevenness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

_AT_ONCE = 131_072
"""Rows sorted together: more would leave the processor's cache."""
_SAMPLED = 65_536
"""Edges are cut from so many rows, evenly spaced, of a larger reference; all rows are counted into them."""
NEVER_THERE = "it is always missing"
_RISES = "it only rises with time"
_UNIQUE = "every value is its own: identifiers"
_LARGEST = float(np.finfo(np.float64).max)
_EVEN: dict[str, Any] = {"uneven": 0.0, "stretch": 0, "stretches": ()}
"""Of a window: only a reference is asked how its stretches differ."""


def measure(values: pl.Series) -> tuple[ColumnProfile, str]:
    """The profile of a reference's column, and why its values are not judged; empty: they are.

    Only whether they are there is judged of dates and times, of identifiers (nearly every value is its own; where each
    is, also whether they repeat), of columns that only ever rise with time (they are the calendar, not the world) and
    of nested values.
    """
    kind = kind_of(values.dtype)
    if kind == "number":
        found = _number(values)
    elif kind is not None:
        found = _category(values, kind)
    elif values.dtype == pl.Null:
        found = NEVER_THERE
    else:
        found = "it is a date or a time" if values.dtype in MOMENTS else f"values of type {values.dtype} are not judged"
    return (_presence(values, found), found) if isinstance(found, str) else (found, "")


def measure_like(column: ColumnProfile, values: pl.Series) -> ColumnProfile | None:
    """The values in the bins of a reference's column; None when they are not of its type."""
    if values.null_count() == len(values):
        values = pl.Series(values.name, [None] * len(values), dtype=_dtype(column.kind))
    if column.kind in PRESENCES:
        counts = count_presence(column, values)
        return None if counts is None else msgspec.structs.replace(column, counts=tuple(counts.tolist()), **_EVEN)
    if kind_of(values.dtype) != column.kind:
        return None
    empty = msgspec.structs.replace(
        column,
        counts=(0,) * len(column.counts),
        distinct=0,
        **_EVEN,
        minimum=None,
        maximum=None,
        infinite=0,
        total="0",
        squares="0",
        below=Beyond(),
        above=Beyond(),
        sketches=Sketches(),
    )
    return _filled(empty, values)


def _number(values: pl.Series) -> ColumnProfile | str:
    every = _every(len(values))
    sampled = values.gather_every(every) if every > 1 else values
    sample = _finite(sorted_numbers(sampled)[0])
    if not len(sample):
        return NEVER_THERE
    if _rises(values):
        return _RISES
    least, most = _range(values)
    edges = edges_of(np.concatenate([[least], sample, [most]]))
    column = ColumnProfile(
        name=values.name, kind="number", edges=tuple(edges.tolist()), counts=(0,) * (len(edges) + 2), distinct=0
    )
    measured = _filled(column, values)
    numbers = _floats(sampled)
    places = np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers))
    distinct = len(distinct_of(sample)) if every == 1 else measured.distinct
    return _with_unevenness(msgspec.structs.replace(measured, distinct=distinct), places, every)


def _category(values: pl.Series, kind: Kind) -> ColumnProfile | str:
    texts, counts = frequencies(values)
    known = int(counts.sum())
    if not known:
        return NEVER_THERE
    if len(texts) > 100 and len(texts) > known / 2:
        return _UNIQUE if len(texts) == known else "nearly every value is its own: identifiers"
    categories: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    if kind == "boolean":
        categories = ("false", "true")
    elif len(texts) <= FEW and counts.min() > 1:  # where some came once, others are still to come
        order = sorted(range(len(texts)), key=lambda place: (-counts[place], texts[place]))
        categories = tuple(texts[place] for place in order)
    else:
        edges = tuple(hash_edges(hash_places(texts), counts).tolist())
    column = ColumnProfile(
        name=values.name,
        kind=kind,
        edges=edges,
        categories=categories,
        counts=(0,) * (len(edges or categories) + 2),
        distinct=0,
    )
    every = _every(len(values))
    sampled = (values.gather_every(every) if every > 1 else values).cast(pl.String)
    places = sampled.replace_strict(texts, places_of(column, texts), default=len(column.counts) - 1).to_numpy()
    return _with_unevenness(_filled(column, values), places, every)


def _presence(values: pl.Series, why: str) -> ColumnProfile:
    if why == _UNIQUE:
        return _identifiers(values)
    rises = why == _RISES and not _falls(values)  # the minute of a day falls each day, and some days begin earlier
    rises |= values.dtype in DATES and values.null_count() < len(values)
    times = times_of(values) if rises else None
    if times is None:
        column = ColumnProfile(name=values.name, kind="presence", counts=(0, 0), distinct=0)
        places = is_missing(values).to_numpy().astype(np.int64)
    else:
        numbers = _floats(times)
        before = np.nextafter(np.nanmin(numbers[np.isfinite(numbers)]), -np.inf)
        column = ColumnProfile(name=values.name, kind="rising", edges=(float(before),), counts=(0, 0, 0), distinct=0)
        places = np.where(np.isnan(numbers), 2, np.searchsorted([before], numbers))
    return _in_places(column, places)


def _identifiers(values: pl.Series) -> ColumnProfile:
    hashes = hash_places(values.drop_nulls().cast(pl.String).to_list())
    edges = tuple(hash_edges(hashes, np.ones(len(hashes), dtype=np.int64)).tolist())
    column = ColumnProfile(name=values.name, kind="identifier", edges=edges, counts=(0,) * (len(edges) + 2), distinct=0)
    places = np.full(len(values), len(edges) + 1, dtype=np.int64)
    places[values.is_not_null().to_numpy()] = np.searchsorted(edges, hashes, side="left")
    return _in_places(column, places)


def _in_places(column: ColumnProfile, places: Counts) -> ColumnProfile:
    """The column with its rows counted, each in its bin."""
    counts = tuple(np.bincount(places, minlength=len(column.counts)).tolist())
    every = _every(len(places))
    return _with_unevenness(msgspec.structs.replace(column, counts=counts), places[::every], every)


def _filled(column: ColumnProfile, values: pl.Series) -> ColumnProfile:
    """The column with the rows: counts, and what is shown beside."""
    return _fill_numbers(column, values) if column.kind == "number" else _fill_texts(column, values)


def _fill_numbers(column: ColumnProfile, values: pl.Series) -> ColumnProfile:
    stride = sketches.stride_for(len(values))
    quantiles, registers = sketches.new_quantiles(), sketches.new_registers()
    counts = np.zeros(len(column.counts), dtype=np.int64)
    total = squares = "0"
    infinite = 0
    below, above = Beyond(), Beyond()
    ends: list[float] = []
    for start in range(0, len(values), _AT_ONCE):
        ordered, missing = sorted_numbers(values[start : start + _AT_ONCE])
        counts += count_numbers(column.edges, ordered, missing)
        finite = _finite(ordered)
        infinite += len(ordered) - len(finite)
        if not len(finite):
            continue
        sketches.add_sorted(quantiles, finite, stride)
        sketches.add_hashes(registers, sketches.hash_numbers(distinct_of(finite)))
        total = exact.added(total, exact.summed(finite))
        squares = exact.added(squares, exact.squared(finite, column.centre))
        ends += [float(finite[0]), float(finite[-1])]
        inner = np.searchsorted(finite, (column.edges[0], column.edges[-1]), side="right")
        below, above = _more_beyond(below, finite[: inner[0]]), _more_beyond(above, finite[inner[1] :])
    return msgspec.structs.replace(
        column,
        counts=tuple(counts.tolist()),
        distinct=sketches.distinct_count(registers),
        minimum=min(ends, default=None),
        maximum=max(ends, default=None),
        infinite=infinite,
        total=total,
        squares=squares,
        below=below,
        above=above,
        sketches=Sketches(quantiles=quantiles.serialize(), stride=stride, registers=registers.tobytes()),
    )


def _more_beyond(before: Beyond, values: Floats) -> Beyond:
    if not len(values):
        return before
    return Beyond(rows=before.rows + len(values), total=exact.added(before.total, exact.summed(values)))


def _fill_texts(column: ColumnProfile, values: pl.Series) -> ColumnProfile:
    texts, often = frequencies(values)
    counts = np.zeros(len(column.counts), dtype=np.int64)
    np.add.at(counts, places_of(column, texts), often)
    counts[-1] = values.null_count()
    registers = sketches.new_registers()
    sketches.add_hashes(registers, sketches.hash_texts(texts))
    frequent = sketches.frequent_sketch(texts, often.tolist()) if column.hashed else b""
    return msgspec.structs.replace(
        column,
        counts=tuple(counts.tolist()),
        distinct=len(texts),
        sketches=Sketches(registers=registers.tobytes(), frequent=frequent),
    )


def _with_unevenness(column: ColumnProfile, places: Counts, every: int) -> ColumnProfile:
    """`places`: the bins of every so manieth row."""
    held, size = places.astype(np.int64), len(column.counts)
    uneven, stretch = unevenness(held, size)
    found = stretches(held, size, ordered=column.kind == "number")
    return msgspec.structs.replace(
        column,
        uneven=uneven,
        stretch=stretch * every,
        stretches=tuple((rows * every, float(f"{variance:.4g}")) for rows, variance in found),
    )


def _every(rows: int) -> int:
    return max(1, -(-rows // _SAMPLED))


def _finite(ordered: Floats) -> Floats:
    return ordered[np.searchsorted(ordered, -_LARGEST) : np.searchsorted(ordered, _LARGEST, side="right")]


def _range(values: pl.Series) -> tuple[float, float]:
    """The least and the largest finite value; there is one."""
    finite = values.filter(values.is_finite()) if values.dtype.is_float() else values
    return float(finite.min()), float(finite.max())  # type: ignore[arg-type]  # numbers, and there is one


def _rises(values: pl.Series) -> bool:
    """Whether the values, in the order of time, all but never fall: a counter, a year."""
    numbers = _floats(values.drop_nulls() if values.null_count() else values)
    if len(numbers) < 3:
        return False
    up, down = np.count_nonzero(numbers[1:] > numbers[:-1]), np.count_nonzero(numbers[1:] < numbers[:-1])
    return bool(up >= 2 and down <= 0.01 * (up + down))


def _falls(values: pl.Series) -> bool:
    """Whether a number is ever less than the one before."""
    return bool((np.diff(_floats(values.drop_nulls())) < 0).any())


def _floats(values: pl.Series) -> Floats:
    """As float64; null becomes NaN."""
    return np.asarray((values if values.dtype == pl.Float64 else values.cast(pl.Float64)).to_numpy())


def _dtype(kind: Kind) -> Any:
    return {"category": pl.String, "identifier": pl.String, "boolean": pl.Boolean}.get(kind, pl.Float64)
