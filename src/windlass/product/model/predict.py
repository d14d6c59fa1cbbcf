"""Asking a model: one way in, whatever the model is, and a check of what comes out.

What a model is given:

- one that knows the names of its columns (`names_of`): the polars frame with these columns, in their order, whether or
  not with those that its first step drops;
- one that only knows how many there are (`count_of`: it was fitted on an array): a float64 matrix of all columns, in
  the frame's order;
- one that takes texts apart into words (`takes_text`): the list of the texts, of a frame of one column;
- any other: the polars frame as it is.

A model that needs something else says so with an attribute `windlass_input`: `polars`, `numpy` or `pandas`. Columns of
which it has learned that gaps are NaN, also among texts, stand in `windlass_nan`.

Whoever has a matrix of numbers need not make a frame of it first where the model `may_have_matrix`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.errors import MissingExtra, ProductError
from windlass.product.model.transformers import count_of, dropped_columns, names_of, takes_text

if TYPE_CHECKING:
    from windlass.product.task import TaskKind

Array = np.ndarray[Any, Any]


SLACK = 1e-6
"""What single precision may leave of a probability beyond 0 and 1."""


class NotFinite(ProductError):
    """An answer that is no number, for this row; other rows may have one."""


def predict(model: Any, features: pl.DataFrame | Array, kind: TaskKind, *, classes: int | None = None) -> Array:
    """What the model says of n rows, float64: binary (n,) probability of the positive class, multiclass (n, k)
    probabilities in the order of the label codes, regression (n,) values. In place of a frame, a matrix that the model
    `may_have_matrix` of.

    `classes` is k where it is known: a model that saw fewer classes in training gives 0 to the others. Raises
    ProductError when the model has no `predict_proba`, a column is missing, or the answer has another shape, is not
    finite or no probability.
    """
    where = f"model {type(model).__name__}"
    method = getattr(model, "predict" if kind == "regression" else "predict_proba", None)
    if method is None:
        name = "predict" if kind == "regression" else "predict_proba"
        raise ProductError(
            f"the model has no {name}, which a {kind} task needs",
            where=where,
            remedy="take an estimator that has it, or wrap it (CalibratedClassifierCV gives probabilities)",
        )
    rows = len(features)
    if not rows:
        return np.empty((0, classes or 0) if kind == "multiclass" else 0)
    answer = _numbers(method(input_of(model, features, where)), where)
    if kind == "regression":
        answer = answer.reshape(len(answer), -1)[:, 0] if answer.size == rows and answer.ndim else answer
        _check_shape(answer, (rows,), where)
    else:
        answer = _by_code(model, answer, 2 if kind == "binary" else classes, where)
        _check_shape(answer, (rows, answer.shape[-1]), where)
        if kind == "binary":
            answer = answer[:, 1]
    _check_finite(answer, where)
    if kind != "regression":
        _check_probable(answer, where)
    return np.ascontiguousarray(answer)


def input_of(model: Any, features: pl.DataFrame | Array, where: str) -> Any:
    """What `model` is given of n rows; see the module's docstring. Raises ProductError and MissingExtra."""
    if isinstance(features, np.ndarray):
        return features
    wanted = getattr(model, "windlass_input", None)
    names = names_of(model)
    if names is not None:
        features = _with_nan(_select(model, features, names, where), getattr(model, "windlass_nan", ()))
    elif wanted is None and (count := count_of(model)) is not None:
        if count != features.width:
            raise ProductError(
                f"the model takes {count} columns, and there are {features.width}: {', '.join(features.columns)}",
                where=where,
                remedy="let `features` return just the columns the model was trained on, in their order",
            )
        wanted = "numpy"
    elif wanted is None and takes_text(model):
        return _texts(features, where)
    if wanted in (None, "polars"):
        return features
    if wanted == "numpy":
        return as_matrix(features, where)
    if wanted == "pandas":
        try:
            return features.to_pandas()
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"the model takes a pandas frame, and {error.name!r} is not installed",
                where=where,
                remedy="pip install pandas pyarrow",
            ) from error
    raise ProductError(f"windlass_input is {wanted!r}", where=where, remedy="use 'polars', 'numpy' or 'pandas'")


def _with_nan(features: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The frame with NaN in place of null in these columns, of which those that hold no numbers become objects."""
    gaps = [features[name] for name in names if name in features.columns and features[name].null_count()]
    return features.with_columns(
        column.cast(pl.Float64).fill_null(math.nan)
        if column.dtype.is_numeric()
        else pl.Series(column.name, [math.nan if cell is None else cell for cell in column], dtype=pl.Object)
        for column in gaps
    )


def _texts(features: pl.DataFrame, where: str) -> list[str]:
    if features.width != 1 or features.dtypes[0] != pl.String:
        raise ProductError(
            f"the model takes texts, and there are {features.width} columns: {', '.join(features.columns)}",
            where=where,
            remedy="let `features` return just the column of texts",
        )
    return features.to_series().to_list()


def _select(model: Any, features: pl.DataFrame, names: list[str], where: str) -> pl.DataFrame:
    if features.columns == names:
        return features
    missing = [name for name in names if name not in features.columns]
    if missing and not dropped_columns(model, names).issuperset(missing):
        raise ProductError(
            f"the model was trained with columns that are not there: {', '.join(missing)}",
            where=where,
            remedy="let `features` return them, as null where they are not known",
        )
    return features.select([name for name in names if name not in missing])


def takes_matrix(model: Any) -> bool:
    """Whether the model only knows how many columns there are, and is given a matrix."""
    return getattr(model, "windlass_input", None) is None and count_of(model) is not None


def may_have_matrix(model: Any, columns: Sequence[str]) -> bool:
    """Whether `predict` may be given the (n, d) float64 matrix of these d columns, if all of them are numbers, in place
    of the frame: because the model is given a matrix anyway, or its first step has learned nothing but numbers."""
    first = _first_step(model)
    if getattr(first, "takes_matrix", False):
        return names_of(first) == list(columns)
    return takes_matrix(model) and count_of(model) == len(columns)


def _first_step(model: Any) -> Any:
    """Of a pipeline; any other model itself, also one that calls something else its steps."""
    steps = getattr(model, "steps", None)
    if isinstance(steps, list) and steps and isinstance(steps[0], tuple) and len(steps[0]) == 2:
        return steps[0][1]
    return model


def as_matrix(features: pl.DataFrame | Array, where: str) -> Array:
    """(n, d) float64 of n rows of d numbers. Raises ProductError that names the columns that are none."""
    if isinstance(features, np.ndarray):
        return features
    if all(type(dtype) is pl.Float64 for dtype in features.dtypes):  # comparing them takes as long as the model
        return np.asarray(features.to_numpy(order="c"))
    wrong = [name for name, dtype in features.schema.items() if not (dtype.is_numeric() or dtype == pl.Boolean)]
    if wrong:
        raise ProductError(
            f"the model takes numbers only, and these columns are none: {', '.join(wrong)}",
            where=where,
            remedy="turn them into numbers in `features`, or train through `estimator`, which encodes them",
        )
    return np.column_stack([column.cast(pl.Float64).to_numpy() for column in features.get_columns()])


def _numbers(answer: Any, where: str) -> Array:
    try:
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProductError(
            f"the answer of type {type(answer).__name__} is not an array of numbers",
            where=where,
            remedy="let the model return numbers; labels are codes here, not names",
        ) from error


def _by_code(model: Any, answer: Array, classes: int | None, where: str) -> Array:
    """Probabilities with one column for each label code, also when the model saw only some of the classes."""
    seen = getattr(model, "classes_", None)
    if answer.ndim == 1 and classes == 2:
        return np.column_stack([1 - answer, answer])
    if answer.ndim != 2:
        _check_shape(answer, (len(answer) if answer.ndim else 0, classes or 0), where)
    if classes is None or answer.shape[1] == classes:
        return answer
    codes = None if seen is None else np.asarray(seen)
    known = codes is not None and codes.ndim == 1 and len(codes) == answer.shape[1]
    if not known or codes is None or not np.isin(codes, np.arange(classes)).all():
        raise ProductError(
            f"the model gives {answer.shape[1]} probabilities a row, and there are {classes} classes",
            where=where,
            remedy="train it on rows of all classes, with the label codes it is given",
        )
    full = np.zeros((len(answer), classes))
    full[:, codes.astype(int)] = answer
    return full


def _check_shape(answer: Array, expected: tuple[int, ...], where: str) -> None:
    if answer.shape != expected:
        raise ProductError(
            f"the answer has the shape {answer.shape}, where {expected} is needed",
            where=where,
            remedy="return one prediction (classification: one row of probabilities) for each row",
        )


def _check_finite(answer: Array, where: str) -> None:
    finite = np.isfinite(answer)
    if not finite.all():
        bad = np.flatnonzero(~finite.reshape(len(answer), -1).all(axis=1))
        raise NotFinite(
            f"{len(bad)} of {len(answer)} answers are not finite, the first in row {bad[0]}",
            where=where,
            remedy="find what the model does with such a row: missing values and infinities are the usual cause",
        )


def _check_probable(answer: Array, where: str) -> None:
    wrong = answer[(answer < -SLACK) | (answer > 1 + SLACK)]
    if wrong.size:
        raise ProductError(
            f"the answer {wrong.flat[0]:g} is no probability",
            where=where,
            remedy="let predict_proba give numbers between 0 and 1 (CalibratedClassifierCV makes them of scores)",
        )
