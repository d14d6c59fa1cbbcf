"""What the last release brought, as evidence of what the next one will.

The rows that judge a candidate are few, they came after half of what is new to it at the most, and what one stretch of
time says of two models the next one often takes back. What a release has brought since is known better: the one before
answered beside it on all rows of its probation. Where retraining has paid, it will sooner pay again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from windlass.records.decision import Decision

CHANCE_GAIN = 0.1
"""Chance that a model which is as good as the other is called better."""
_SUREST = 1e-15
"""No p-value is taken to be smaller, nor nearer to 1: one proof does not outweigh whatever else was seen."""


class Precedent(msgspec.Struct, frozen=True, kw_only=True):
    """How the last version released did on its probation, against the one before on the same rows."""

    gain: float
    """How much less it lost, as a share of what the one before lost; negative: more."""
    p_better: float
    """One-sided p-value against "it is no better"."""

    @property
    def proven(self) -> bool:
        """Whether it was better beyond chance: 10 of 100 that are as good as the one before seem so."""
        return self.p_better < CHANCE_GAIN


def precedent_of(decided: Decision | None) -> Precedent | None:
    """What `decide_rollback` found when a probation ended, or what of that `decide_retrain` lets count; None where no
    outcomes told, or nothing was decided yet."""
    numbers = {} if decided is None else decided.numbers
    gain, p_better = numbers.get("gain"), numbers.get("p_better")
    if not isinstance(gain, float) or not isinstance(p_better, float):
        return None
    return Precedent(gain=gain, p_better=p_better)


def together(p_values: Sequence[float]) -> float:
    """One p-value of several that rest on different rows, each counting as much as the others.

    The sum of the normal deviates over the root of their number (Stouffer et al. 1949, The American Soldier, volume 1,
    page 45). NaN if one of them is.
    """
    from scipy.special import ndtr, ndtri

    deviates = ndtri(np.clip(p_values, _SUREST, 1 - _SUREST))
    return float(ndtr(deviates.sum() / len(deviates) ** 0.5))
