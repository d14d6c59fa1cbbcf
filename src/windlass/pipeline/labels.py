"""Labels that arrive apart from their rows: as outcomes of a key, or of a served prediction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import msgspec
import polars as pl

from windlass.errors import DataError
from windlass.lake.dtypes import cast_exactly
from windlass.lake.lake import Lake
from windlass.product.labels import LabelCodec
from windlass.product.policy import Outcome
from windlass.product.task import Task
from windlass.records.capture import OutcomeRow
from windlass.records.data import DataPin

KEY = "key"
VALUE = "value"
MOMENT = pl.Datetime("us", "UTC")
SCHEMA = {KEY: pl.String(), VALUE: pl.String()}


def outcome_rows(frame: pl.DataFrame, *, key: str | None, now: datetime) -> list[OutcomeRow]:
    """The source `outcomes` of an extract as records: the key (or `prediction_id`), `value`, and `at` if known.

    `now` stands for a time that is not known. Rows without a value or without a subject say nothing and are left out.
    Raises DataError for missing columns.
    """
    subjects = [name for name in (key, "prediction_id") if name is not None and name in frame.columns]
    if not subjects or VALUE not in frame.columns:
        raise DataError(
            f"the source `outcomes` has the columns {', '.join(frame.columns)}",
            where="extract, source 'outcomes'",
            remedy=f"return {key or 'prediction_id'!r}, `value` and, if it is known, `at`",
        )
    times = frame.get_column("at") if "at" in frame.columns else pl.Series([None] * frame.height, dtype=MOMENT)
    if times.dtype != pl.Date and not isinstance(times.dtype, pl.Datetime | pl.Null):
        raise DataError(
            f"the time of an outcome is of type {times.dtype}",
            where="extract, source 'outcomes', column 'at'",
            remedy="make it a datetime: pl.col('at').str.to_datetime(), say",
        )
    named = {name: frame.get_column(name).cast(pl.String).to_list() for name in subjects}
    nobody = [None] * frame.height
    return [
        OutcomeRow(key=of_key, prediction_id=of_id, value=value, observed_at=now if at is None else at)
        for of_key, of_id, value, at in zip(
            named.get(key or "", nobody),
            named.get("prediction_id", nobody),
            frame.get_column(VALUE).to_list(),
            times.cast(MOMENT).to_list(),
            strict=True,
        )
        if value is not None and (of_key is not None or of_id is not None)
    ]


def without_repeats(rows: Sequence[OutcomeRow], held: pl.DataFrame, *, now: datetime) -> list[OutcomeRow]:
    """`rows` without those that came without a time (`now`) and say what is the last word in `held` already.

    `held` are the lake's outcomes in the order received. Else every extract would add the same labels once more.
    """
    last = held.sort("observed_at", maintain_order=True).unique(["prediction_id", "key"], keep="last")
    known = {(of_id, of_key): value for of_id, of_key, value in last.select("prediction_id", "key", "value").rows()}
    return [
        row
        for row in rows
        if row.observed_at != now or known.get((row.prediction_id, row.key)) != msgspec.json.encode(row.value).decode()
    ]


def labels_by_key(lake: Lake, pin: DataPin) -> pl.DataFrame:
    """The label that each key has as of the pin (`SCHEMA`; values as JSON text), in the order of the keys.

    Of several the one observed last counts, then the one received last.
    """
    outcomes = lake.outcomes(pin.product, as_of=pin.as_of)
    return (
        outcomes.filter(pl.col(KEY).is_not_null() & (pl.col("_sequence") <= pin.upto.get("outcomes", -1)))
        .sort("observed_at", "_sequence")
        .unique(KEY, keep="last")
        .sort(KEY)
        .select(KEY, VALUE)
    )


def fill_labels(rows: pl.DataFrame, labels: pl.DataFrame, task: Task) -> pl.DataFrame:
    """`rows` with the target filled in by key where it is missing; labels of unknown keys are left."""
    if labels.is_empty() or task.key is None or task.key not in rows.columns:
        return rows
    known = rows.get_column(task.target) if task.target in rows.columns else None
    found = rows.select(pl.col(task.key).cast(pl.String).alias(KEY)).join(
        labels, on=KEY, how="left", maintain_order="left"
    )
    filled = as_target(found.get_column(VALUE), like=known, task=task)
    return rows.with_columns(filled if known is None or is_empty(known) else pl.coalesce(task.target, filled))


def is_empty(labels: pl.Series) -> bool:
    """Whether a column of labels holds none, so that its type means nothing yet."""
    return labels.null_count() == len(labels)


def fill_absent(
    rows: pl.DataFrame, task: Task, *, outcome: Outcome, as_of: datetime, told: pl.Series | None = None
) -> pl.DataFrame:
    """`rows` with `Outcome.absent` for a target that is still missing when more than `within` has passed since the row.

    The same claim as for a prediction that was served (`lake.join`). Rows without a time say nothing of how long ago
    they were and are left; so are those whose key is in `told`, the keys whose label is known from serving. Raises
    DataError when `absent` is none of the target's labels.
    """
    timed = task.time is not None and isinstance(rows.schema.get(task.time), pl.Date | pl.Datetime)
    if outcome.absent is None or not timed or task.target not in rows.columns:
        return rows
    target = rows.get_column(task.target)
    if is_empty(target) or not target.null_count():
        return rows
    try:
        label = as_target(pl.Series([msgspec.json.encode(outcome.absent).decode()]), like=target, task=task)
    except DataError as error:
        raise DataError(error.what, where="Outcome.absent", remedy=error.remedy) from error
    overdue = pl.col(str(task.time)).cast(MOMENT) + outcome.within < pl.lit(as_of, dtype=MOMENT)
    missing = pl.col(task.target).is_null() & overdue
    if told is not None and task.key is not None and task.key in rows.columns:
        missing &= ~pl.col(task.key).cast(pl.String).is_in(told.implode()).fill_null(value=False)
    filled = pl.when(missing).then(pl.lit(label[0], dtype=target.dtype)).otherwise(pl.col(task.target))
    return rows.with_columns(filled.alias(task.target))


def as_target(texts: pl.Series, *, like: pl.Series | None, task: Task) -> pl.Series:
    """Labels written as JSON text (null: unknown) as a column like the target that is there already, if one is.

    Of several classes new ones may have come up, which stay what they are. Raises DataError for a value that cannot be
    a label beside those of `like`.
    """
    if task.kind == "regression":
        return _numbers(texts, like, task)
    distinct = texts.drop_nulls().unique()
    values = [json.loads(text) for text in distinct]
    if like is None or is_empty(like):
        labels = pl.Series(task.target, values, strict=False)
    else:
        codec = _codec(like, values, task)
        for value in values:
            codec.check_value(value)
        labels = _typed(pl.Series(task.target, [codec.recognise(value) for value in values], strict=False), like)
    if distinct.is_empty():
        return pl.Series(task.target, [None] * len(texts), dtype=labels.dtype)
    return texts.replace_strict(distinct, labels, default=None, return_dtype=labels.dtype).alias(task.target)


def _typed(labels: pl.Series, like: pl.Series) -> pl.Series:
    try:
        return labels.cast(like.dtype)
    except pl.exceptions.PolarsError as error:  # `like` holds too few labels to tell by itself what is none
        raise DataError(
            f"{labels[0]!r} cannot be a label: the column holds {like.dtype}",
            where=f"column {labels.name!r}",
            remedy="give labels of the column's type",
        ) from error


def _numbers(texts: pl.Series, like: pl.Series | None, task: Task) -> pl.Series:
    codec = LabelCodec(kind="regression", column=task.target)
    numbers = codec.encode_texts(texts).alias(task.target)
    impossible = texts.filter(numbers.is_null() & texts.is_not_null())
    if len(impossible):
        codec.check_value(json.loads(impossible[0]))
    same = None if like is None or is_empty(like) else cast_exactly(numbers, like.dtype)
    return numbers if same is None else same


def _codec(like: pl.Series, given: Sequence[bool | int | float | str], task: Task) -> LabelCodec:
    """The labels of the column; where it does not hold all of them, the arrivals count too."""
    try:
        return LabelCodec.learn(like, task)
    except DataError:
        together = pl.Series(task.target, [*like.drop_nulls().unique().to_list(), *given], strict=False)
        return LabelCodec.learn(together, task)
