"""Judgements that may be asked again and again: bounds that hold at every look, not only at one.

A bet on a null hypothesis multiplies its stake by `1 + bet * (value - null)` with each value. If the values' mean,
given all before, is at most `null`, no bet can be expected to win; so a stake that has grown a hundredfold is evidence
of one in a hundred, whenever one looks (Ville 1939; Waudby-Smith and Ramdas 2024, JRSS B 86).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BETS = np.asarray(0.5 ** np.arange(1, 9), dtype=np.float64)
"""As parts of the largest bet that cannot ruin: 1/2, 1/4, ... 1/256. Small shifts need small bets and many rows."""
_CHANGE_BETS = np.asarray(0.5 ** np.arange(1, 8), dtype=np.float64)
_CHANGE_STAKES = np.array([0.04, *[0.16] * 6])
"""What of each new stake is laid on which bet. The largest is for values that hardly vary; of others it sees nothing
that the next does not see as soon."""

_LEAST_NULL = 1e-9


def evidence_above(values: Floats, null: float) -> float:
    """The most, over all looks so far, that a mixture of bets on "the mean of `values` is above `null`" has won.

    `values` is `(n,)` in 0..1, in the order in which they became known; `null` in 0..1. A stake of 1 reaches `1 /
    alpha` with probability at most `alpha`, ever, while the mean given the past is at most `null`.
    """
    return float(course_above(values, null).max(initial=1.0))


def course_above(values: Floats, null: float) -> Floats:
    """`(n,)`: the same evidence after each value; it falls again where the values speak against it."""
    if len(values) == 0 or not _LEAST_NULL < null < 1:
        return np.ones(len(values))
    wealth = np.logaddexp.reduce(np.cumsum(_growth(values, null, _BETS), axis=1), axis=0) - np.log(len(_BETS))
    return np.asarray(np.exp(np.minimum(wealth, 700.0)), dtype=np.float64)


def change_evidence(values: Floats, null: float | Floats, stakes: Floats | None = None) -> Floats:
    """The Shiryaev-Roberts e-detector: `(n,)`, evidence after each value that the mean has risen above `null` since
    some moment. `null` may be `(n,)`: for each value one that rests on earlier values alone.

    One new stake of 1 is laid with every value, so while nothing has changed the sum is `n` on average after `n`
    values: an alarm at `c` comes after `c` values on average or later, and within the first `n` with probability at
    most `n / c`. With `stakes`, `(n,)` and above 0, which may rest on whatever does not move the values' means, the
    sum is theirs. Source: Shin, Ramdas and Rinaldo (2024), E-detectors, New England Journal of Statistics in Data
    Science 2.
    """
    if len(values) == 0 or not np.all((null > _LEAST_NULL) & (null < 1)):
        return np.zeros(len(values))
    total = np.cumsum(_growth(values, null, _CHANGE_BETS), axis=1)
    before = np.concatenate([np.zeros((len(_CHANGE_BETS), 1)), total[:, :-1]], axis=1)
    laid = 0.0 if stakes is None else np.log(stakes)
    running = total + np.logaddexp.accumulate(laid - before, axis=1)
    mixed = np.logaddexp.reduce(running + np.log(_CHANGE_STAKES)[:, None], axis=0)
    return np.asarray(np.exp(np.minimum(mixed, 700.0)), dtype=np.float64)


def _growth(values: Floats, null: float | Floats, bets: Floats) -> NDArray[Any]:
    return np.log1p(np.outer(bets, (np.clip(values, 0.0, 1.0) - null) / null))


def proportion_bounds(hits: int, trials: int, alpha: float) -> tuple[float, float]:
    """Where a proportion can lie given `hits` of `trials`: an interval that covers at all looks together, but for
    `alpha`.

    The proportions that a Beta(1/2, 1/2) mixture of likelihood ratios has not refuted by `1 / alpha` (Robbins 1970,
    Annals of Mathematical Statistics 41, section 3). (0, 1) without trials.
    """
    from scipy.special import betaln, xlog1py, xlogy

    if trials <= 0:
        return 0.0, 1.0
    limit = float(betaln(hits + 0.5, trials - hits + 0.5) - betaln(0.5, 0.5) + np.log(alpha))

    def refuted(share: float) -> bool:
        return float(xlogy(hits, share) + xlog1py(trials - hits, -share)) < limit

    middle = hits / trials
    return _edge(refuted, 0.0, middle), _edge(refuted, 1.0, middle)


def _edge(refuted: Any, outside: float, inside: float) -> float:
    if not refuted(outside):
        return outside
    for _ in range(50):
        middle = (outside + inside) / 2
        if refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside


def distribution_radius(rows: int, alpha: float) -> float:
    """How far an empirical distribution function of `rows` values is from the true one, at all looks but for `alpha`.

    Source: Howard and Ramdas (2022), Bernoulli 28, corollary 2 (a time-uniform Dvoretzky-Kiefer-Wolfowitz bound).
    """
    if rows <= 0:
        return 1.0
    return float(min(1.0, 0.85 * np.sqrt((np.log(np.log(np.e * rows)) + 0.8 * np.log(1612 / alpha)) / rows)))
