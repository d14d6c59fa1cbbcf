"""What users of the library hand over as predictions and labels: named where it is neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.errors import DataError, UsageError
from windlass.product.model.predict import SLACK
from windlass.product.task import KINDS, TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


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
    """Raise UsageError unless the labels are numbers."""
    if labels.dtype.kind not in "biuf":
        raise UsageError(
            f"the labels are of type {labels.dtype}",
            remedy="give numbers: values, or 0, 1, ... for the classes in the order of the model's probabilities",
        )
