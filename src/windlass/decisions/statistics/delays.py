"""How long labels take, learned of those that have come.

A label that has come had to take less time than its row is old: short delays are seen more often than they are, the
more so the younger the rows. Read backwards, from the longest delay down, that is ordinary late entry, and the
product-limit estimate of the reversed times has no such bias (Lagakos, Barraj and De Gruttola, "Nonparametric analysis
of truncated survival data, with application to AIDS", Biometrika 75, 1988). It needs no rows without a label and no
base rate, which may move.

Labels that come in deliveries, such as once a night, waited for theirs. What is known then was told by the last
delivery, however long ago that is, and of each label only between which two deliveries it was ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

_LEAST_DELAYS = 50
"""Labels below which nobody can tell how they come."""
_OF_DELIVERY, _LEAST_DELIVERED = 0.05, 3
"""Labels that follow each other within this part of the usual delay, as many or more, are a delivery."""
_LEAST_PART_DELIVERED, _MOST_OF_TIME = 0.9, 0.1
"""Labels come in deliveries if that holds for so many, and all deliveries together last no longer than this part of the
time."""
_TURNS = 8
"""Until the distribution hardly moves any more: the first turn spreads labels evenly, each later one as the last found
them to lie."""
_GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, modulo 1, are spread evenly however many there are (Weyl 1916)."""


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Deliveries:
    """How labels come: many at a time, or each as soon as it is ready."""

    began: Floats
    """`(d,)` rising: when each delivery began; empty: labels come at any time."""

    @classmethod
    def of(cls, at: Array, known_at: Array) -> Deliveries:
        """As n rows tell: when each was, and when its label came (not finite: not yet, or nobody saw when)."""
        seen = np.isfinite(known_at)
        moments = np.sort(known_at[seen])
        if len(moments) < _LEAST_DELAYS:
            return cls(began=np.empty(0))
        apart = np.diff(moments) > _OF_DELIVERY * float(np.median(known_at[seen] - at[seen]))
        first = np.append(0, np.flatnonzero(apart) + 1)
        size = np.diff(np.append(first, len(moments)))
        large = size >= _LEAST_DELIVERED
        began, ended = moments[first[large]], moments[(first + size - 1)[large]]
        come_so = size[large].sum() >= _LEAST_PART_DELIVERED * len(moments)
        if not come_so or (ended - began).sum() > _MOST_OF_TIME * (moments[-1] - moments[0]):
            return cls(began=np.empty(0))
        return cls(began=np.asarray(began, dtype=np.float64))

    def age(self, at: Array, now: float | Array) -> Floats:
        """`(n,)`: how old rows were when labels were last told; below 0 for rows since then."""
        if not len(self.began):
            return np.asarray(now - at, dtype=np.float64)
        return np.asarray(self._delivery(np.searchsorted(self.began, now, side="right") - 1) - at, dtype=np.float64)

    def learn(self, at: Array, known_at: Array, *, now: float) -> Delays:
        """How long labels take until they are ready, from n that have come by `now`.

        Each was ready between two deliveries: at which moment there is taken to be as the labels of all of them tell,
        by turns (self-consistency, Turnbull 1976, Journal of the Royal Statistical Society B 38).
        """
        took, age = self.age(at, known_at), self.age(at, now)
        if not len(self.began):
            return learn_delays(took, age)
        before = self._delivery(np.searchsorted(self.began, known_at, side="right") - 2) - at
        told = took >= 0  # not those that came by themselves, after the last delivery
        took, age, before = took[told], age[told], np.maximum(before[told], 0.0)
        place = np.arange(1, len(took) + 1) * _GOLDEN % 1
        delays = learn_delays(before + place * (took - before), age)
        for _ in range(_TURNS if len(took) else 0):
            low, high = delays.known_by(before), delays.known_by(took)
            found = np.searchsorted(delays.share, low + place * (high - low), side="left")
            delays = learn_delays(np.clip(delays.at[np.minimum(found, len(delays.at) - 1)], before, took), age)
        return delays

    def _delivery(self, place: Array) -> Floats:
        """When the delivery at each place began; none was before the first."""
        return np.where(place >= 0, self.began[np.maximum(place, 0)], -np.inf)
