"""What a model saw, from the JSON that serving workers captured."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from windlass.monitoring.column import ColumnProfile
from windlass.monitoring.reference import Reference, group_text
from windlass.records.bundle import Column

_LATE = datetime(9999, 1, 1, tzinfo=UTC)
_DTYPES: dict[str, pl.DataType] = {"number": pl.Float64(), "category": pl.String(), "boolean": pl.Boolean()}


def watched_features(captured: pl.DataFrame, reference: Reference) -> pl.DataFrame:
    """The features that the model saw, as far as the reference watches them.

    They were captured as JSON, which has no types of its own; the reference knows which are numbers.
    """
    types = reference.features.types
    schema = {column.name: _dtype(column, types) for column in reference.features.judged}
    texts = _texts(captured)
    try:
        found = pl.read_ndjson(io.BytesIO("\n".join(texts).encode()), schema=schema)
    except pl.exceptions.ComputeError:
        # A value is of another type than in the reference. Its column comes as it is, and will be told as vanished.
        rows = [json.loads(text) for text in texts]
        found = pl.DataFrame([_series(name, [row.get(name) for row in rows], dtype) for name, dtype in schema.items()])
    dates = [column.name for column in reference.features.presences if _is_date(column, types)]
    return found.with_columns(_moments(found[name]) for name in dates)


def untyped_features(captured: pl.DataFrame, names: Sequence[str], columns: Sequence[Column]) -> pl.DataFrame:
    """The features `names`, in types that are seen from the values alone: where no reference knows them.

    `columns` are those of a request row: JSON writes moments as texts, and only they tell the two apart.
    """
    rows = [json.loads(text) for text in _texts(captured)]
    moments = {column.name for column in columns if column.dtype in ("datetime", "date")}
    return pl.DataFrame([_typed(name, [row.get(name) for row in rows], moment=name in moments) for name in names])


def asked_groups(captured: pl.DataFrame, columns: Iterable[str]) -> dict[str, list[str]]:
    """The group of each request row in each of these columns, as text."""
    names = list(columns)
    if not names:
        return {}
    rows = [json.loads(text) for text in captured["request"].to_list()]
    return {name: [group_text(row.get(name)) for row in rows] for name in names}


def _texts(captured: pl.DataFrame) -> list[str]:
    return captured.select(pl.coalesce("features", "request"))[:, 0].to_list()


def _typed(name: str, values: list[object], *, moment: bool) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds <= {int, float}:
        return _series(name, values, pl.Float64())
    if kinds == {bool}:
        return _series(name, values, pl.Boolean())
    if moment and kinds == {str}:
        return pl.Series(name, [None] * len(values), dtype=pl.Datetime())  # more than its type is not looked at
    return _series(name, values, pl.String())


def _is_date(column: ColumnProfile, types: Mapping[str, str]) -> bool:
    return column.kind == "rising" and types.get(column.name) != "number"


def _dtype(column: ColumnProfile, types: Mapping[str, str]) -> pl.DataType:
    """Of a column whose values are not judged all are texts: whether they are there is what counts."""
    if column.kind == "rising" and not _is_date(column, types):
        return pl.Float64()
    return _DTYPES.get(column.kind, pl.String())


def _moments(texts: pl.Series) -> pl.Series:
    """As JSON writes them; what is there and is no moment to Polars is not taken for missing, nor for an old one."""
    if texts.dtype != pl.String:
        return texts
    found = texts.str.to_datetime(strict=False, time_zone="UTC")
    return found.set(found.is_null() & texts.is_not_null(), _LATE)


def _series(name: str, values: list[object], dtype: pl.DataType) -> pl.Series:
    if dtype == pl.String():
        values = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    try:
        return pl.Series(name, values, dtype=dtype)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(name, [None if value is None else json.dumps(value) for value in values], dtype=pl.String())
