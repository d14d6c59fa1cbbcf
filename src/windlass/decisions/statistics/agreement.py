"""How far apart two versions are on the same row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def row_gaps(own: Array, others: Array, *, scale: float = 1.0) -> Floats:
    """`(n,)` in 0..1. Of probabilities the total variation distance: `(n,)` of the positive class, or `(n, k)`.

    Of numbers the difference as a part of `scale`, cut at 1. NaN where either is.
    """
    gap = np.abs(np.asarray(own, dtype=np.float64) - others)
    if gap.ndim == 2:
        gap = gap.sum(axis=1) / 2
    return np.asarray(np.minimum(gap / scale, 1.0), dtype=np.float64)


def scale_of(answers: Array) -> float:
    """What numbers are measured by: the range of the middle nine tenths of a model's answers. NaN when it has none."""
    if len(answers) == 0:
        return float("nan")
    low, high = np.quantile(answers, [0.05, 0.95])
    return float(high - low) if high > low else float("nan")
