"""The least that a model must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]


def constant_answer(target: Array, *, rows: int, classes: int, kind: TaskKind) -> Array:
    """What a model that only knows the training labels `target` says of `rows` rows.

    The class frequencies, or the median; shaped like the predictions of such a task, `classes` wide for multiclass.
    """
    if kind == "regression":
        return np.full(rows, float(np.median(target)))
    if kind == "binary":
        return np.full(rows, float(np.mean(target)))
    return np.tile(np.bincount(target.astype(np.int64), minlength=classes) / len(target), (rows, 1))
