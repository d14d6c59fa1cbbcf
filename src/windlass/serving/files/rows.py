"""Files of rows that are larger than memory: read a stretch at a time, written whole or not at all."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import polars as pl

from windlass.errors import DataError, UsageError
from windlass.product.contract.cells import value_of_cell
from windlass.product.contract.types import describe
from windlass.records.bundle import Column

CSV = ".csv"
PARQUET = ".parquet"
MOST_ROWS = 10_000
"""Rows of a stretch."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Some rows of a file, one after the other."""

    first: int
    """Number of the first of them, from 0."""
    carried: pl.DataFrame
    """n rows, every column as the file has it."""
    values: Mapping[str, Sequence[Any]]
    """Those columns that the product knows, as JSON would have their values."""


class Rows(Protocol):
    """A file that is open for reading."""

    @property
    def names(self) -> Sequence[str]:
        """Of its columns."""

    @property
    def share(self) -> float:
        """How much of the file has been read, from 0 to 1."""

    def stretches(self, columns: Sequence[Column]) -> Iterator[Stretch]:
        """All rows, MOST_ROWS at a time; `columns` are those that the product knows."""


def open_rows(path: Path) -> Rows:
    """Raises UsageError for what is no CSV or parquet file, DataError for one that cannot be read."""
    kind = kind_of(path)
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path), remedy="check the path")
    return CsvRows(path) if kind == CSV else ParquetRows(path)


def kind_of(path: Path) -> str:
    """CSV or PARQUET, by the name's ending; raises UsageError for any other."""
    kind = path.suffix.lower()
    if kind not in (CSV, PARQUET):
        told = f"files ending in {kind or 'nothing'} are neither read nor written"
        raise UsageError(told, where=str(path), remedy=f"give a {PARQUET} or a {CSV} file")
    return kind


_OTHER_SIGNS = (";", "\t", "|")
"""What some write between cells in place of commas."""


class CsvRows:
    """Cells are carried as the texts they are; an empty one is null."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = max(path.stat().st_size, 1)
        self._read = 0
        with self._cells() as table:
            self.names: Sequence[str] = next(table, [])
        if not self.names:
            raise DataError("there is no header line", where=str(path), remedy="name the columns in the first line")
        other = next((sign for sign in _OTHER_SIGNS if len(self.names) == 1 and sign in self.names[0]), None)
        if other is not None:
            raise DataError(
                f"its cells are separated by {other!r}",
                where=str(path),
                remedy="write it with commas between the cells",
            )
        twice = [name for name in self.names if list(self.names).count(name) > 1]
        if twice:
            raise DataError(f"the column {twice[0]!r} comes twice", where=str(path), remedy="give each its own name")

    @property
    def share(self) -> float:
        return min(self._read / self._size, 1.0)

    def stretches(self, columns: Sequence[Column]) -> Iterator[Stretch]:
        first, rows = 0, list[list[str]]()
        with self._cells() as table:
            next(table)
            for row in table:
                if not row:
                    continue
                if len(row) != len(self.names):
                    raise DataError(
                        f"row {first + len(rows) + 1} has {len(row)} cells, and the header names {len(self.names)}",
                        where=f"{self._path}, line {table.line}",
                        remedy="put texts that hold a comma into quotes; nothing was written",
                    )
                rows.append(row)
                if len(rows) == MOST_ROWS:
                    yield self._stretch(first, rows, columns)
                    first, rows = first + len(rows), []
        if rows:
            yield self._stretch(first, rows, columns)

    def _stretch(self, first: int, rows: list[list[str]], columns: Sequence[Column]) -> Stretch:
        cells = dict(zip(self.names, zip(*rows, strict=True), strict=True))
        carried = pl.DataFrame({name: [text or None for text in texts] for name, texts in cells.items()})
        values = {
            column.name: [value_of_cell(text, column) for text in cells[column.name]]
            for column in columns
            if column.name in cells
        }
        return Stretch(first=first, carried=carried.cast(pl.String), values=values)

    def _cells(self) -> _Cells:
        return _Cells(self._path, self._count)

    def _count(self, size: int) -> None:
        self._read += size


class _Cells:
    """The rows of a CSV file as lists of texts."""

    def __init__(self, path: Path, count: Any) -> None:
        self._path = path
        self._count = count

    def __enter__(self) -> _Cells:
        self._file = self._path.open(encoding="utf-8-sig", newline="")
        self._table = csv.reader(self._counted(), strict=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> _Cells:
        return self

    def __next__(self) -> list[str]:
        try:
            return next(self._table)
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(
                f"the file is not valid CSV in UTF-8: {error}",
                where=f"{self._path}, line {self.line}",
                remedy="write it as UTF-8, with commas between the cells",
            ) from error

    @property
    def line(self) -> int:
        """The line that was read last, from 1."""
        return self._table.line_num

    def _counted(self) -> Iterator[str]:
        for line in self._file:
            self._count(len(line))
            yield line


class ParquetRows:
    """Columns are carried in their own types."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = 0
        try:
            self._lazy = pl.scan_parquet(path, glob=False)
            self.names: Sequence[str] = list(self._lazy.collect_schema())
            self._rows = int(self._lazy.select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._unreadable(error) from error

    @property
    def share(self) -> float:
        return self._done / max(self._rows, 1)

    def stretches(self, columns: Sequence[Column]) -> Iterator[Stretch]:
        batches = self._lazy.collect_batches(chunk_size=MOST_ROWS, lazy=True)
        try:
            for batch in batches:
                for part in batch.iter_slices(MOST_ROWS):
                    yield Stretch(first=self._done, carried=part, values=_values(part, columns))
                    self._done += part.height
        except pl.exceptions.PolarsError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> DataError:
        why = next(iter(str(error).strip().splitlines()), "unknown format")
        return DataError(f"the file cannot be read: {why}", where=str(self._path), remedy="check what wrote it")


def _values(frame: pl.DataFrame, columns: Sequence[Column]) -> dict[str, list[Any]]:
    values = {}
    for column in columns:
        if column.name not in frame.columns:
            continue
        series = frame.get_column(column.name)
        describe(column.name, series.dtype)  # which refuses what no JSON row can carry
        values[column.name] = (series.cast(pl.Float64) if series.dtype.is_decimal() else series).to_list()
    return values


class WholeFile:
    """A CSV or parquet file that appears under its name when all of it is there, and not at all otherwise.

    Until then it lies in a folder beside, which goes when this is left, whatever happens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kind = kind_of(path)
        self._parts = 0

    def __enter__(self) -> WholeFile:
        try:
            self._folder = Path(tempfile.mkdtemp(dir=self._path.absolute().parent, prefix=f".{self._path.name}."))
        except OSError as error:
            raise UsageError(
                f"nothing can be written there: {error.strerror}", where=str(self._path), remedy="name another place"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, rows: pl.DataFrame) -> None:
        """Add `rows`, with the same columns each time. Raises UsageError where place or format cannot take them."""
        if not self._parts and self._kind == CSV:
            _check_flat(rows, self._path)
        with self._room():
            if self._kind == PARQUET:
                rows.write_parquet(self._folder / f"part-{self._parts:08d}{PARQUET}")
            else:
                with (self._folder / "whole").open("ab") as file:
                    rows.write_csv(file, include_header=self._parts == 0)
        self._parts += 1

    def finish(self) -> None:
        """Give the file its name. Raises UsageError where there is no room for it."""
        whole = self._folder / "whole"
        with self._room():
            if self._kind == PARQUET:
                parts = sorted(self._folder.glob(f"part-*{PARQUET}"))
                pl.scan_parquet(parts, glob=False).sink_parquet(whole)
            with whole.open("rb") as file:
                os.fsync(file.fileno())
            whole.chmod(0o666 & ~_umask())
            whole.replace(self._path)

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pl.exceptions.ComputeError) as error:  # which of them a full disk is hangs on the format
            raise UsageError(
                f"it cannot be written: {error}",
                where=str(self._path),
                remedy="make room there, or name another place",
            ) from error


def _check_flat(rows: pl.DataFrame, path: Path) -> None:
    for name, dtype in rows.schema.items():
        if dtype.is_nested() or dtype in (pl.Binary, pl.Duration, pl.Object):
            raise UsageError(
                f"a {CSV} file cannot hold the column {name!r} of type {dtype}",
                where=str(path),
                remedy=f"write a {PARQUET} file, or give --key-only",
            )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
