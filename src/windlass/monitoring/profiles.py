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
    unwatched: dict[str, str] = {}
    """Columns that cannot be judged for drift -> why."""
    types: dict[str, str] = {}
    """The type in the reference of each of these, as far as it is known, since they too can vanish or change it."""
    vanished: tuple[str, ...] = ()
    """Of a window: columns of its reference that it does not have, or has with another type."""
    retyped: dict[str, str] = {}
    """Of a window: those that it has with another type -> which."""
    unknown: tuple[str, ...] = ()
    """Of a window: columns that its reference does not have."""

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
    wanted = [column for column in reference.columns if column.name in there]
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
    bins = {column.name: (column.kind, column.edges, column.categories) for column in reference.columns}
    known = set(bins) - set(profile.vanished)
    own = {column.name: (column.kind, column.edges, column.categories) for column in profile.columns}
    return own.keys() == known and all(bins[name] == own[name] for name in own)


def assembled(rows: int, schema: Mapping[str, pl.DataType], found: Iterable[ColumnProfile | str]) -> Profile:
    """A reference's profile from what was found of each column."""
    watched: list[ColumnProfile] = []
    unwatched: dict[str, str] = {}
    for name, each in zip(schema, found, strict=True):
        if isinstance(each, str):
            unwatched[name] = each
        else:
            watched.append(each)
    types = {name: "" if why == NEVER_THERE else type_of(schema[name]) for name, why in unwatched.items()}
    return Profile(rows=rows, columns=tuple(watched), unwatched=unwatched, types=types)


def assembled_like(
    reference: Profile, rows: int, schema: Mapping[str, pl.DataType], found: Iterable[ColumnProfile | None]
) -> Profile:
    """A window's profile; `found` holds what could be counted, in the order of the reference."""
    columns = tuple(column for column in found if column is not None)
    counted = {column.name for column in columns}
    lost = [column.name for column in reference.columns if column.name not in counted]
    lost += [name for name, own in reference.types.items() if name not in schema or not _same_type(own, schema[name])]
    known = {column.name for column in reference.columns} | set(reference.unwatched)
    return Profile(
        rows=rows,
        columns=columns,
        unwatched=reference.unwatched,
        types=reference.types,
        vanished=tuple(lost),
        retyped={name: type_of(schema[name]) for name in lost if name in schema},
        unknown=tuple(name for name in schema if name not in known),
    )


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
    own, others = ({column.name: column for column in each.columns} for each in (first, second))
    both = [name for name in own if name in others]
    vanished = {*first.vanished, *second.vanished}
    lost = (own.keys() ^ others.keys()) - vanished
    if lost:
        raise DataError(
            f"the profiles have different columns: {', '.join(sorted(lost))}",
            remedy="merge profiles that were made with one reference",
        )
    return Profile(
        rows=first.rows + second.rows,
        columns=tuple(merge_columns(own[name], others[name]) for name in both),
        unwatched=first.unwatched | second.unwatched,
        types=first.types | second.types,
        vanished=tuple(sorted(vanished)),
        retyped=first.retyped | second.retyped,
        unknown=tuple(sorted({*first.unknown, *second.unknown})),
    )
