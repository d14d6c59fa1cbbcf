"""What rows look like, column by column, in a few kilobytes each.

The bins are frozen with the reference; a window is counted into them, and profiles of parts add up to the profile of
the whole, the same to the bit in whatever order they are put together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import Any, TypeVar

import msgspec
import polars as pl

from windlass.errors import DataError, UsageError
from windlass.monitoring.column import ColumnProfile, type_of
from windlass.monitoring.measuring import NEVER_THERE, measure, measure_like
from windlass.monitoring.merging import merge_columns
from windlass.monitoring.tables import as_frame

Given = TypeVar("Given")
Found = TypeVar("Found")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A reference or a window, column by column; plain data, so that it lies in a bundle as JSON."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    presences: tuple[ColumnProfile, ...] = ()
    """The columns whose values are not judged: whether they are there is, and whether dates and counters lie before all
    of the reference. A profile of an earlier Windlass has none."""
    unwatched: dict[str, str] = {}
    """Columns whose values are not judged for drift -> why."""
    types: dict[str, str] = {}
    """The type in the reference of each of these, as far as it is known, since they too can vanish or change it."""
    vanished: tuple[str, ...] = ()
    """Of a window: columns of its reference that it does not have, or has with another type."""
    retyped: dict[str, str] = {}
    """Of a window: those that it has with another type -> which."""
    unknown: tuple[str, ...] = ()
    """Of a window: columns that its reference does not have."""

    @property
    def judged(self) -> tuple[ColumnProfile, ...]:
        """All columns in which something can drift, those that are judged by their values first."""
        return (*self.columns, *self.presences)

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """The columns that hold text, and the values of each, as far as they are known."""
        unwatched: dict[str, tuple[str, ...]] = {name: () for name, known in self.types.items() if known == "text"}
        return unwatched | {column.name: column.categories for column in self.columns if column.kind == "category"}


def profile(rows: Any, columns: Sequence[str] | None = None) -> Profile:
    """The profile of `rows` (see `tables.as_frame`), in the order of their time; by default of all columns.

    Raises UsageError for `columns` that the rows do not have.
    """
    frame = as_frame(rows)
    schema = frame.schema
    names = list(schema if columns is None else dict.fromkeys(columns))
    absent = [name for name in names if name not in schema]
    if absent:
        raise UsageError(
            f"the rows do not have the columns {', '.join(absent)}", remedy=f"they have: {', '.join(schema)}"
        )
    return assembled(
        frame.height,
        {name: schema[name] for name in names},
        each_column(measure, (frame[name] for name in names)),
    )


def profile_like(reference: Profile, rows: Any) -> Profile:
    """The profile of a window, counted into the bins of the reference."""
    frame = as_frame(rows)
    there = set(frame.columns)
    wanted = [column for column in reference.judged if column.name in there]
    found = each_column(lambda pair: measure_like(*pair), ((column, frame[column.name]) for column in wanted))
    known = {each.name: each.dtype if each.null_count() < frame.height else pl.Null() for each in frame}
    return assembled_like(reference, frame.height, known, found)


def merge(profiles: Iterable[Profile]) -> Profile:
    """The profile of all rows together. Raises DataError unless all have the same bins, UsageError without any."""
    given = list(profiles)
    if not given:
        raise UsageError("there is no profile to merge", remedy="give one or more")
    return reduce(_merged, given)


def same_bins(profile: Profile, reference: Profile) -> bool:
    """Whether the profile's rows were counted into the bins of the reference."""
    bins = {column.name: (column.kind, column.edges, column.categories) for column in reference.judged}
    known = set(bins) - set(profile.vanished)
    own = {column.name: (column.kind, column.edges, column.categories) for column in profile.judged}
    return own.keys() == known and all(bins[name] == own[name] for name in own)


def assembled(rows: int, schema: Mapping[str, pl.DataType], found: Iterable[tuple[ColumnProfile, str]]) -> Profile:
    """A reference's profile from what was found of each column."""
    known = list(found)
    unwatched = {column.name: why for column, why in known if why}
    types = {name: "" if why == NEVER_THERE else type_of(schema[name]) for name, why in unwatched.items()}
    return Profile(
        rows=rows,
        columns=tuple(column for column, why in known if not why),
        presences=tuple(column for column, why in known if why),
        unwatched=unwatched,
        types=types,
    )


def assembled_like(
    reference: Profile, rows: int, schema: Mapping[str, pl.DataType], found: Iterable[ColumnProfile | None]
) -> Profile:
    """A window's profile; `found` holds what could be counted, in the order of the reference."""
    counted = {column.name: column for column in found if column is not None}
    lost = [column.name for column in reference.columns if column.name not in counted]
    lost += [name for name, own in reference.types.items() if name not in schema or not _same_type(own, schema[name])]
    kept = counted.keys() - set(lost)
    known = {column.name for column in reference.columns} | set(reference.unwatched)
    return Profile(
        rows=rows,
        columns=tuple(counted[column.name] for column in reference.columns if column.name in kept),
        presences=tuple(counted[column.name] for column in reference.presences if column.name in kept),
        unwatched=reference.unwatched,
        types=reference.types,
        vanished=tuple(lost),
        retyped={name: type_of(schema[name]) for name in lost if name in schema},
        unknown=tuple(name for name in schema if name not in known),
    )


def _both(columns: Sequence[ColumnProfile], others: Mapping[str, ColumnProfile]) -> tuple[ColumnProfile, ...]:
    return tuple(merge_columns(column, others[column.name]) for column in columns if column.name in others)


def _same_type(known: str, dtype: pl.DataType) -> bool:
    """Whether a column can be of the type that is known of it; one without any value, and nothing, fit all."""
    return not (known and type_of(dtype)) or known == type_of(dtype)


def each_column(work: Callable[[Given], Found], columns: Iterable[Given]) -> list[Found]:
    """`work` on each column, on all cores: sorting lets go of Python's lock."""
    given = list(columns)
    if len(given) < 2:
        return [work(each) for each in given]
    with ThreadPoolExecutor(min(len(given), os.cpu_count() or 1)) as threads:
        return list(threads.map(work, given))


def _merged(first: Profile, second: Profile) -> Profile:
    own, others = ({column.name: column for column in each.judged} for each in (first, second))
    vanished = {*first.vanished, *second.vanished}
    lost = (own.keys() ^ others.keys()) - vanished
    if lost:
        raise DataError(
            f"the profiles have different columns: {', '.join(sorted(lost))}",
            remedy="merge profiles that were made with one reference",
        )
    return Profile(
        rows=first.rows + second.rows,
        columns=_both(first.columns, others),
        presences=_both(first.presences, others),
        unwatched=first.unwatched | second.unwatched,
        types=first.types | second.types,
        vanished=tuple(sorted(vanished)),
        retyped=first.retyped | second.retyped,
        unknown=tuple(sorted({*first.unknown, *second.unknown})),
    )
