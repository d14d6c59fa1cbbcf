"""How far back a model should look: from all rows to the newest sixteenth, and how much each of these is worth.

Where the world stands still more rows are better, where it changes newer ones are, and how fast it changes nobody knows
beforehand. So models of halving stretches are fitted, and rows that came after all of them say how much to listen to
each. Halving is enough: between two neighbours of the ladder hardly anything is gained.

What is best for a while need not be best for longer: at the end of a summer, who has seen the summer alone is the best,
and in autumn the worst. So all rows are what a model learns from unless shorter stretches were better *throughout*: the
rows that choose are parted into a few long blocks, and what holds in one of them counts once, however many rows it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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
"""Of the way from the weights that err least to all rows alone."""
_BLOCKS = 5
"""Long enough that what is alike for a while is alike within one of them, and few: so there must be little doubt."""
ALPHA = 0.05
"""Chance that shorter stretches which are no better seem to be, if blocks are independent."""
_MOST = 20_000
"""Rows that weights are found on, evenly spread over all; more would change them in the third digit."""


def horizons(rows: int, *, changed: int = 0) -> tuple[int, ...]:
    """Of how many of the newest of `rows` rows a model of their own is worth while; of all of them it always is.

    `changed` of them have come since a change of which something else tells, and are a stretch of their own.
    """
    ladder = [round(rows * share) for share in SHARES if share == 1.0 or rows * share >= LEAST]
    return tuple([*ladder, changed] if LEAST_CHANGED <= changed < rows and changed not in ladder else ladder)


def weigh(truth: Array, answers: Sequence[Array], kind: TaskKind) -> Floats:
    """`(members,)` weights, 0 or at least 0.05, that sum to 1: as much of the first member as these rows allow.

    `answers` are predictions of the members for the n rows of `truth`, in the order of their time, which none of the
    members has learned from; the first member has learned from all rows before. First those weights are sought under
    which the blend errs least, by the log loss (classification) or the mean absolute error (regression), over all
    convex combinations (stacking: Wolpert 1992; Breiman 1996, Stacked regressions). Then they are moved towards the
    first member alone as far as the blend is not clearly worse for it: one-sided, 5 %, by the t test of the means of
    five consecutive blocks (batch means, Law 2014, Simulation Modeling and Analysis, 9.5.3).
    """
    if len(answers) == 1:
        return np.ones(1)
    step = -(-len(truth) // _MOST)
    truth = np.asarray(truth)[::step]
    answers = [np.asarray(answer)[::step] for answer in answers]
    if kind == "regression":
        objective = _absolute(np.stack(answers) - truth)
    else:
        objective = _log_loss(log_probabilities(answers, kind), truth)
    weights = _proven(_minimised(objective, len(answers)), truth, answers, kind)
    kept = np.where(weights >= LEAST_WEIGHT, weights, 0.0)
    return np.asarray(kept / kept.sum())


def _proven(best: Floats, truth: Array, answers: Sequence[Array], kind: TaskKind) -> Floats:
    """Between `best` and the first member alone, the nearest to the latter that the rows do not speak against."""
    least = _row_losses(best, truth, answers, kind)
    first = np.eye(len(best))[0]
    for part in _PARTS:
        weights = (1 - part) * best + part * first
        if not _clearly_more(_row_losses(weights, truth, answers, kind) - least):
            return np.asarray(weights)
    return best


def _clearly_more(differences: Floats) -> bool:
    """Whether the mean of `(n,)` differences in the order of time is above 0 beyond chance, block by block."""
    from scipy.special import stdtrit

    if len(differences) < 2 * _BLOCKS:
        return False
    means = np.array([block.mean() for block in np.array_split(differences, _BLOCKS)])
    reach = float(stdtrit(_BLOCKS - 1, 1 - ALPHA)) * float(means.std(ddof=1)) / _BLOCKS**0.5
    return bool(means.mean() > reach)


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
