"""How far two distributions are apart, and whether chance explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

_LEAST_EXPECTED = 5.0


def psi(reference: Array, window: Array) -> float:
    """Population stability index of two rows of counts over the same bins; half a row is added to each bin.

    `sum (p - q) ln(p / q)`, the symmetrised Kullback-Leibler divergence; above 0.2 is commonly called a major shift
    (Siddiqi 2006, Credit Risk Scorecards). NaN when either side is empty.
    """
    if reference.sum() == 0 or window.sum() == 0:
        return float("nan")
    first = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    second = (window + 0.5) / (window.sum() + 0.5 * len(window))
    return float(((first - second) * np.log(first / second)).sum())


def homogeneity(reference: Array, window: Array) -> tuple[float, float]:
    """Pearson's chi square that both rows of counts come from one distribution, and its p-value.

    Both rows are samples, and the test says so: a reference taken for the truth would make its own noise an alarm. Bins
    of which either side expects fewer than five rows are put together first, so that the p-value can be believed far
    out. (0, 1) when fewer than two bins are left.
    """
    from scipy.special import chdtrc

    rows, total = reference.sum() + window.sum(), reference + window
    if reference.sum() == 0 or window.sum() == 0:
        return 0.0, 1.0
    expected = total * (min(reference.sum(), window.sum()) / rows)
    large = expected >= _LEAST_EXPECTED
    table = np.array([_merged(reference, large), _merged(window, large)], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0
    chance = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / rows
    statistic = float(((table - chance) ** 2 / chance).sum())
    return statistic, float(chdtrc(table.shape[1] - 1, statistic))


def _merged(counts: Array, large: Array) -> Array:
    return np.append(counts[large], counts[~large].sum())


def ks_distance(first: Array, second: Array) -> float:
    """Largest gap between the two empirical distribution functions, in 0..1; NaN when either is empty."""
    if len(first) == 0 or len(second) == 0:
        return float("nan")
    one, two = np.sort(first), np.sort(second)
    points = np.concatenate([one, two])
    left = np.searchsorted(one, points, side="right") / len(one)
    right = np.searchsorted(two, points, side="right") / len(two)
    return float(np.abs(left - right).max())


def holm(p_values: Floats, alpha: float) -> NDArray[np.bool_]:
    """Which of several hypotheses fall when all errors together may have the chance `alpha`; NaN never does.

    Source: Holm (1979), Scandinavian Journal of Statistics 6.
    """
    ranked = np.where(np.isnan(p_values), np.inf, p_values)
    order = np.argsort(ranked, kind="stable")
    count = int(np.isfinite(ranked).sum())
    fails = ranked[order][:count] > alpha / np.arange(count, 0, -1)
    kept = count if not fails.any() else int(np.argmax(fails))
    rejected = np.zeros(len(p_values), dtype=np.bool_)
    rejected[order[:kept]] = True
    return rejected
