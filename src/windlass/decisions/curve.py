"""What more rows have brought so far, as evidence of what those that are new will bring.

The rows that judge a candidate are few, and it has learned from a little more than the champion: what one look shows is
mostly noise. Whether a recipe gains by more rows can be asked of all the rows that are there, several times over: of
half more of them each time, and judged by those that came next. What is seen is far more by that than by the one look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from windlass.decisions.horizons import LEAST
from windlass.decisions.statistics.paired import Comparison

ALPHA = 0.05
"""Chance that more rows which bring nothing seem to bring something."""
WORTH = 0.0025
"""What a release must be expected to bring: this share of what the champion falls short of a perfect score. Half of
what a committee must: its price is paid at each request, that of a release once."""
_MORE = 1.5
"""How many times as many rows each model learns from as the one before."""
_MODELS = 4


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Two models made by one recipe of fewer and of more rows, on rows that came after these."""

    growth: float
    """The logarithm of how many times as many rows the second one learned from."""
    gain: float
    """How much better the second one is, in the metric's units."""
    error: float
    """Standard error of the gain."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """What more rows have brought, and how many there are."""

    steps: tuple[Step, ...]
    champion: int
    """Of how many of the rows the champion has learned,"""
    candidate: int
    """the judged candidate,"""
    released: int
    """and what a release will bring."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a release is expected to gain."""

    gain: float
    p_better: float
    """One-sided p-value against "more rows bring nothing"."""


def cuts_of(rows: int) -> list[int]:
    """The rows that each model of the curve learns from: all, two thirds, four ninths and eight twenty-sevenths."""
    return [round(rows / _MORE**power) for power in reversed(range(_MODELS))]


def can_tell(rows: int) -> bool:
    """Whether so many rows that train are enough: the first model must have learned from as many as a stretch needs."""
    return cuts_of(rows)[0] >= LEAST


def forecast(curve: Curve, found: Comparison) -> Forecast | None:
    """What a release is expected to gain by the curve and by the candidate's own gain `found` together; None where
    nothing tells.

    Each gain counts as what its growth has brought: a line through the origin, over the logarithm of the rows, fitted
    by weighted least squares. Where the gains lie further from it than their errors allow, as where a season judges
    each of them, its error is what they tell of it themselves (Birge 1932, Physical Review 40), by Student's t.
    """
    steps = [*curve.steps, *_own(curve, found)]
    known = [step for step in steps if math.isfinite(step.gain) and step.error > 0 and step.growth > 0]
    if len(known) < 2 or not 0 < curve.champion < curve.released:
        return None
    slope, p_better = _line(known)
    return Forecast(gain=slope * math.log(curve.released / curve.champion), p_better=p_better)


def speaks_for(expected: Forecast, *, room: float | None) -> bool:
    """Whether what is expected is clear (5 %), and worth a release; `room` is what the champion falls short of a
    perfect score, None where nobody knows."""
    return expected.p_better < ALPHA and expected.gain >= WORTH * (room or 0.0)


def _own(curve: Curve, found: Comparison) -> list[Step]:
    if not 0 < curve.champion < curve.candidate:
        return []
    return [Step(growth=math.log(curve.candidate / curve.champion), gain=found.gain, error=found.error)]


def _line(steps: Sequence[Step]) -> tuple[float, float]:
    """The gain for a growth of e, and its one-sided p-value against 0."""
    from scipy.special import ndtr, stdtr

    growth, gain, error = np.array([(step.growth, step.gain, step.error) for step in steps]).T
    weight = float(((growth / error) ** 2).sum())
    slope = float((growth * gain / error**2).sum()) / weight
    freedom = len(steps) - 1
    spread = float((((gain - slope * growth) / error) ** 2).sum()) / freedom
    deviate = slope * math.sqrt(weight / max(1.0, spread))
    return slope, float(ndtr(-deviate) if spread <= 1 else stdtr(freedom, -deviate))
