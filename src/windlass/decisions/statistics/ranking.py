"""How well scores put positives before negatives, and how sure that figure is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def roc_auc(truth: Array, scores: Array) -> float:
    """Chance that a positive scores above a negative, ties counting half; NaN with one class only."""
    positive = truth == 1
    if positive.all() or not positive.any():
        return float("nan")
    return float(_placements(scores[positive], scores[~positive]).mean())


def auc_influence(truth: Array, scores: Array) -> Floats:
    """Each row's influence on the area under the ROC curve: `(n,)`, mean 0.

    The area less its true value is, to first order, the mean of these; the variance of the mean is DeLong's. They are
    his structural components (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44), found by sorting in O(n log n) as
    in Sun and Xu (2014, IEEE Signal Processing Letters 21), scaled so that positives and negatives can be summed. NaN
    throughout when there is one class only.
    """
    positive = truth == 1
    count = len(truth)
    positives = int(positive.sum())
    influence = np.full(count, np.nan)
    if positives in (0, count):
        return influence
    above = _placements(scores[positive], scores[~positive])
    below = 1 - _placements(scores[~positive], scores[positive])
    area = above.mean()
    influence[positive] = (above - area) * count / positives
    influence[~positive] = (below - area) * count / (count - positives)
    return influence


def average_precision(truth: Array, scores: Array) -> float:
    """Precision averaged over the recall gained at each distinct score (no interpolation); NaN without positives."""
    positives = int((truth == 1).sum())
    if positives == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(truth[order] == 1)[last]
    return float((np.diff(hits, prepend=0) / positives * hits / (last + 1)).sum())


def _placements(of: Array, among: Array) -> Floats:
    """For each of `of`, the part of `among` below it, ties counting half."""
    ordered = np.sort(among)
    under = np.searchsorted(ordered, of, side="left") + np.searchsorted(ordered, of, side="right")
    return np.asarray(under / (2 * len(ordered)), dtype=np.float64)
