"""One model of all rows, or several that each leave out another part of them and answer together?

A flexible model follows the chance of its rows. Where several that learned from different parts answer together, what
they follow by chance cancels out, while each has fewer rows to learn from (Breiman 1996, Bagging predictors; without
replacement: Buehlmann and Yu 2002, Analyzing bagging, Annals of Statistics 30). Which of the two weighs more depends on
the estimator and the rows, so rows that came after all others say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.statistics.metrics import metric_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]

MEMBERS = 4
"""Each learns from three quarters of the rows. More bring little more, and all must be asked at each request."""
WORTH = 0.005
"""What must be gained for the members' price: this share of what one model falls short of a perfect score."""
_SEED = 0


def parts_of(rows: int) -> list[NDArray[np.int64]]:
    """For each member the places of the rows that it learns from, rising: all but a part that is drawn by chance, so
    that each member knows every season. The parts are the same each time for as many rows, and together all rows."""
    part = np.random.default_rng(_SEED).permutation(rows) % MEMBERS
    return [np.flatnonzero(part != each) for each in range(MEMBERS)]


def committee_helps(kind: TaskKind, truth: Array, *, together: Array, alone: Array) -> bool:
    """Whether the committee scores better than one model of all rows, by half a percent of what that falls short of a
    perfect score, in the usual metric of the task. What a gate asks for is no reason to train anew.

    `truth` `(n,)` are the labels of rows that came after those that were learned from; `together` and `alone` the
    predictions for them. No proof is asked for: neither of the two is what answers now, and what passes must still hold
    against that at the gate. Where a score is undefined one model is enough.
    """
    metric = metric_for("default", kind)
    one = metric.score(truth, alone)
    gain = metric.gain(metric.score(truth, together), one)
    return gain > 0 and gain >= WORTH * (metric.room(one) or 0.0)
