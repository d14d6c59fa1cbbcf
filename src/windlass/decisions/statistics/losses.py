"""What one prediction costs: losses row by row.

Truth is `(n,)`: 0/1 or class codes 0..k-1, or values. Predictions are `(n,)` probabilities of the positive class
(binary), `(n, k)` probabilities (multiclass) or `(n,)` values (regression). Every function returns `(n,)` float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

RANKING = frozenset({"roc_auc", "average_precision"})
"""Metrics that only the order of the scores matters to."""
_LEAST = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 in the log loss, as scikit-learn does."""


def losses(truth: Array, predictions: Array, kind: TaskKind) -> Floats:
    """The loss that decay, probation and the other watchers look at.

    The Brier score for classification, in 0..1: it is proper, and its bound is what the sequential tests rest on (a log
    loss has none). The absolute error for regression, in the units of the target.
    """
    if kind == "regression":
        return absolute(truth, predictions)
    return brier(truth, predictions)


def compared_losses(truth: Array, predictions: Array, kind: TaskKind, *, metric: str) -> Floats:
    """The losses by which two versions are compared on the same rows: those of the metric that their gate names.

    A gate that asks for a ranking says that only the order of the scores counts; a version must not be withdrawn for
    their level then, which moves with the base rate of the season. All other gates are served by `losses`, and so is
    this one while only one class has come, since there is nothing to rank.
    """
    ranked = kind == "binary" and metric in RANKING and len(np.unique(truth)) > 1
    return misranked(truth, predictions) if ranked else losses(truth, predictions, kind)


def misranked(truth: Array, scores: Array) -> Floats:
    """`(m,)` for m disjoint pairs of a positive and a negative: 1 if the negative scores higher, 0.5 for a tie, else 0.

    Its mean estimates 1 - AUC, and since no row is in two pairs, the pairs are as independent as the rows. Each row of
    the rarer class is paired with the one of the other before it, or the next that is free, so that both are of about
    the same time; which rows make a pair depends on the labels alone, so two models are compared on the same pairs.
    """
    positive, negative = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    swap = len(positive) > len(negative)
    rare, common = (negative, positive) if swap else (positive, negative)
    place = np.arange(len(rare))
    before = np.maximum(np.searchsorted(common, rare) - 1, 0)
    partner = np.maximum.accumulate(before - place) + place if len(rare) else place
    found = partner < len(common)
    one, other = rare[found], common[partner[found]]
    high, low = (other, one) if swap else (one, other)
    return np.where(scores[low] > scores[high], 1.0, np.where(scores[low] == scores[high], 0.5, 0.0))


def least_losses(predictions: Array, kind: TaskKind) -> Floats:
    """The least that `losses` can come to, whatever the truth turns out to be."""
    if kind == "regression":
        return np.zeros(len(predictions))
    return brier(chosen(predictions), predictions)


def most_losses(predictions: Array, kind: TaskKind) -> Floats:
    """The most that `losses` can come to, whatever the truth turns out to be; infinite for numbers."""
    if kind == "regression":
        return np.full(len(predictions), np.inf)
    unlikely = 1 - chosen(predictions) if predictions.ndim == 1 else np.full(len(predictions), -1)
    return brier(unlikely, predictions)


def brier(truth: Array, predictions: Array) -> Floats:
    """Squared distance between the probabilities and what happened, halved for several classes: 0..1.

    Source: Brier (1950), Monthly Weather Review 78.
    """
    if predictions.ndim == 1:
        return np.asarray((predictions - truth) ** 2, dtype=np.float64)
    own = _of_truth(truth, predictions)
    return np.asarray(((predictions**2).sum(axis=1) - 2 * own + 1) / 2, dtype=np.float64)


def log_loss(truth: Array, predictions: Array) -> Floats:
    """Minus the log of the probability given to what happened, in nats."""
    if predictions.ndim == 1:
        likelihood = np.where(truth == 1, predictions, 1 - predictions)
    else:
        likelihood = _of_truth(truth, predictions)
    return np.asarray(-np.log(np.clip(likelihood, _LEAST, 1.0)), dtype=np.float64)


def wrong(truth: Array, predictions: Array) -> Floats:
    """1 where the likeliest class is not the true one, else 0; binary: probability 0.5 counts as positive."""
    return np.asarray(chosen(predictions) != truth, dtype=np.float64)


def absolute(truth: Array, predictions: Array) -> Floats:
    return np.abs(np.asarray(predictions, dtype=np.float64) - truth)


def squared(truth: Array, predictions: Array) -> Floats:
    return np.asarray((np.asarray(predictions, dtype=np.float64) - truth) ** 2, dtype=np.float64)


def relative(truth: Array, predictions: Array) -> Floats:
    """Absolute error over the size of the truth; infinite where the truth is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(absolute(truth, predictions) / np.abs(truth), dtype=np.float64)


def cost(truth: Array, predictions: Array, matrix: tuple[tuple[float, float], tuple[float, float]]) -> Floats:
    """Cost of acting on each prediction at the threshold that the costs themselves imply.

    `matrix` is `((true negative, false positive), (false negative, true positive))`. For calibrated probabilities the
    cheapest rule is: positive from `t = (FP - TN) / ((FP - TN) + (FN - TP))` on (Elkan 2001, IJCAI, eq. 2). The
    threshold comes from the costs alone, never from the rows judged, so that it cannot flatter a candidate.
    """
    threshold = cost_threshold(matrix)
    act = np.asarray(predictions >= threshold, dtype=np.int64)
    cells = np.asarray(matrix, dtype=np.float64)
    return np.asarray(cells[np.asarray(truth, dtype=np.int64), act], dtype=np.float64)


def decision_threshold(
    costs: tuple[tuple[float, float], tuple[float, float]] | None, own: float | None = None
) -> float:
    """The probability from which a binary answer is positive: what the `costs` of the gate imply, else the model's
    `own` threshold, else one half."""
    if costs is not None:
        return cost_threshold(costs)
    return 0.5 if own is None else own


def cost_threshold(matrix: tuple[tuple[float, float], tuple[float, float]]) -> float:
    """The probability from which acting as if positive is the cheaper choice.

    Where a mistake costs no more than being right, one act is always the cheaper: the threshold is then 0 (always
    positive) or just above 1 (never).
    """
    (negative, false_positive), (false_negative, positive) = matrix
    alarm, miss = false_positive - negative, false_negative - positive
    if alarm + miss <= 0 or not 0 <= alarm / (alarm + miss) <= 1:
        return 0.0 if miss >= alarm else float(np.nextafter(1.0, 2.0))
    return alarm / (alarm + miss)


def chosen(predictions: Array) -> NDArray[np.int64]:
    """The class that the probabilities choose, as codes."""
    if predictions.ndim == 1:
        return np.asarray(predictions >= 0.5, dtype=np.int64)
    return np.asarray(predictions.argmax(axis=1), dtype=np.int64)


def _of_truth(truth: Array, predictions: Array) -> Array:
    """The probability given to the class that happened; 0 for a class that the model does not know."""
    codes = np.asarray(truth, dtype=np.int64)
    known = (codes >= 0) & (codes < predictions.shape[1])
    own = predictions[np.arange(len(codes)), np.where(known, codes, 0)]
    return np.where(known, own, 0.0)
