"""Predictions of one version in the order of another's classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def align(predictions: Array, old: Sequence[Any], new: Sequence[Any]) -> Array:
    """Predictions made for the classes `old` as if they had been made for `new`; both empty for regression.

    A class that is not among the old ones got no chance: 0. Raises DataError when two-class models do not speak of the
    same two classes, since one probability says nothing about others.
    """
    old, new = tuple(old), tuple(new)
    if old == new or not new:
        return predictions
    if predictions.ndim == 1:
        if tuple(reversed(old)) == new:
            return 1 - predictions
        raise DataError(
            f"one tells {old} apart and the other {new}",
            plain="the two versions tell other classes apart",
            where="classes of two versions",
            remedy="versions can be compared once both know the same two classes",
        )
    aligned = np.zeros((len(predictions), len(new)))
    for place, label in enumerate(new):
        if label in old:
            aligned[:, place] = predictions[:, old.index(label)]
    return aligned
