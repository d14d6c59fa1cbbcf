"""How far back a model should look: from all rows to the newest sixteenth, and how much each of these is worth.

Where the world stands still more rows are better, where it changes newer ones are, and how fast it changes nobody knows
beforehand. So models of halving stretches are fitted, and rows that came after all of them say how much to listen to
each. Halving is enough: between two neighbours of the ladder hardly anything is gained.

Those rows are few and of one moment. Weights that are best on them have learned that moment too, and are mostly worse
on what comes next than equal weights, which have learned nothing (Smith and Wallis 2009, A simple explanation of the
forecast combination puzzle). So weights depart from equal ones only as far as the rows prove.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.paired import standard_error
from windlass.product.model.blend import combined, log_probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Objective = Callable[[Floats], tuple[float, Floats]]
    """A convex function of the weights, with its gradient."""

SHARES = (1.0, 0.5, 0.25, 0.125, 0.0625)
"""Of the rows in the order of their time: the newest ones, this share of all."""
LEAST = 1000
"""Rows below which no stretch is a candidate of its own: what it could tell is in the noise."""
LEAST_CHANGED = 100
"""Rows since a change below which they are no candidate of their own."""
LEAST_WEIGHT = 0.05
"""A member that counts for less is left out: it costs as much at every request as any other."""
_PARTS = np.linspace(1.0, 0.0, 11)
"""Of the way from the weights that err least to equal ones."""
_MOST = 20_000
"""Rows that weights are found on, the newest; more would change them in the third digit."""


def horizons(rows: int, *, changed: int = 0) -> tuple[int, ...]:
    """Of how many of the newest of `rows` rows a model of their own is worth while; of all of them it always is.

    `changed` of them have come since a change of which something else tells, and are a stretch of their own.
    """
    ladder = [round(rows * share) for share in SHARES if share == 1.0 or rows * share >= LEAST]
    return tuple([*ladder, changed] if LEAST_CHANGED <= changed < rows and changed not in ladder else ladder)


def weigh(truth: Array, answers: Sequence[Array], kind: TaskKind) -> Floats:
    """`(members,)` weights, 0 or at least 0.05, that sum to 1: as equal as these rows allow.

    `answers` are predictions of the members for the n rows of `truth`, in the order of their time, which none of the
    members has learned from. First those weights are sought under which the blend errs least, by the log loss
    (classification) or the mean absolute error (regression), over all convex combinations (stacking: Wolpert 1992;
    Breiman 1996, Stacked regressions). Then they are moved towards equal ones as far as the blend errs no more than one
    standard error worse (the rule by which Breiman et al. 1984, Classification and Regression Trees, 3.4.3, choose the
    simpler of two trees).
    """
    if len(answers) == 1:
        return np.ones(1)
    truth = np.asarray(truth)[-_MOST:]
    answers = [np.asarray(answer)[-_MOST:] for answer in answers]
    if kind == "regression":
        objective = _absolute(np.stack(answers) - truth)
    else:
        objective = _log_loss(log_probabilities(answers, kind), truth)
    weights = _evened(_minimised(objective, len(answers)), truth, answers, kind)
    kept = np.where(weights >= LEAST_WEIGHT, weights, 0.0)
    return np.asarray(kept / kept.sum())


def _evened(best: Floats, truth: Array, answers: Sequence[Array], kind: TaskKind) -> Floats:
    """Between `best` and equal weights, the nearest to these that rows do not speak against."""
    least = _row_losses(best, truth, answers, kind)
    for part in _PARTS:
        weights = (1 - part) * best + part / len(best)
        more = _row_losses(weights, truth, answers, kind) - least
        if more.mean() <= standard_error(more):
            return np.asarray(weights)
    return best


def _row_losses(weights: Floats, truth: Array, answers: Sequence[Array], kind: TaskKind) -> Floats:
    """`(n,)`: how much the blend errs on each row, by what `weigh` minimises."""
    answer = combined(answers, weights.tolist(), kind)
    if kind == "regression":
        return np.asarray(np.abs(answer - truth))
    own = np.where(truth == 1, answer, 1 - answer) if kind == "binary" else answer[np.arange(len(truth)), truth]
    return np.asarray(-np.log(own))


def _minimised(objective: Objective, members: int) -> Floats:
    """The minimum over the simplex, in softmax coordinates."""
    from scipy.optimize import minimize

    def outer(places: Floats) -> tuple[float, Floats]:
        weights = _softmax(places)
        value, slope = objective(weights)
        return value, weights * (slope - weights @ slope)

    return _softmax(minimize(outer, np.zeros(members), jac=True, method="L-BFGS-B").x)


def _softmax(places: Floats) -> Floats:
    shares = np.exp(places - places.max())
    return np.asarray(shares / shares.sum())


def _log_loss(logarithms: Floats, truth: Array) -> Objective:
    """Of the blend whose logarithms are the weighted means of `(members, n, k)`."""
    own = np.take_along_axis(logarithms, truth.astype(int)[None, :, None], axis=2)[:, :, 0]

    def objective(weights: Floats) -> tuple[float, Floats]:
        mixed = np.tensordot(weights, logarithms, axes=1)
        top = mixed.max(axis=1, keepdims=True)
        shares = np.exp(mixed - top)
        total = shares.sum(axis=1, keepdims=True)
        value = float((top[:, 0] + np.log(total[:, 0]) - weights @ own).mean())
        return value, np.einsum("mnk,nk->m", logarithms, shares / total) / len(mixed) - own.mean(axis=1)

    return objective


def _absolute(errors: Floats) -> Objective:
    """The mean absolute error, rounded off within a thousandth of its size so that it has a slope everywhere.

    `errors` `(members, n)` are those of each member.
    """
    scale = float(np.abs(errors).mean()) or 1.0

    def objective(weights: Floats) -> tuple[float, Floats]:
        error = weights @ errors / scale
        size = np.sqrt(error**2 + 1e-6)
        return float(size.mean()), errors @ (error / size) / (len(error) * scale)

    return objective
