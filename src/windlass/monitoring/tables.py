"""Rows in whatever a Python program holds them, as a Polars frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from windlass.errors import UsageError


def as_frame(data: Any) -> pl.DataFrame:
    """A frame of Polars or pandas, an Arrow table or batch, a NumPy array or a dict of columns as a Polars frame.

    An array `(n,)` or `(n, d)`, of NumPy or Arrow, gets the names `column_0`, `column_1`, ...; a structured one keeps
    its own. Masked values are missing, and objects of several types become texts. Raises UsageError for anything else,
    and for columns that make no table.
    """
    try:
        return _frame(data)
    except (pl.exceptions.ShapeError, pl.exceptions.DuplicateError) as error:
        raise UsageError(
            f"the columns make no table: {error}", remedy="give columns of one length, each with a name of its own"
        ) from error


def _frame(data: Any) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, np.ndarray):
        return _from_array(data)
    if isinstance(data, Mapping):
        return pl.DataFrame({str(name): _named(str(name), values) for name, values in data.items()})
    if type(data).__module__.partition(".")[0] == "pandas":
        return _from_pandas(data)
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return _from_arrow(data)
    raise UsageError(
        f"rows cannot be read from {type(data).__name__}",
        remedy="give a frame of Polars or pandas, an Arrow table, a NumPy array or a dict of columns; of a file, what "
        "polars.read_parquet or polars.read_csv makes of it",
    )


def _from_arrow(data: Any) -> pl.DataFrame:
    """A table, a batch, or an array of its own, which has no names."""
    try:
        return pl.DataFrame(data)
    except pl.exceptions.SchemaError:
        return pl.DataFrame({"column_0": pl.Series(data)})


def _from_array(array: np.ndarray[Any, Any]) -> pl.DataFrame:
    if array.dtype.names is not None:
        return pl.DataFrame({name: _column(array[name]) for name in array.dtype.names})
    if array.ndim not in (1, 2):
        raise UsageError(f"an array of {array.ndim} dimensions is no table", remedy="give one of shape (rows, columns)")
    table = array.reshape(len(array), -1) if array.size else array.reshape(len(array), array.shape[-1])
    return pl.DataFrame({f"column_{place}": _column(table[:, place]) for place in range(table.shape[1])})


def _from_pandas(frame: Any) -> pl.DataFrame:
    """Column by column, so that neither pyarrow is needed nor one odd column spoils the others."""
    if not hasattr(frame, "columns"):
        frame = frame.to_frame()
    names = [str(name) for name in frame.columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two columns are called {twice!r}", remedy="give each column a name of its own")
    return pl.DataFrame([_pandas_column(str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns)])


def _pandas_column(name: str, column: Any) -> pl.Series:
    kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else "extension"
    if kind in "iufbmM":
        return pl.Series(name, _plain(column.to_numpy()), nan_to_null=kind == "f")
    missing = column.isna().to_numpy()
    values = [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]
    return pl.Series(name, _column(values))


def _named(name: str, values: Any) -> pl.Series:
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise UsageError(
            f"the column {name!r} is one {type(values).__name__}", remedy="give a list or an array of its values"
        )
    return _column(values)


def _column(values: Any) -> pl.Series:
    """Mixed types are texts: Polars has no column of them."""
    if isinstance(values, np.ndarray):
        values = _plain(values)
    try:
        return pl.Series(values)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)


def _plain(array: np.ndarray[Any, Any]) -> Any:
    """What Polars takes of an array: neither masks, nor objects, nor long floats, nor times in seconds."""
    if array.dtype.kind == "O" or isinstance(array, np.ma.MaskedArray):
        return array.tolist()
    if array.dtype == np.longdouble:
        return array.astype(np.float64)
    if array.dtype.kind in "mM" and np.datetime_data(array.dtype)[0] not in ("ms", "us", "ns"):
        return array.astype(f"{array.dtype.kind}8[ms]")
    return array
