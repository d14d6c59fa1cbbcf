"""What users of the library hand over as predictions and labels: named where it is neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.errors import DataError, UsageError
from windlass.product.model.predict import SLACK
from windlass.product.task import KINDS, TaskKind

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

_NOTHING = ("NoneType", "NAType", "NaTType")
"""Types of what stands for a missing value, by name: pandas need not be there."""


def numbers_of(given: ArrayLike) -> Array:
    """Predictions, labels or losses as an array; NaN where NumPy's mask or a missing value of pandas says that there is
    none, which takes floats. What are no numbers comes as it is, and is refused by who knows what it should be."""
    if isinstance(given, np.ma.MaskedArray) and given.dtype.kind in "biuf":
        return given.data if not np.any(given.mask) else np.where(np.ma.getmaskarray(given), np.nan, given.data)
    found = np.asarray(given)
    if found.dtype.kind != "O":
        return found
    if not all(isinstance(each, (bool, int, float, np.number, np.bool_)) or _is_nothing(each) for each in found.flat):
        return found
    floats = (np.nan if _is_nothing(each) else float(each) for each in found.flat)
    return np.fromiter(floats, np.float64, found.size).reshape(found.shape)


def _is_nothing(value: object) -> bool:
    return type(value).__name__ in _NOTHING


def check_kind(kind: str) -> None:
    """Raise UsageError for what is no kind of task."""
    if kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}", remedy=f"take one of {', '.join(KINDS)}")


def check_answers(answers: Array, kind: TaskKind) -> None:
    """Raise UsageError unless these are predictions of such a task, and DataError unless all are finite."""
    check_kind(kind)
    if answers.ndim != (2 if kind == "multiclass" else 1):
        raise UsageError(
            f"predictions of the shape {answers.shape} are none of a {kind} task",
            remedy={
                "binary": "give the probability of the positive class: predict_proba(rows)[:, 1]",
                "multiclass": "give the probability of each class: an array of the shape (n, k)",
                "regression": "give an array of the shape (n,)",
            }[kind],
        )
    if not np.isfinite(answers).all():
        raise DataError("a prediction is not finite", remedy="leave such rows out")
    if kind != "regression" and answers.size and not (answers.min() >= -SLACK and answers.max() <= 1 + SLACK):
        raise UsageError("a prediction is no probability", remedy="give probabilities, between 0 and 1")


def check_labels(labels: Array) -> None:
    """Raise UsageError unless the labels are numbers, one for each row."""
    if labels.ndim != 1:
        raise UsageError(
            f"labels have the shape (n,), not {labels.shape}",
            remedy="give one column of them: frame['late'], or y[:, 0]",
        )
    if labels.dtype.kind not in "biuf":
        raise UsageError(
            f"the labels are of type {labels.dtype}",
            remedy="give numbers: values, or 0, 1, ... for the classes in the order of the model's probabilities",
        )
