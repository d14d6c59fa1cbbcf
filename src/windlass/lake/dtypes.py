"""Column types: how the lake keeps what a user brings, and how a column may grow.

Delta has signed integers, floats, decimals, booleans, texts, bytes, dates, timestamps in microseconds, lists and
structs. Everything else is brought to one of these without losing a value, or refused by name.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from windlass.errors import DataError

TIMESTAMP = pl.Datetime("us", "UTC")
_SIGNED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64)
_KEPT: dict[Any, Any] = {
    **{kind: kind for kind in (*_SIGNED, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date)},
    pl.Null: pl.String,  # nothing is known yet; the first real values decide (`wider`)
    pl.Categorical: pl.String,
    pl.Enum: pl.String,
    pl.UInt8: pl.Int16,
    pl.UInt16: pl.Int32,
    pl.UInt32: pl.Int64,
    pl.UInt64: pl.Int64,  # too large a value is refused when it is cast
    pl.Int128: pl.Int64,
    pl.Float16: pl.Float32,
    pl.Datetime: TIMESTAMP,  # finer than a microsecond is cut off
}
_REMEDIES: dict[Any, str] = {
    pl.Duration: "turn it into a number in `extract`, such as pl.col({name!r}).dt.total_seconds()",
    pl.Time: "turn it into a number or a text in `extract`, such as pl.col({name!r}).dt.to_string('%H:%M:%S')",
}
_NAMES: dict[Any, str] = {
    pl.Int8: "int8",
    pl.Int16: "int16",
    pl.Int32: "int32",
    pl.Int64: "int64",
    pl.Float32: "float32",
    pl.Float64: "float64",
    pl.Boolean: "bool",
    pl.String: "string",
    pl.Binary: "binary",
    pl.Date: "date",
    pl.Datetime: "timestamp",
}
_TYPES: dict[str, pl.DataType] = {name: TIMESTAMP if kind is pl.Datetime else kind() for kind, name in _NAMES.items()}


def stored(dtype: pl.DataType) -> pl.DataType | None:
    """The type that the lake keeps `dtype` as; None when it cannot."""
    if isinstance(dtype, (pl.List, pl.Array)):
        inner = stored(_instance(dtype.inner))
        return None if inner is None else pl.List(inner)
    if isinstance(dtype, pl.Struct):
        fields = {field.name: stored(_instance(field.dtype)) for field in dtype.fields}
        return pl.Struct(fields) if fields and None not in fields.values() else None  # type: ignore[arg-type]
    if isinstance(dtype, pl.Decimal):
        return dtype
    kind = _KEPT.get(dtype.base_type())
    return None if kind is None else _instance(kind)


def wider(old: pl.DataType, new: pl.DataType) -> pl.DataType | None:
    """The stored type that holds the values of both; None when there is none."""
    if old == new:
        return old
    if old.is_integer() and new.is_integer():
        return max(old, new, key=lambda dtype: _SIGNED.index(dtype.base_type()))
    if (old.is_integer() or old.is_float()) and (new.is_integer() or new.is_float()):
        return pl.Float64()
    if {old.base_type(), new.base_type()} == {pl.Date, pl.Datetime}:
        return TIMESTAMP
    if isinstance(old, pl.Decimal) and isinstance(new, pl.Decimal):
        scale = max(old.scale, new.scale)
        digits = max((each.precision or 38) - each.scale for each in (old, new)) + scale
        return pl.Decimal(digits, scale) if digits <= 38 else None
    return _wider_nested(old, new)


def _wider_nested(old: pl.DataType, new: pl.DataType) -> pl.DataType | None:
    if isinstance(old, pl.List) and isinstance(new, pl.List):
        inner = wider(_instance(old.inner), _instance(new.inner))
        return None if inner is None else pl.List(inner)
    if isinstance(old, pl.Struct) and isinstance(new, pl.Struct):
        names = [field.name for field in old.fields]
        if names == [field.name for field in new.fields]:
            grown = [wider(_instance(a.dtype), _instance(b.dtype)) for a, b in zip(old.fields, new.fields, strict=True)]
            return None if None in grown else pl.Struct(dict(zip(names, grown, strict=True)))  # type: ignore[arg-type]
    return None


def conform(frame: pl.DataFrame, *, where: str) -> pl.DataFrame:
    """`frame` with every column in the type that the lake keeps it as; DataError names a column that has none."""
    return pl.DataFrame([_conform(series, where=where) for series in frame.iter_columns()])


def _conform(series: pl.Series, *, where: str) -> pl.Series:
    target = stored(series.dtype)
    place = f"{where}, column {series.name!r}"
    if target is None:
        remedy = _REMEDIES.get(series.dtype.base_type(), "turn it into numbers, texts, lists or structs in `extract`")
        raise DataError(
            f"the lake cannot keep a column of type {series.dtype}",
            where=place,
            remedy=remedy.format(name=series.name),
        )
    if series.dtype == target:
        return series
    try:
        return series.cast(target)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"a value of type {series.dtype} does not fit into {target}, which is what the lake keeps it as",
            where=place,
            remedy="cast the column in `extract`, to a text for instance",
        ) from error


def cast_exactly(series: pl.Series, target: pl.DataType) -> pl.Series | None:
    """`series` as `target`, or None when a value would change (an integer beyond 2**53 as a float, say)."""
    if series.dtype == target:
        return series
    if series.null_count() == len(series):
        return pl.Series(series.name, [None] * len(series), dtype=target)
    try:
        there = series.cast(target)
        back = there.cast(series.dtype)
    except pl.exceptions.PolarsError:
        return None
    return there if back.eq_missing(series).all() else None


def name_of(dtype: pl.DataType) -> str:
    """A stored type in the lake's own words, which do not change with polars: `int64`, `timestamp`, `["list", ...]`."""
    plain = _plain(dtype)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def named(name: str) -> pl.DataType:
    """The type that `name_of` wrote down."""
    return _typed(json.loads(name) if name.startswith("[") else name)


def _plain(dtype: pl.DataType) -> str | list[Any]:
    if isinstance(dtype, pl.List):
        return ["list", _plain(_instance(dtype.inner))]
    if isinstance(dtype, pl.Struct):
        return ["struct", [[field.name, _plain(_instance(field.dtype))] for field in dtype.fields]]
    if isinstance(dtype, pl.Decimal):
        return ["decimal", dtype.precision, dtype.scale]
    return _NAMES[dtype.base_type()]


def _typed(plain: str | list[Any]) -> pl.DataType:
    if isinstance(plain, str):
        return _TYPES[plain]
    match plain:
        case ["list", inner]:
            return pl.List(_typed(inner))
        case ["struct", fields]:
            return pl.Struct({name: _typed(inner) for name, inner in fields})
        case ["decimal", precision, scale]:
            return pl.Decimal(precision, scale)
    raise ValueError(f"not a type of the lake: {plain!r}")


def _instance(dtype: Any) -> pl.DataType:
    made: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return made
