"""Answers and labels as tables: their columns, and how captured batches become rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TypeVar

import msgspec
import polars as pl

from windlass.errors import DataError
from windlass.lake.dtypes import TIMESTAMP
from windlass.lake.layout import SEQUENCE
from windlass.records.capture import MeasurementBatch, OutcomeBatch, OutcomeRow, PredictionBatch

PREDICTIONS: dict[str, pl.DataType] = {
    SEQUENCE: pl.Int64(),
    "prediction_id": pl.String(),
    "request_id": pl.String(),
    "row": pl.Int64(),  # position in its request
    "at": TIMESTAMP,
    "version": pl.String(),
    "stage": pl.String(),
    "key": pl.String(),
    "event_time": TIMESTAMP,
    "score": pl.Float64(),
    "probabilities": pl.List(pl.Float64()),
    "latency_ms": pl.Float64(),
    "batch_rows": pl.Int64(),
    "request": pl.String(),  # JSON
    "features": pl.String(),  # JSON; null when they are the request row itself
    "error": pl.String(),
}
OUTCOMES: dict[str, pl.DataType] = {
    SEQUENCE: pl.Int64(),
    "prediction_id": pl.String(),
    "key": pl.String(),
    "value": pl.String(),  # JSON text of the scalar
    "observed_at": TIMESTAMP,
    "received_at": TIMESTAMP,
    "request_id": pl.String(),
    "actor": pl.String(),  # the token that sent it; null when none was asked for
}
MEASUREMENTS: dict[str, pl.DataType] = {
    SEQUENCE: pl.Int64(),
    "prediction_id": pl.String(),
    "key": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "received_at": TIMESTAMP,
    "request_id": pl.String(),
    "actor": pl.String(),  # the token that sent it; null when none was asked for
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
T = TypeVar("T")
Scalar = bool | int | float | str
_MICROSECOND = timedelta(microseconds=1)
_encode = msgspec.json.Encoder().encode


def prediction_rows(batches: Sequence[PredictionBatch]) -> pl.DataFrame:
    """One row per row of each batch, in order, without the sequence."""
    sizes = [len(batch.ids) for batch in batches]
    per_batch = pl.DataFrame(
        {
            "request_id": [batch.request_id for batch in batches],
            "at": [_micros(batch.at) for batch in batches],
            "version": [batch.version for batch in batches],
            "stage": [batch.stage for batch in batches],
            "latency_ms": [float(batch.latency_ms) for batch in batches],
            "batch_rows": sizes,
            "error": [batch.error for batch in batches],
        },
        schema_overrides={"at": pl.Int64, "error": pl.String},
    )
    per_row = pl.DataFrame(
        {
            "prediction_id": [value for batch in batches for value in batch.ids],
            "row": [row for size in sizes for row in range(size)],
            "key": [value for batch in batches for value in batch.keys],
            "event_time": [
                None if value is None else _micros(value) for batch in batches for value in batch.event_times
            ],
            "score": [value for batch in batches for value in batch.scores],
            "probabilities": [value for batch in batches for value in _optional(batch.probabilities, len(batch.ids))],
            "request": _texts([value for batch in batches for value in batch.rows]),
            "features": _texts([value for batch in batches for value in _optional(batch.features, len(batch.ids))]),
        },
        schema_overrides={name: PREDICTIONS[name] for name in ("prediction_id", "key", "score", "probabilities")}
        | {"event_time": pl.Int64},
    )
    numbers = pl.int_range(len(batches), eager=True).repeat_by(pl.Series(sizes, dtype=pl.Int64)).explode().drop_nulls()
    spread = per_batch[numbers]
    return _in_order(pl.concat([spread, per_row], how="horizontal"), PREDICTIONS)


def outcome_rows(batches: Sequence[OutcomeBatch]) -> pl.DataFrame:
    """One row per outcome, in order, without the sequence; raises DataError for a number that is not finite."""
    outcomes = [outcome for batch in batches for outcome in batch.outcomes]
    per_batch = [(_micros(batch.received_at), batch.request_id, len(batch.outcomes)) for batch in batches]
    rows = pl.DataFrame(
        {
            "prediction_id": [outcome.prediction_id for outcome in outcomes],
            "key": [outcome.key for outcome in outcomes],
            "value": _texts([_json_of(outcome.value) for outcome in outcomes]),
            "observed_at": [_micros(outcome.observed_at) for outcome in outcomes],
            "received_at": [moment for moment, _, size in per_batch for _ in range(size)],
            "request_id": [name for _, name, size in per_batch for _ in range(size)],
            "actor": [batch.actor for batch in batches for _ in batch.outcomes],
        },
        schema_overrides={
            "prediction_id": pl.String,
            "key": pl.String,
            "actor": pl.String,
            "observed_at": pl.Int64,
            "received_at": pl.Int64,
        },
    )
    return _in_order(rows, OUTCOMES)


def measurement_rows(batches: Iterable[MeasurementBatch]) -> pl.DataFrame:
    """One row per measurement, in order, without the sequence."""
    rows = [
        {
            "prediction_id": measured.prediction_id,
            "key": measured.key,
            "metric": measured.metric,
            "value": measured.value,
            "received_at": _micros(batch.received_at),
            "request_id": batch.request_id,
            "actor": batch.actor,
        }
        for batch in batches
        for measured in batch.measurements
    ]
    schema = {name: dtype for name, dtype in MEASUREMENTS.items() if name != SEQUENCE} | {"received_at": pl.Int64()}
    return _in_order(pl.DataFrame(rows, schema=schema), MEASUREMENTS)


def complete(rows: pl.LazyFrame, columns: Mapping[str, pl.DataType], *, there: Collection[str]) -> pl.LazyFrame:
    """With nulls for those of `columns` that the table had not yet when its rows were written."""
    return rows.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in columns.items() if name not in there
    )


def json_of(value: Scalar) -> str:
    """A label as the text that tables keep it as."""
    return _json_of(value).decode()


def is_label(outcome: OutcomeRow) -> bool:
    """Whether `json_of` can take its value."""
    return not isinstance(outcome.value, float) or isfinite(outcome.value)


def empty(columns: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame(schema=columns)


def _json_of(value: Scalar) -> bytes:
    if isinstance(value, float) and not isfinite(value):
        raise DataError(f"{value} is not a label", where="an outcome", remedy="leave the outcome out until it is known")
    return _encode(value)


def _in_order(rows: pl.DataFrame, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in columns.items() if name != SEQUENCE)


def _optional(values: Sequence[T] | None, size: int) -> Sequence[T | None]:
    return [None] * size if values is None else values


def _micros(moment: datetime) -> int:
    """Microseconds since 1970; a moment without a zone is taken as UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def _texts(values: list[bytes | None]) -> pl.Series:
    """Bytes as texts; what is not UTF-8 (it never is when JSON was read from it) keeps its place with U+FFFD."""
    raw = pl.Series(values, dtype=pl.Binary)
    try:
        return raw.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series(
            [None if value is None else value.decode(errors="replace") for value in values], dtype=pl.String
        )
