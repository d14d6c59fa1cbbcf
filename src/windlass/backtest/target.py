"""What is to be predicted: which kind of task a column makes, and its labels as codes or values."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import polars as pl

from windlass.errors import DataError
from windlass.product.labels import LabelCodec
from windlass.product.task import BinaryClassification, MulticlassClassification, Regression, Task, TaskKind

MOST_CLASSES = 20
"""Whole numbers with more distinct values than this are taken for a quantity, not for classes."""
_TASKS: dict[TaskKind, type[BinaryClassification | MulticlassClassification | Regression]] = {
    "binary": BinaryClassification,
    "multiclass": MulticlassClassification,
    "regression": Regression,
}


def plain_target(column: pl.Series, *, kind: TaskKind | None) -> pl.Series:
    """The target of a file as labels or numbers: infinities as null, decimals as floats, texts of numbers as numbers.

    Truth values are numbers where a regression is asked for. Raises DataError for types that nothing predicts.
    """
    dtype = column.dtype
    if dtype.is_decimal() or (dtype == pl.Boolean and kind == "regression"):
        column = column.cast(pl.Float64)
    elif dtype == pl.String and kind != "multiclass":
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
        column = numbers if numbers.null_count() == column.null_count() and not numbers.is_nan().any() else column
    elif dtype.is_nested() or dtype.is_temporal() or dtype in (pl.Binary, pl.Object):
        raise DataError(
            f"values of type {dtype} cannot be a target",
            where=f"column {column.name!r}",
            remedy="name another column with --target, or write it as a number or a text",
        )
    if column.dtype.is_float():
        return pl.select(pl.when(column.is_finite()).then(column).alias(column.name)).to_series()
    return column


def task_of(target: pl.Series, kind: TaskKind | None, notes: list[str]) -> Task:
    """The task of this kind, or of the kind that the target tells.

    Raises DataError for a target that nothing can be learned from.
    """
    if kind is None:
        kind = infer_task(target)
        notes.append(f"taken for a {kind} task by its target; --task says otherwise")
    else:
        _check_varies(target)
    return _TASKS[kind](target=target.name)


def infer_task(target: pl.Series) -> TaskKind:
    """What kind of label a column of labels or numbers holds; raises DataError when nothing can be learned from it."""
    _check_varies(target)
    known = target.drop_nulls()
    distinct = known.n_unique()
    if distinct == 2 and not (known.dtype.is_float() and (known != known.round()).any()):
        return "binary"
    if not known.dtype.is_numeric():
        if distinct > max(100, len(known) // 20):
            raise DataError(
                f"{distinct} different values of type {known.dtype} cannot be classes",
                where=f"column {target.name!r}",
                remedy="name another column, or say --task multiclass if they are",
            )
        return "multiclass"
    whole = not known.dtype.is_float() or not (known != known.round()).any()
    return "multiclass" if whole and distinct <= MOST_CLASSES and _dense(known, distinct) else "regression"


def encode_target(target: pl.Series, task: Task, notes: list[str]) -> tuple[np.ndarray[Any, Any], tuple[Any, ...]]:
    """(n,) float64 codes or values with NaN where there is no label, and the classes.

    Raises DataError when these cannot be the labels of such a task.
    """
    codec = LabelCodec.learn(target, task)
    known = target.is_not_null().to_numpy()
    codes = np.full(len(target), np.nan)
    codes[known] = codec.encode(target.drop_nulls())
    if not known.all():
        notes.append(f"{int((~known).sum()):,} rows have no {task.target}: they are predicted, not learned or scored")
    return codes, codec.classes


def encode_of_file(target: pl.Series, task: Task, notes: list[str]) -> tuple[np.ndarray[Any, Any], tuple[Any, ...]]:
    """The same, with the remedies of one who has a file and a command instead of a product."""
    try:
        return encode_target(target, task, notes)
    except DataError as error:
        others = " or ".join(f"--task {kind}" for kind in get_args(TaskKind) if kind != task.kind)
        raise DataError(
            error.what, where=error.where, remedy=f"say {others} if it is one, or name another column with --target"
        ) from error


def _check_varies(target: pl.Series) -> None:
    known = target.drop_nulls()
    if known.n_unique() < 2:
        what = f"always {known[0]!r}" if len(known) else "empty"
        raise DataError(
            f"the target is {what}",
            where=f"column {target.name!r}",
            remedy="name the column to be predicted with --target",
        )


def _dense(known: pl.Series, distinct: int) -> bool:
    """Whether whole numbers run without gaps from 0 or 1, as class codes do and quantities rarely."""
    least, most = int(known.min()), int(known.max())  # type: ignore[arg-type]  # numeric, since the caller asked
    return least in (0, 1) and most - least + 1 == distinct
