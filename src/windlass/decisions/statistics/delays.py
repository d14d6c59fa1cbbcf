"""How long labels take, learned of those that have come.

A label that has come had to take less time than its row is old: short delays are seen more often than they are, the
more so the younger the rows. Read backwards, from the longest delay down, that is ordinary late entry, and the
product-limit estimate of the reversed times has no such bias (Lagakos, Barraj and De Gruttola, "Nonparametric analysis
of truncated survival data, with application to AIDS", Biometrika 75, 1988). It needs no rows without a label and no
base rate, which may move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Delays:
    """The distribution of delays, of those that are no longer than the oldest row."""

    at: Array
    """`(k,)` rising: the delays that were seen."""
    share: Array
    """`(k,)` rising, at most 1: the share of all labels that take no longer."""
    error: Array
    """`(k,)` the standard error of the logarithm of each share."""

    def known_by(self, age: Array) -> Array:
        """`(n,)` the share of labels that are known at each of these ages."""
        places = np.searchsorted(self.at, age, side="right") - 1
        return np.where(places >= 0, self.share[np.maximum(places, 0)], 0.0)

    def doubt(self, age: Array) -> Array:
        """`(n,)` the standard error of `log(known_by(age))`, since the delays that were seen are a sample (Greenwood's
        formula, read backwards); infinite before the shortest delay."""
        places = np.searchsorted(self.at, age, side="right") - 1
        return np.where(places >= 0, self.error[np.maximum(places, 0)], np.inf)


def learn_delays(delay: Array, age: Array) -> Delays:
    """From n labels that have come: what each took, and how old its row is by now (`delay <= age`, same units).

    Without any, none is ever known.
    """
    if not len(delay):
        return Delays(at=np.zeros(1), share=np.zeros(1), error=np.full(1, np.inf))
    at, count = np.unique(delay, return_counts=True)
    no_longer = np.cumsum(count)
    younger = np.searchsorted(np.sort(age), at, side="left")
    at_risk = no_longer - younger  # rows that are old enough to show this delay, and whose own was no longer
    stays = 1 - count / at_risk
    share = np.append(np.cumprod(stays[:0:-1])[::-1], 1.0)
    left = np.maximum(at_risk - count, 0.5)  # a single row at risk that goes leaves nothing to estimate from
    lost = count / (at_risk * left)
    error = np.sqrt(np.append(np.cumsum(lost[:0:-1])[::-1], 0.0))
    return Delays(at=at, share=share, error=error)
