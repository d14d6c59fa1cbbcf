"""Up to where the labels of a stretch of time are all there.

Where one class becomes known early and the other late (a default after a missed payment, a repaid loan after years),
the latest labels are of the early class alone. What trains or judges on them learns that everything ends that way. So
rows count, for training as for judging, only up to where no more labels are missing than always are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_PRIOR_MISSING, _PRIOR_ROWS = 1, 10
"""What is taken to be usual before any row's time is over, and how little that weighs."""
_LEAST = 1000
"""The newest rows whose time is over that tell how many labels usually stay away, at least."""
_DEVIATIONS = 3.0
"""How far beyond the usual the count of missing labels may stray by chance: this many standard deviations, and one."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """How many labels never come, as rows tell whose time for one is over."""

    share: float
    """Of rows that stay without a label; above 0 and below 1."""
    rows: int
    """On which that rests."""

    @classmethod
    def of(cls, known: Array) -> Usual:
        """From whether each of these rows has a label; without any, one in ten is taken to stay away."""
        missing = len(known) - int(np.count_nonzero(known))
        rows = len(known) + _PRIOR_ROWS
        return cls(share=(missing + _PRIOR_MISSING) / rows, rows=rows)


def complete_rows(at: Array, known: Array, *, now: float, within: float, usual: Usual | None = None) -> int:
    """How many of n rows, from the first on, have their labels as far as they will ever have them.

    `at` `(n,)` are the moments of the rows, rising; `known` `(n,)` whether the label is there at `now`; `within` how
    long a label may take, in the same units. Rows older than that are not waited for. Of the younger ones the newest
    stretch is left out of which clearly more labels are missing than is usual, and then the next, until there is none:
    what slips through is within the noise of labels that never come. What is usual tell the rows older than `within`,
    where the caller knows no better.
    """
    over = int(np.searchsorted(at, now - within, side="right"))
    young = np.asarray(known[over:], dtype=bool)
    if usual is None:
        usual = Usual.of(known[max(0, over - max(len(young), _LEAST)) : over])
    count = len(young)
    while count:
        rows = np.arange(1, count + 1)
        excess = np.cumsum(~young[:count][::-1]) - usual.share * rows - 1
        variance = usual.share * (1 - usual.share) * rows * (1 + rows / usual.rows)
        strength = excess / np.sqrt(variance)
        clearest = int(strength.argmax())
        if strength[clearest] <= _DEVIATIONS:
            break
        count -= clearest + 1
    return over + count
