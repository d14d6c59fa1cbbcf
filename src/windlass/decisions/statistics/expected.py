"""What a figure is expected to come to when the labels are not known, only how likely each of them is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.decisions.statistics.metrics import Metric

    Array = NDArray[Any]

DRAWS, _EVEN_DRAWS = 60, 20
"""Of labels: independent ones tell the noise, evenly spread ones the mean."""
_GOLDEN = (5**0.5 - 1) / 2


class Expected(NamedTuple):
    """A figure without labels."""

    value: float
    noise: float
    """Standard deviation of the figure by the chance that is in the labels, by which even who knew every probability
    would be off, and by what is not known of the probabilities."""


def expected_score(
    metric: Metric, probabilities: Array, predictions: Array, *, doubts: Iterable[Array] = (), seed: int = 0
) -> Expected:
    """The mean of a metric over labels drawn from `probabilities`, and how much it varies.

    `probabilities` `(n, k)` are those of each label code; `predictions` `(n,)` or `(n, k)` what the model said. Any
    metric of a classification has its expectation so, also those that are no mean over rows. For the mean, the draws of
    each row are evenly spaced, and so are those of rows of like probabilities (multiples of the golden ratio; Kuipers
    and Niederreiter 1974, Uniform Distribution of Sequences): that leaves a fraction of the error that independent
    draws would have. `doubts` are `DRAWS` others `(n, k)` that the probabilities may be as well: the labels whose
    figures tell the noise are then drawn from these. NaN where the metric is undefined for most draws.
    """
    random = np.random.default_rng(seed)
    upto = np.cumsum(probabilities, axis=1)[:, :-1]
    place = np.empty(len(upto))
    place[np.lexsort(probabilities.T)] = np.arange(len(upto))
    even = (place[None, :] * _GOLDEN + np.arange(_EVEN_DRAWS)[:, None] / _EVEN_DRAWS + random.random()) % 1.0
    value = _scores(metric, ((each, upto) for each in even), predictions)
    doubted = [np.cumsum(each, axis=1)[:, :-1] for each in doubts] or [upto] * DRAWS
    noise = _scores(metric, ((random.random(len(upto)), each) for each in doubted), predictions)
    if len(value) < _EVEN_DRAWS // 2 or len(noise) < DRAWS // 2:
        return Expected(float("nan"), float("nan"))
    return Expected(float(value.mean()), float(noise.std(ddof=1)))


def _scores(metric: Metric, drawn: Iterable[tuple[Array, Array]], predictions: Array) -> Array:
    """The metric for each draw, where it is defined."""
    found = [metric.score((each[:, None] > upto).sum(axis=1), predictions) for each, upto in drawn]
    return np.asarray([score for score in found if np.isfinite(score)])
