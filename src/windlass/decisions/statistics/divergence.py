"""How far two distributions are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]


def psi(reference: Array, window: Array) -> float:
    """Population stability index of two rows of counts over the same bins; half a row a bin is added to each side.

    `sum (p - q) ln(p / q)`, the symmetrised Kullback-Leibler divergence; above 0.2 is commonly called a major shift
    (Siddiqi 2006, Credit Risk Scorecards). What is added is spread as both sides together are, so that sides of unequal
    size that are spread alike are not apart. NaN when either side is empty.
    """
    if reference.sum() == 0 or window.sum() == 0:
        return float("nan")
    added = 0.5 * len(reference)
    both = reference / reference.sum() + window / window.sum()
    spread = added * (both + 1e-6) / (both + 1e-6).sum()
    first = (reference + spread) / (reference.sum() + added)
    second = (window + spread) / (window.sum() + added)
    return float(((first - second) * np.log(first / second)).sum())


def jensen_shannon(reference: Array, window: Array) -> float:
    """Distance of two rows of counts over the same bins, in 0..1: the square root of the divergence in bits.

    Source: Endres and Schindelin (2003), IEEE Transactions on Information Theory 49. NaN when either side is empty.
    """
    if reference.sum() == 0 or window.sum() == 0:
        return float("nan")
    first, second = reference / reference.sum(), window / window.sum()
    middle = (first + second) / 2
    safe = np.where(middle > 0, middle, 1.0)
    parts = [
        np.where(side > 0, side * np.log2(np.where(side > 0, side, 1.0) / safe), 0.0).sum() for side in (first, second)
    ]
    return float(np.sqrt(max(sum(parts) / 2, 0.0)))


def ks_distance(first: Array, second: Array, *, slack: float = 0.0) -> float:
    """Largest gap between the two empirical distribution functions, in 0..1; NaN when either is empty.

    With `slack` each may be moved by so much towards the other before (as in the Levy metric): values that are no
    further apart count as the same, also where many of them are.
    """
    if len(first) == 0 or len(second) == 0:
        return float("nan")
    one, two = np.sort(first), np.sort(second)
    return max(0.0, _ahead(one, two, slack), _ahead(two, one, slack))


def _ahead(one: Array, two: Array, slack: float) -> float:
    """Of sorted values: by how much more of `one` than of `two` lies up to a value, at the most."""
    own = np.searchsorted(one, one, side="right") / len(one)
    others = np.searchsorted(two, one + slack, side="right") / len(two)
    return float((own - others).max())


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
