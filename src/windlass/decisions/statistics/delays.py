"""How long labels take, learned of those that have come.

A label that has come had to take less time than its row is old: short delays are seen more often than they are, the
more so the younger the rows. Read backwards, from the longest delay down, that is ordinary late entry, and the
product-limit estimate of the reversed times has no such bias (Lagakos, Barraj and De Gruttola, "Nonparametric analysis
of truncated survival data, with application to AIDS", Biometrika 75, 1988). It needs no rows without a label and no
base rate, which may move.

Labels that come in deliveries, such as once a night, waited for theirs. What is known then was told by the last
delivery, however long ago that is, and of each label only between which two deliveries it was ready. Where silence is a
label (no event by then: it did not happen), it says so at the first delivery after the time is over, and not before:
what happened in time may still lie where the others wait. No delivery is learned of labels that are silence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
_HALVES = np.arange(1, 8)
"""A row is in the half of each of these numbers with which its own has an even number of bits in common: of any two
halves, half the rows are in both."""
_MOST_HALVED, _SLOWLY = 4000, -1 / 3
"""Of more labels every so many are halved. What is known of each label between two moments only is learned with the
cube root of how many there are, not with the square root (Groeneboom and Wellner 1992)."""
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
    """`(k, m)` what the logarithm of each share may be off by, in m ways that have nothing to do with each other: their
    squares add up to its variance."""

    def known_by(self, age: Array) -> Array:
        """`(n,)` the share of labels that are known at each of these ages."""
        places = np.searchsorted(self.at, age, side="right") - 1
        return np.where(places >= 0, self.share[np.maximum(places, 0)], 0.0)

    def doubt(self, age: Array) -> Array:
        """`(n, m)` what `log(known_by(age))` may be off by, since the delays that were seen are a sample (Greenwood's
        formula, read backwards); infinite before the shortest delay."""
        places = np.searchsorted(self.at, age, side="right") - 1
        return np.where(places[:, None] >= 0, self.error[np.maximum(places, 0)], np.inf)


def learn_delays(delay: Array, age: Array) -> Delays:
    """From n labels that have come: what each took, and how old its row is by now (`delay <= age`, same units).

    Without any, none is ever known.
    """
    if not len(delay):
        return Delays(at=np.zeros(1), share=np.zeros(1), error=np.full((1, 1), np.inf))
    at, count = np.unique(delay, return_counts=True)
    no_longer = np.cumsum(count)
    younger = np.searchsorted(np.sort(age), at, side="left")
    at_risk = no_longer - younger  # rows that are old enough to show this delay, and whose own was no longer
    stays = 1 - count / at_risk
    share = np.append(np.cumprod(stays[:0:-1])[::-1], 1.0)
    left = np.maximum(at_risk - count, 0.5)  # a single row at risk that goes leaves nothing to estimate from
    lost = count / (at_risk * left)
    error = np.sqrt(np.append(np.cumsum(lost[:0:-1])[::-1], 0.0))
    return Delays(at=at, share=share, error=error[:, None])


@dataclass(frozen=True, kw_only=True, eq=False)
class Deliveries:
    """How labels come: many at a time, or each as soon as it is ready."""

    began: Floats
    """`(d,)` rising: when each delivery began; empty: labels come at any time."""
    within: float
    """After how long a label that is known since then may be silence."""

    @classmethod
    def of(cls, at: Array, known_at: Array, *, within: float) -> Deliveries:
        """As n rows tell: when each was, and when its label came (not finite: not yet, or nobody saw when)."""
        none = cls(began=np.empty(0), within=within)
        seen = np.isfinite(known_at) & ~none._silence(at, known_at)
        moments = np.sort(known_at[seen])
        if len(moments) < _LEAST_DELAYS:
            return none
        apart = np.diff(moments) > _OF_DELIVERY * float(np.median(known_at[seen] - at[seen]))
        first = np.append(0, np.flatnonzero(apart) + 1)
        size = np.diff(np.append(first, len(moments)))
        large = size >= _LEAST_DELIVERED
        began, ended = moments[first[large]], moments[(first + size - 1)[large]]
        come_so = size[large].sum() >= _LEAST_PART_DELIVERED * len(moments)
        if not come_so or (ended - began).sum() > _MOST_OF_TIME * (moments[-1] - moments[0]):
            return none
        return replace(none, began=np.asarray(began, dtype=np.float64))

    def told_until(self, now: float) -> float:
        """The last moment of which labels tell."""
        return (
            float(self._delivery(np.searchsorted(self.began, [now], side="right") - 1)[0]) if len(self.began) else now
        )

    def known(self, at: Array, known_at: Array, *, now: float) -> NDArray[np.bool_]:
        """`(n,)`: which labels are known at `now`; silence since the last delivery says nothing yet."""
        return np.asarray((known_at <= now) & ~(self._silence(at, known_at) & (self.age(at, now) < self.within)))

    def age(self, at: Array, now: float | Array) -> Floats:
        """`(n,)`: how old rows were when labels were last told; below 0 for rows since then."""
        if not len(self.began):
            return np.asarray(now - at, dtype=np.float64)
        return np.asarray(self._delivery(np.searchsorted(self.began, now, side="right") - 1) - at, dtype=np.float64)

    def learn_with_doubt(self, at: Array, known_at: Array, *, now: float) -> Delays:
        """The same as `learn`, with errors that hold for deliveries too, for four times the work.

        Of a label that was told once a week it is hardly known when it was ready, so the errors of delays that were
        seen are too small. How far shares that are learned of half the labels stray from those of all tells how far
        those stray from the truth (balanced half-samples, McCarthy 1969, Review of the International Statistical
        Institute 37).
        """
        delays = self.learn(at, known_at, now=now)
        if not len(self.began):
            return delays
        every = -(-len(at) // _MOST_HALVED)
        at, known_at = at[::every], known_at[::every]
        whole = delays if every == 1 else self.learn(at, known_at, now=now)
        halves = np.bitwise_count(np.arange(len(at)) & _HALVES[:, None]) % 2 == 0
        shares = np.stack(
            [self.learn(at[half], known_at[half], now=now).known_by(delays.at) for half in halves], axis=1
        )
        known_by = whole.known_by(delays.at)[:, None]
        strayed = 2 * (shares - known_by) / np.maximum(shares + known_by, np.finfo(float).tiny)  # a bounded logarithm
        return replace(delays, error=strayed / np.sqrt(len(_HALVES)) * every**_SLOWLY)

    def learn(self, at: Array, known_at: Array, *, now: float) -> Delays:
        """How long labels take until they are ready, from n that have come by `now`.

        Each was ready between two deliveries: at which moment there is taken to be as the labels of all of them tell,
        by turns (self-consistency, Turnbull 1976, Journal of the Royal Statistical Society B 38).
        """
        took, age = self.age(at, known_at), self.age(at, now)
        if not len(self.began):
            return learn_delays(took, age)
        silence = self._silence(at, known_at)
        took = np.where(silence, self.within, took)
        before = np.where(silence, took, self._delivery(np.searchsorted(self.began, known_at, side="right") - 2) - at)
        told = (took >= 0) & (took <= age)  # not those that came by themselves, or fell silent, after the last delivery
        took, age, before = took[told], age[told], np.maximum(before[told], 0.0)
        place = np.arange(1, len(took) + 1) * _GOLDEN % 1
        delays = learn_delays(before + place * (took - before), age)
        for _ in range(_TURNS if len(took) else 0):
            low, high = delays.known_by(before), delays.known_by(took)
            found = np.searchsorted(delays.share, low + place * (high - low), side="left")
            delays = learn_delays(np.clip(delays.at[np.minimum(found, len(delays.at) - 1)], before, took), age)
        return delays

    def _silence(self, at: Array, known_at: Array) -> NDArray[np.bool_]:
        """`(n,)`: which labels came when the time for them was over, or later; moments are told to some digits only."""
        return np.asarray(known_at - at >= self.within * (1 - 1e-6))

    def _delivery(self, place: Array) -> Floats:
        """When the delivery at each place began; none was before the first."""
        return np.where(place >= 0, self.began[np.maximum(place, 0)], -np.inf)
