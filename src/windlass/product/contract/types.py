"""The types a request column can have: six that every protocol knows, and behind them the exact polars type.

A frame in training may hold `Int32` or `Datetime[ms]`; JSON knows neither. A column therefore carries both, so that a
served row becomes a frame of the very types that training saw.
"""

from __future__ import annotations

import json
import re
from typing import Literal

import polars as pl

from windlass.errors import DataError
from windlass.records.bundle import Column

Kind = Literal["bool", "int", "float", "str", "datetime", "date"]

_USUAL: dict[str, pl.DataType] = {
    "bool": pl.Boolean(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "str": pl.String(),
    "datetime": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}
_PLAIN: dict[str, Kind] = {
    "Boolean": "bool",
    **dict.fromkeys(("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"), "int"),
    **dict.fromkeys(("Float32", "Float64"), "float"),
    **dict.fromkeys(("String", "Categorical"), "str"),
    "Date": "date",
}
_INTEGERS = {
    f"{sign}Int{bits}": (0 if sign else -(2 ** (bits - 1)), min(2 ** (bits if sign else bits - 1) - 1, 2**63 - 1))
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}
_FLOAT32 = 3.4028234663852886e38
_DATETIME = re.compile(r"Datetime\[(ms|us|ns)(?:, (.+))?\]")
_DECIMAL = re.compile(r"Decimal\[(\d+), (\d+)\]")


def describe(name: str, dtype: pl.DataType | type[pl.DataType]) -> tuple[Kind, str]:
    """The protocol type of a polars type, and the text it is written down as.

    Raises DataError for a type that no JSON row can carry (lists, structs, durations, bytes), and for a name that the
    decoder cannot look for in one.
    """
    if any(sign in '"\\' or ord(sign) < 32 for sign in name):
        raise DataError(
            f"the column name {name!r} cannot come in a request",
            where=f"column {name!r}",
            remedy="rename it in `extract`: no quotes, backslashes or control characters",
        )
    dtype = dtype() if isinstance(dtype, type) else dtype
    text = type(dtype).__name__
    if text in _PLAIN:
        return _PLAIN[text], text
    if isinstance(dtype, pl.Datetime):
        zone = f", {dtype.time_zone}" if dtype.time_zone else ""
        return "datetime", f"Datetime[{dtype.time_unit}{zone}]"
    if isinstance(dtype, pl.Enum):
        return "str", f"Enum{json.dumps(dtype.categories.to_list(), ensure_ascii=False)}"
    if isinstance(dtype, pl.Decimal):
        return "float", f"Decimal[{dtype.precision or 38}, {dtype.scale}]"
    if isinstance(dtype, pl.Null):
        return "float", "Float64"
    raise DataError(
        f"a column of type {dtype} cannot come in a request",
        where=f"column {name!r}",
        remedy="turn it into numbers, text, booleans, dates or datetimes in `extract`, or drop it there",
    )


def dtype_of(column: Column) -> pl.DataType:
    """The polars type of a column's values; the inverse of `describe`."""
    exact = column.exact
    if not exact:
        return _USUAL[column.dtype]
    if exact in _PLAIN:
        return getattr(pl, exact)()  # type: ignore[no-any-return]
    if found := _DATETIME.fullmatch(exact):
        return pl.Datetime(found[1], found[2])  # type: ignore[arg-type]
    if found := _DECIMAL.fullmatch(exact):
        return pl.Decimal(int(found[1]), int(found[2]))
    if exact.startswith("Enum["):
        return pl.Enum(json.loads(exact.removeprefix("Enum")))
    raise DataError(f"unknown type {exact!r}", where=f"column {column.name!r}", remedy="register the version again")


def bounds_of(column: Column) -> tuple[float | int, float | int] | None:
    """The least and the greatest value that the exact type of a number can hold; None where every JSON number fits."""
    dtype = dtype_of(column)
    if column.dtype == "int":
        return _INTEGERS[type(dtype).__name__]
    if isinstance(dtype, pl.Float32):
        return -_FLOAT32, _FLOAT32
    if isinstance(dtype, pl.Decimal):
        # Ten to the digits before the point, less one part in a billion, so that rounding cannot overflow.
        largest = 10.0 ** ((dtype.precision or 38) - dtype.scale) * (1 - 1e-9)
        return -largest, largest
    return None


def wire_type(column: Column) -> pl.DataType:
    """How the column's values are written in JSON: times as text, the rest as they are."""
    return pl.String() if column.dtype in ("str", "datetime", "date") else _USUAL[column.dtype]


def restore(column: Column) -> pl.Expr:
    """From the usual type of the column's kind to its exact type; datetimes come in UTC."""
    value, dtype = pl.col(column.name), dtype_of(column)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            value = value.dt.replace_time_zone(None)
        elif dtype.time_zone != "UTC":
            value = value.dt.convert_time_zone(dtype.time_zone)
        return value.dt.cast_time_unit(dtype.time_unit)
    return value.cast(dtype)


def from_text(column: Column) -> pl.Expr:
    """A column of `wire_type` as the usual type of its kind."""
    value = pl.col(column.name)
    if column.dtype == "datetime":
        return value.str.to_datetime("%+", time_unit="us", time_zone="UTC")
    if column.dtype == "date":
        return value.str.to_date("%Y-%m-%d")
    return value


def usual(column: Column) -> pl.DataType:
    """The type that values of this kind have before `restore`."""
    return _USUAL[column.dtype]


def needs_restoring(column: Column) -> bool:
    return dtype_of(column) != usual(column)


def is_number(column: Column) -> bool:
    """Whether a value of JSON is, as a float64, the very number that the column's exact type makes of it."""
    return column.dtype in ("bool", "int", "float") and not needs_restoring(column)
