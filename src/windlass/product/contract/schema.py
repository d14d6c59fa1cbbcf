"""Reading a user's contract, which is a pandera (polars) model or schema, without importing pandera."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from windlass.errors import ProductError


def schema_of(contract: Any | None) -> Any | None:
    """The pandera DataFrameSchema behind a contract; None without one.

    Raises ProductError for anything that is not a pandera model or schema.
    """
    if contract is None:
        return None
    make = getattr(contract, "to_schema", None)
    schema = make() if callable(make) else contract
    if not (hasattr(schema, "columns") and hasattr(schema, "checks") and callable(getattr(schema, "validate", None))):
        raise ProductError(
            f"a contract must be a pandera model or schema, not {type(contract).__name__}",
            where="`contract`",
            remedy="subclass pandera.polars.DataFrameModel, or build a pandera.polars.DataFrameSchema",
        )
    return schema


def declared_column(schema: Any | None, name: str) -> Any | None:
    """What the contract says of a column, by its name or by a pattern; None when it says nothing."""
    if schema is None:
        return None
    if name in schema.columns:
        return schema.columns[name]
    patterns = (column for column in schema.columns.values() if getattr(column, "regex", False))
    return next((column for column in patterns if re.search(column.name, name)), None)


def as_declared(schema: Any, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` in the contract's own types where the lake keeps another one that holds the same values.

    Moments are kept in UTC and microseconds, categories and enums as texts, unsigned integers as signed ones. A
    contract that says `pl.Datetime("us")` is about naive moments in UTC, and its checks and `features` get just these.
    A column with a value that the declared type cannot hold stays as it is, for pandera to refuse.
    """
    columns = []
    for series in rows.iter_columns():
        dtype = _dtype_of(declared_column(schema, series.name))
        if dtype is not None and is_kept_as(dtype, series.dtype):
            cast = series.cast(dtype, strict=False)
            columns.append(cast if cast.null_count() == series.null_count() else series)
        else:
            columns.append(series)
    return pl.DataFrame(columns)


def _dtype_of(declared: Any | None) -> pl.DataType | None:
    return None if declared is None or declared.dtype is None else declared.dtype.type


def is_kept_as(declared: pl.DataType, found: pl.DataType) -> bool:
    """Whether the lake keeps the declared type as the one that was found."""
    if declared == found:
        return False
    if isinstance(declared, pl.Datetime):
        return found == pl.Datetime("us", "UTC")
    if isinstance(declared, pl.Categorical | pl.Enum):
        return found == pl.String
    return declared.is_unsigned_integer() and found.is_signed_integer()


def name_of(check: Any) -> str:
    """How a check is called in a message: its own words, its built-in form, or its function's name."""
    return str(check.error or check.name or "check")
