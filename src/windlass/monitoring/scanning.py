"""Profiles of parquet files that are larger than memory: a few columns at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from windlass.errors import DataError
from windlass.monitoring.column import ColumnProfile, type_of
from windlass.monitoring.measuring import measure, measure_like
from windlass.monitoring.profiles import Profile, assembled, assembled_like, each_column

_BYTES = 256 << 20
"""So much of a file is decoded at once, as far as one column allows."""
_VALUE = 8


def scan_parquet(path: Path, reference: Profile | None = None) -> Profile:
    """The profile of a parquet file, or of a window in it when a reference is given.

    Each column is read once. Memory holds some columns at a time, so it grows with the rows and not with the columns.
    Raises DataError for a file that cannot be read.
    """
    with _reading(path):
        lazy = pl.scan_parquet(path, glob=False)
        schema = lazy.collect_schema()
        rows = int(lazy.select(pl.len()).collect().item())
        if reference is None:
            return assembled(rows, schema, _measured(lazy, list(schema), rows))
        wanted = [column for column in reference.judged if column.name in schema]
        return assembled_like(reference, rows, schema, _measured_like(lazy, wanted, rows))


def texts_in(path: Path, words: Collection[str]) -> dict[str, list[str]]:
    """The columns of a parquet file that hold text, and which of these words are among the values of each.

    Raises DataError for a file that cannot be read.
    """
    with _reading(path):
        lazy = pl.scan_parquet(path, glob=False)
        names = [name for name, dtype in lazy.collect_schema().items() if type_of(dtype) == "text"]
        found: dict[str, list[str]] = {}
        for name in names:
            values = lazy.select(pl.col(name).cast(pl.String)).filter(pl.col(name).is_in(list(words)))
            found[name] = values.unique().collect().to_series().to_list()
        return found


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        why = next(iter(str(error).strip().splitlines()), "unknown format")
        raise DataError(f"the file cannot be read: {why}", where=str(path), remedy="check what wrote it") from error


def _measured(lazy: pl.LazyFrame, names: list[str], rows: int) -> Iterator[tuple[ColumnProfile, str]]:
    for batch in _batches(names, rows):
        frame = lazy.select(batch).collect()
        yield from each_column(measure, frame.get_columns())


def _measured_like(lazy: pl.LazyFrame, wanted: list[ColumnProfile], rows: int) -> Iterator[ColumnProfile | None]:
    by_name = {column.name: column for column in wanted}
    for batch in _batches(list(by_name), rows):
        frame = lazy.select(batch).collect()
        yield from each_column(
            lambda pair: measure_like(*pair), [(by_name[name], frame[name]) for name in frame.columns]
        )


def _batches(names: list[str], rows: int) -> Iterator[list[str]]:
    size = max(1, _BYTES // max(rows * _VALUE, 1))
    for start in range(0, len(names), size):
        yield names[start : start + size]
