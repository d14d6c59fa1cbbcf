"""May a model learn from labels that came early, of rows whose class as a whole is not known yet?

All labels known are more and newer than those of rows that stand for their time (`completeness`), but where one class
becomes known sooner than the other, they are a choice. What that does to a model depends on what is asked of it: a
ranking suffers little from days on which one class alone is known, a probability much. No rule tells, but the past
does: at an earlier moment both kinds of rows were there as they are now, and the rows that came after it have all their
labels by now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from windlass.decisions.statistics import paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.decisions.statistics.metrics import Metric

    Array = NDArray[Any]

ALPHA = 0.05
"""Chance that early labels which are of no use are learned from."""
_WORTH = 0.1
"""More rows than stand for their time there must be, as a share of these: fewer bring less than a bias may cost."""


def worth_asking(*, known: int, standing: int) -> bool:
    """Whether all labels known are so many more than those of rows that stand for their time that it may matter."""
    return known >= standing * (1 + _WORTH)


def early_labels_help(metric: Metric, truth: Array, *, early: Array, standing: Array) -> bool:
    """Whether a model is clearly better for having learned from labels that came early.

    `truth` `(n,)` are the labels of rows that stand for all of their time, in its order; `early` and `standing` the
    predictions for them of two models that were made of what was known before the first of them: of all labels, and of
    the rows that stood for their time then. One-sided, 5 %, by the test of the gate (`paired.compare`); where it cannot
    be told they do not help.
    """
    return paired.compare(metric, truth, early, standing).p_better() < ALPHA
