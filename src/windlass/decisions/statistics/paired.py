"""Two models on the same rows: how much better, and how sure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.decisions.statistics.metrics import Metric

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

_RESAMPLES = 200
_RESAMPLED_ROWS = 10_000
_BLOCKS = 30
_ROUNDING = 1e-14


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A candidate against a champion on the same rows."""

    candidate: float
    champion: float
    gain: float
    """How much better the candidate is, in the metric's units; negative: worse."""
    error: float
    """Standard error of the gain; NaN when it cannot be told."""
    freedom: float
    """Degrees of freedom of Student's t for `gain / error`."""
    lower: float
    upper: float
    """Two-sided 95 % confidence interval of the gain."""
    rows: int

    def p_worse(self, tolerance: float = 0.0) -> float:
        """One-sided p-value against "the candidate is at most `tolerance` worse"; NaN when the gain is undefined.

        Small: it is clearly worse. Without any noise (two models with a constant difference) it is 0 or 1.
        """
        distance = self.gain + tolerance
        return self._p_below(distance)

    def p_better(self) -> float:
        """One-sided p-value against "the candidate is no better"; NaN when the gain is undefined. Small: it is."""
        return self._p_below(-self.gain)

    def _p_below(self, distance: float) -> float:
        if not np.isfinite(distance) or np.isnan(self.error):
            return float("nan")
        if self.error == 0:
            return float(distance >= 0)
        from scipy.special import stdtr

        return float(stdtr(self.freedom, distance / self.error))


def compare(metric: Metric, truth: Array, candidate: Array, champion: Array, *, seed: int = 0) -> Comparison:
    """Compare two models' predictions of the same `n` rows, given in the order of their time.

    The error of the gain comes from the rows' influences on the metric where it has them: for a mean loss this is the
    paired t test, for the area under the ROC curve DeLong's paired test (see `ranking.auc_influence`). Otherwise rows
    are resampled together for both models, in blocks of neighbours (circular block bootstrap, Politis and Romano 1992).
    Neighbouring rows that err alike widen the error: see `standard_error`.
    """
    first, second = metric.score(truth, candidate), metric.score(truth, champion)
    gain = metric.gain(first, second)
    if not np.isfinite(gain):
        error, freedom = float("nan"), 1.0
    elif metric.influence is not None:
        influences = metric.influence(truth, candidate) - metric.influence(truth, champion)
        error, freedom = standard_error(influences), _freedom(metric, truth)
    else:
        error, freedom = _bootstrap_error(metric, truth, candidate, champion, seed), float(len(truth) - 1)
    reach = _quantile(freedom) * error
    return Comparison(
        candidate=first,
        champion=second,
        gain=gain,
        error=error,
        freedom=freedom,
        lower=gain - reach,
        upper=gain + reach,
        rows=len(truth),
    )


def standard_error(values: Floats) -> float:
    """Standard error of the mean of `(n,)` values that come in the order of their time.

    Independent values give `s / sqrt(n)`. When the means of 30 consecutive blocks vary more than independence allows
    (chi square, 5 %), the larger figure counts: neighbours that err alike are worth fewer rows than they seem (batch
    means, Law 2014, Simulation Modeling and Analysis, 9.5.3). NaN for fewer than two values.
    """
    count = len(values)
    if count < 2:
        return float("nan")
    variance = float(values.var(ddof=1)) / count
    return float(np.sqrt(variance * dependence(values)))


def dependence(values: Floats, *, chance: float = 0.05) -> float:
    """By how much the variance of the mean exceeds what independent values would give; 1 if it does not clearly.

    `chance`: how often independent values are taken for dependent ones. 1 as well for fewer than 150 values, and for
    values that are all the same but for how they were rounded.
    """
    from scipy.special import chdtri

    size = len(values) // _BLOCKS
    if size < 5:
        return 1.0
    spread = float(values.var(ddof=1))
    if math.sqrt(spread) <= _ROUNDING * float(np.abs(values).max()):  # the other one's square may be beyond a float
        return 1.0
    means = values[: size * _BLOCKS].reshape(_BLOCKS, size).mean(axis=1)
    ratio = float(means.var(ddof=1)) * size / spread
    return ratio if ratio > chdtri(_BLOCKS - 1, chance) / (_BLOCKS - 1) else 1.0


def _freedom(metric: Metric, truth: Array) -> float:
    """For a ranking the rarer class limits what is known, for a mean all rows count."""
    if metric.name != "roc_auc":
        return float(len(truth) - 1)
    counts = np.unique(truth, return_counts=True)[1]
    return float(max(1, int(counts.min()) - 1))


def _bootstrap_error(metric: Metric, truth: Array, candidate: Array, champion: Array, seed: int) -> float:
    """Resampled on at most 10,000 rows and scaled by the square root of what was left out, which keeps it quick."""
    count = len(truth)
    rows = min(count, _RESAMPLED_ROWS)
    block = max(1, round(rows ** (1 / 3)))
    random = np.random.default_rng(seed)
    gains = np.empty(_RESAMPLES)
    for index in range(_RESAMPLES):
        starts = random.integers(count, size=-(-rows // block))
        picked = ((starts[:, None] + np.arange(block)) % count).ravel()[:rows]
        part = truth[picked]
        gains[index] = metric.gain(metric.score(part, candidate[picked]), metric.score(part, champion[picked]))
    defined = gains[np.isfinite(gains)]
    if len(defined) < _RESAMPLES // 2:
        return float("nan")
    return float(defined.std(ddof=1) * np.sqrt(rows / count))


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
