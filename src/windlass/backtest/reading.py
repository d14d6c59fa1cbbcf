"""A parquet or CSV file as a frame, whatever wrote it: separators, encodings, decimal commas, stray spaces."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from windlass.errors import DataError, UsageError, WindlassError

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv")
NULLS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
"""What stands for a missing value in a CSV file, unless it is known to be a value."""
_SEPARATORS = (",", ";", "\t", "|")
_HEADER_BYTES = 1 << 20
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DECIMAL_COMMA = r"^[+-]?\d*,?\d+$"


def read_file(path: Path, notes: list[str], *, texts: Mapping[str, Collection[str]] | None = None) -> pl.DataFrame:
    """The rows of a parquet or CSV file; what had to be guessed of a CSV file goes to `notes`.

    `texts` names columns of which it is known that they hold text, whatever those of a CSV file look like, and for each
    the values that it is known to have: those that look like a missing one, as NA, are none there. Raises UsageError
    for what is no such file, DataError for one that cannot be read.
    """
    kind = _kind(path)
    try:
        return pl.read_parquet(path, glob=False) if kind in PARQUET else _read_text(path, notes, texts or {})
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, str(error).strip()) from error
    except OSError as error:
        raise _unreadable(path, str(error)) from error


def _kind(path: Path) -> str:
    if path.is_dir():
        raise UsageError("this is a folder", where=str(path), remedy="name one .parquet or .csv file in it")
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path), remedy="check the path")
    kind = path.suffix.lower()
    if kind not in (*PARQUET, *TEXT):
        raise UsageError(
            f"files ending in {kind or 'nothing'} are not read",
            where=str(path),
            remedy="give a .parquet or a .csv file",
        )
    if not path.stat().st_size:
        raise DataError("the file is empty", where=str(path), remedy="check what wrote it")
    return kind


def _read_text(path: Path, notes: list[str], texts: Mapping[str, Collection[str]]) -> pl.DataFrame:
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    source: Path | bytes = path
    if start[:2] in _UTF_16:
        source = path.read_bytes().decode("utf-16", errors="replace").encode()
        start = source[:_HEADER_BYTES]
        notes.append("the file is UTF-16")
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(start)
    if separator not in (",", "\t"):
        notes.append(f"columns are separated by {separator!r}")
    try:
        frame = _parse(source, separator, path=path, texts=texts)
    except pl.exceptions.ComputeError as error:
        if "utf-8" not in str(error) or isinstance(source, bytes):
            raise
        source = path.read_bytes().decode("cp1252", errors="replace").encode()
        frame = _parse(source, separator, path=path, texts=texts)
        notes.append("the file is not UTF-8, and was read as Windows-1252")
    frame = _with_plain_names(frame)
    comma = separator == ";"
    tidied = [_tidy(column, decimal_comma=comma, words=texts.get(column.name)) for column in frame.get_columns()]
    return frame.with_columns(tidied)


def _parse(source: Path | bytes, separator: str, *, path: Path, texts: Mapping[str, Collection[str]]) -> pl.DataFrame:
    def parsed(**options: Any) -> pl.DataFrame:
        return pl.read_csv(
            io.BytesIO(source) if isinstance(source, bytes) else source,
            separator=separator,
            glob=False,
            **options,
        )

    header = parsed(has_header=False, infer_schema=False, n_rows=1).row(0)
    _check_header(header, path)
    known = {name: pl.String for name in header if name is not None and name.strip() in texts}
    frame = parsed(try_parse_dates=True, infer_schema_length=None, null_values=list(NULLS), schema_overrides=known)
    worded = [name for name in known if not set(NULLS).isdisjoint(texts[name.strip()])]
    return frame.with_columns(parsed(columns=worded, infer_schema=False)) if worded else frame


def _check_header(names: tuple[Any, ...], path: Path) -> None:
    """Raise DataError where a name stands twice: the reader would call the second one something else, and silently."""
    for name, times in Counter(names).items():
        if name is not None and times > 1:
            raise DataError(
                f"{times} columns are named {name!r}",
                where=f"{path}, header",
                remedy="give each column a name of its own, or leave out those that are not wanted",
            )


def _separator(start: bytes) -> str:
    """The one that the header has most of, outside quotes; a comma where it has none."""
    lines = start.decode("utf-8", errors="replace").splitlines()
    header = next((line for line in lines if line.strip()), "")
    outside = "".join(header.split('"')[::2])
    return max(_SEPARATORS, key=outside.count)


def _with_plain_names(frame: pl.DataFrame) -> pl.DataFrame:
    """Without spaces around the names, as in `time, label`, unless two names would become one."""
    plain = [name.strip() for name in frame.columns]
    return frame.rename(dict(zip(frame.columns, plain, strict=True))) if len(set(plain)) == len(plain) else frame


def _tidy(column: pl.Series, *, decimal_comma: bool, words: Collection[str] | None) -> pl.Series:
    """Texts without spaces around them; numbers that the spaces or a decimal comma had kept from being read as such,
    unless it is known to be a column of text, with these `words` among its values."""
    if column.dtype != pl.String:
        return column
    plain = column.str.strip_chars()
    plain = plain.set(plain.is_in([null for null in NULLS if null not in (words or ())]), None)
    known = plain.drop_nulls()
    if words is not None or not len(known):
        return plain
    if known.str.contains(_NUMBER).all() and (column != plain).any():
        return _number(plain)
    if decimal_comma and known.str.contains(_DECIMAL_COMMA).all():
        return _number(plain.str.replace(",", ".", literal=True))
    return plain


def _number(text: pl.Series) -> pl.Series:
    whole = text.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == text.null_count() else text.cast(pl.Float64)


def _unreadable(path: Path, why: str) -> WindlassError:
    if "more fields" in why:
        return DataError(
            "a line has more fields than the header has names",
            where=str(path),
            remedy="put texts that hold the separator into quotes, and leave out lines before the header",
        )
    lines = why.splitlines() or ["unknown format"]
    return DataError(f"the file cannot be read: {lines[0]}", where=str(path), remedy="check what wrote it")
