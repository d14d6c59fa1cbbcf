"""Labels that arrive apart from their rows: as outcomes of a key, or by staying away for too long.

What label a row has, as of a moment, is one rule for training and for the backtest: the row's own label; else the
outcome of its key that was observed last by then; else `Outcome.absent`, once the time for an outcome is over. A label
is never known before its row. Answers that were served have the same rule in `lake.join`, and outcomes by prediction id
before all others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from windlass.errors import DataError
from windlass.lake.dtypes import TIMESTAMP, cast_exactly
from windlass.lake.served import json_of
from windlass.product.classes import check_two, classes_in
from windlass.product.labels import LabelCodec
from windlass.product.policy import Outcome
from windlass.product.task import Task

KEY = "key"
VALUE = "value"
OUTCOME_COLUMNS = {"prediction_id": pl.String(), KEY: pl.String(), VALUE: pl.String(), "observed_at": TIMESTAMP}
"""The columns of outcomes that an extract brings; values are JSON text."""
_SUBJECT = ["prediction_id", KEY]
_OVER = timedelta(microseconds=1)
"""An outcome that comes in the very moment its time is over still comes in time."""


def outcome_frame(frame: pl.DataFrame, *, key: str | None, now: datetime | None) -> pl.DataFrame:
    """The source `outcomes` of an extract as `OUTCOME_COLUMNS`.

    It has the key or `prediction_id`, `value`, and `at` where that is known; `now` stands for a time that is not. Rows
    without a value or without a subject say nothing and are left out.
    Raises DataError for missing columns and for a number that is not finite.
    """
    subjects = [name for name in (key, "prediction_id") if name is not None and name in frame.columns]
    if not subjects or VALUE not in frame.columns:
        raise DataError(
            f"the source `outcomes` has the columns {', '.join(frame.columns)}",
            where="extract, source 'outcomes'",
            remedy=f"return {key or 'prediction_id'!r}, `value` and, if it is known, `at`",
        )
    times = frame.get_column("at") if "at" in frame.columns else pl.Series([None] * frame.height, dtype=TIMESTAMP)
    if times.dtype != pl.Date and not isinstance(times.dtype, pl.Datetime | pl.Null):
        raise DataError(
            f"the time of an outcome is of type {times.dtype}",
            where="extract, source 'outcomes', column 'at'",
            remedy="make it a datetime: pl.col('at').str.to_datetime(), say",
        )
    named = {"prediction_id": "prediction_id", KEY: key}
    columns = [
        frame.get_column(name).cast(pl.String).alias(column)
        if name in subjects
        else pl.Series(column, [None] * frame.height, dtype=pl.String)
        for column, name in named.items()
    ]
    observed = times.cast(TIMESTAMP).alias("observed_at")
    observed = observed if now is None else observed.fill_null(now)
    rows = pl.DataFrame([*columns, _as_texts(frame.get_column(VALUE)), observed])
    return rows.filter(pl.col(VALUE).is_not_null() & pl.any_horizontal(pl.col("prediction_id", KEY).is_not_null()))


def _as_texts(values: pl.Series) -> pl.Series:
    distinct = values.drop_nulls().unique()
    if distinct.is_empty():
        return pl.Series(VALUE, [None] * len(values), dtype=pl.String)
    texts = pl.Series([json_of(value) for value in distinct], dtype=pl.String)
    return values.replace_strict(distinct, texts, default=None, return_dtype=pl.String).alias(VALUE)


def without_repeats(rows: pl.DataFrame, held: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """`rows` (`OUTCOME_COLUMNS`) without those that came without a time (`now`) and are the last word in `held`.

    `held` are the lake's outcomes in the order received. Else every extract would add the same labels once more.
    """
    timeless = pl.col("observed_at") == pl.lit(now, dtype=TIMESTAMP)
    known = rows.filter(timeless).join(last_words(held), on=[*_SUBJECT, VALUE], how="semi", nulls_equal=True)
    return rows.join(known, on=list(OUTCOME_COLUMNS), how="anti", nulls_equal=True, maintain_order="left")


def last_words(held: pl.DataFrame) -> pl.DataFrame:
    """What was last said of each prediction and key: these, and `value`."""
    return held.sort("observed_at", maintain_order=True).unique(_SUBJECT, keep="last").select(*_SUBJECT, VALUE)


# -- which label a row has ---------------------------------------------------------------------------------------------


def label_history(cases: pl.DataFrame, outcomes: pl.DataFrame, *, outcome: Outcome) -> pl.DataFrame:
    """Every label that n rows get apart from themselves, in the order in which these become known.

    `cases` are the rows: `key` (text; null: none) and `at`, the event time (null: not known). `outcomes` are in the
    order received: `key`, `value` (JSON text) and `observed_at` (null: when the time for it is over). Returns `row`,
    the position of the case, `value` and `known_at`; an outcome corrects what was known before it.
    """
    cases = cases.with_row_index("row").with_columns(due=pl.col("at") + outcome.within)
    told = (
        cases.join(outcomes.select(KEY, VALUE, "observed_at"), on=KEY, how="inner", maintain_order="right")
        .with_columns(pl.coalesce("observed_at", "due"))
        .with_columns(known_at=pl.max_horizontal("observed_at", "at"))
        .sort("known_at", "observed_at", maintain_order=True)
        .select("row", VALUE, "known_at")
    )
    if outcome.absent is None:
        return told
    in_time = told.join(cases.select("row", "due"), on="row", how="left").filter(pl.col("known_at") <= pl.col("due"))
    absent = (
        cases.filter(pl.col("due").is_not_null())
        .join(in_time, on="row", how="anti", maintain_order="left")
        .select("row", pl.lit(json_of(outcome.absent)).alias(VALUE), (pl.col("due") + _OVER).alias("known_at"))
    )
    return pl.concat([absent, told]).sort("known_at", maintain_order=True)


def labels_as_of(history: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """The label of each row that has one by `moment`: `row`, `value` and `known_at`, when it had its first."""
    known = history.filter(pl.col("known_at") <= pl.lit(moment, dtype=TIMESTAMP))
    return known.group_by("row", maintain_order=True).agg(pl.col(VALUE).last(), pl.col("known_at").first())


def cases_of(rows: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Key and event time of each row, as `label_history` wants them."""
    nothing = [None] * rows.height
    key = None if task.key is None or task.key not in rows.columns else rows.get_column(task.key).cast(pl.String)
    moments = moments_of(rows, task.time)
    return pl.DataFrame(
        [
            pl.Series(KEY, nothing, dtype=pl.String) if key is None else key.alias(KEY),
            pl.Series("at", nothing, dtype=TIMESTAMP) if moments is None else moments.alias("at"),
        ]
    )


class WithLabels(NamedTuple):
    """Rows with the labels that they got apart from themselves."""

    rows: pl.DataFrame
    known_at: pl.Series
    """When each label came, for those that got theirs so."""


def with_labels(
    rows: pl.DataFrame, outcomes: pl.DataFrame, *, task: Task, outcome: Outcome, as_of: datetime
) -> WithLabels:
    """`rows` with the target filled in where it is missing and known as of `as_of`; labels of other keys are left.

    Raises DataError for a value that cannot be a label.
    """
    own = rows.get_column(task.target) if task.target in rows.columns else None
    like = as_target(outcomes.get_column(VALUE), like=None, task=task) if own is None or is_empty(own) else own
    check_absent(outcome, like=like, task=task)
    told = labels_as_of(label_history(cases_of(rows, task), outcomes, outcome=outcome), as_of)
    if told.is_empty():
        return WithLabels(rows, pl.Series("known_at", [None] * rows.height, dtype=TIMESTAMP))
    places = pl.int_range(rows.height, dtype=pl.UInt32, eager=True).alias("row").to_frame()
    told = places.join(told, on="row", how="left", maintain_order="left")
    filled = as_target(told.get_column(VALUE), like=like, task=task)
    if own is None or is_empty(own):
        return WithLabels(rows.with_columns(filled), told.get_column("known_at"))
    known_at = told.select(pl.when(~has_label(own)).then("known_at").alias("known_at")).to_series()
    return WithLabels(rows.with_columns(pl.coalesce(task.target, filled)), known_at)


def check_absent(outcome: Outcome, *, like: pl.Series, task: Task) -> None:
    """Raise DataError when `Outcome.absent` is set and cannot be a label beside those of `like`."""
    if outcome.absent is None:
        return
    try:
        as_target(pl.Series([json_of(outcome.absent)]), like=like, task=task)
    except DataError as error:
        remedy = "give a label of the task, or leave it out"
        raise DataError(error.what, where="Outcome.absent", remedy=remedy, plain=error.plain) from error


def moments_of(rows: pl.DataFrame, time: str | None) -> pl.Series | None:
    """The event times in UTC; None without a time column."""
    return None if time is None else rows.get_column(time).cast(TIMESTAMP)


def has_label(target: pl.Series) -> pl.Series:
    """Which labels are known: NaN is how many a file spells a missing number."""
    known = target.is_not_null()
    return known & target.is_not_nan().fill_null(value=True) if target.dtype.is_float() else known


# -- labels as text ----------------------------------------------------------------------------------------------------


def is_empty(labels: pl.Series) -> bool:
    """Whether a column of labels holds none, so that its type means nothing yet."""
    return labels.null_count() == len(labels)


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
            plain=f"there is a value that cannot be a label: the column holds {like.dtype}",
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
    """The labels of the column; where it does not hold all of them yet, the arrivals count too."""
    try:
        return LabelCodec.learn(like, task)
    except DataError:
        together = pl.Series(task.target, [*like.drop_nulls().unique().to_list(), *given], strict=False)
        classes = classes_in(together, task.target)
        if task.kind == "binary" and len(classes) > 2:
            check_two(classes, task.target)
        return LabelCodec(kind=task.kind, classes=classes, column=task.target)
