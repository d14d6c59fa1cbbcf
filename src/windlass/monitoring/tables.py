"""Rows in whatever a Python program holds them, as a Polars frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from windlass.errors import UsageError


def as_frame(data: Any) -> pl.DataFrame:
    """A frame of Polars or pandas, an Arrow table or batch, a NumPy array or a dict of columns as a Polars frame.

    An array `(n,)` or `(n, d)` gets the names `column_0`, `column_1`, ...; a structured one keeps its own. Raises
    UsageError for anything else.
    """
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, np.ndarray):
        return _from_array(data)
    if isinstance(data, Mapping):
        return pl.DataFrame({str(name): _column(values) for name, values in data.items()})
    if type(data).__module__.partition(".")[0] == "pandas":
        return _from_pandas(data)
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return pl.DataFrame(data)
    raise UsageError(
        f"rows cannot be read from {type(data).__name__}",
        remedy="give a frame of Polars or pandas, an Arrow table, a NumPy array or a dict of columns",
    )


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
        return pl.Series(name, column.to_numpy(), nan_to_null=kind == "f")
    missing = column.isna().to_numpy()
    values = [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]
    return pl.Series(name, _column(values))


def _column(values: Any) -> pl.Series:
    """Mixed types are texts: Polars has no column of them."""
    try:
        return pl.Series(values)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
