"""Rows counted into frozen bins, against the reference they were cut from: exact likelihood ratios.

Let the bins be cut at values of the reference, and let all rows come from one distribution, whatever it is. Then where
the next row falls is known without knowing the distribution: rows fall like draws from Polya's urn, which begins with
the reference's counts and to which each row adds itself (for values without ties the share of the bins given their cuts
is Dirichlet: Wilks 1962, Mathematical Statistics, 8.7). So the reference's own noise is part of the null hypothesis,
and nothing is estimated. The alternatives are urns as well: whose bins are tilted, or which trust the reference less. A
ratio of the two is a martingale under the null, rows by rows, given all before: an e-value (Grunwald, de Heide and
Koolen 2024, JRSS B 86), and so is a weighted mean of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

_SHIFTS = 0.0125 * 2.0 ** np.arange(8)
"""Of the mean, in standard deviations of a normal column: 1/80 to 1.6."""
_SPREADS = 0.025 * 2.0 ** np.arange(6)
_ODDS = np.concatenate([-0.05 * 2.0 ** np.arange(6), 0.05 * 2.0 ** np.arange(8)])
"""Changes of one bin's log odds, in natural logarithms: to 1/5 of the odds, and up to 600 times."""
_TRUST = np.array([30.0, 300.0, 3000.0])
"""Rows that the reference is worth to alternatives that may look like anything."""
_TINY = 1e-300
_USUAL = 5.0
"""Rows of the reference from which on a bin can become rarer. Rows beyond its range, say, may be impossible; that none
come is no evidence then, whatever the urn expects."""
_SHARES = {"shift": 0.45, "spread": 0.10, "shape": 0.15, "share": 0.30}
"""How the first stake is laid on the alternatives of a number, and of a category, which has no order."""
_SHARES_UNORDERED = {"shape": 0.25, "share": 0.75}


@dataclass(frozen=True, kw_only=True, eq=False)
class Bins:
    """The bins of `d` columns, padded to `k`."""

    weights: Floats
    """`(d, k)`: rows of the reference in each bin, and what the unseen is worth; 0: padding."""
    ordered: NDArray[np.bool_]
    """`(d,)`: whether the bins of the column have an order; the last one, of what is missing, never has."""
    special: NDArray[np.bool_]
    """`(d, k)`: bins that get half of what is laid on single bins: missing, unseen, beyond the range."""
    stretch: Floats
    """`(d, l)`: lengths of stretches of the reference, in rows, rising; infinite: padding."""
    uneven: Floats
    """`(d, l)`: variance of the reference's shares between stretches of that length beyond chance, relative to
    `p (1 - p)`. A column without any length is judged as if rows were independent."""

    @property
    def varying(self) -> NDArray[np.bool_]:
        """`(d,)`: whether stretches are known to differ."""
        return np.asarray(np.isfinite(self.stretch).any(axis=1))

    def variance(self, rows: Floats) -> Floats:
        """`(d,)`: the same between runs of so many `rows` `(d,)`, as far as the reference bounds it.

        A run is put together of stretches, and the standard deviation of a sum is at most the sum of those of its parts
        (Minkowski). Of what is left over, shorter than all of them, nothing is known but that its rows may all be
        alike, which is a variance of 1. Any choice of the longest stretch gives a bound; the least one holds.
        """
        known, rows = np.isfinite(self.stretch), np.maximum(rows, 1.0)
        least = np.where(self.varying, rows, 0.0)
        for longest in range(self.stretch.shape[1]):
            left, summed = rows, np.zeros(len(rows))
            for place in range(longest, -1, -1):
                parts = np.floor(left / self.stretch[:, place])
                length = np.where(known[:, place], self.stretch[:, place], 0.0)
                left = left - parts * length
                summed = summed + parts * length * np.sqrt(self.uneven[:, place])
            least = np.minimum(least, summed + left)
        return np.asarray((least / rows) ** 2)

    def counting(self, rows: Floats) -> Floats:
        """`(d,)`: what each row of such a run counts for: one over how many times more counts vary than those of
        independent rows. So what the reference did within itself is no news, in a run of any length."""
        counted = 1 / (1 + np.maximum(rows, 1.0) * self.variance(rows))
        return np.asarray(counted)


def log_evidence(bins: Bins, before: Array, counts: Array) -> Floats:
    """`(d,)`: logarithm of the e-value of each column that `counts` `(d, k)` do not fall as those before them did.

    `before` `(d, k)`: rows since the reference that fell before, and that the null takes for its own. The expectation
    of its exponential is 1 under the null, given the past.
    """
    counts = np.asarray(counts, dtype=np.float64)
    counts = counts * bins.counting(counts.sum(axis=1))[:, None]
    urn = np.where(bins.weights > 0, bins.weights + before, 0.0)
    urn = urn * bins.counting(urn.sum(axis=1))[:, None]
    usual = bins.weights >= _USUAL
    known, inside = np.where(usual, urn, 0.0), np.where(usual, counts, 0.0)
    parts = [*_tilted(bins, known, inside), _reshaped(bins, known, inside), _single(bins, urn, counts, usual)]
    return np.asarray(np.logaddexp.reduce(np.stack(parts), axis=0))


def least_shift(weight: float, rows: float, *, log_threshold: float, power: float = 1.645) -> float:
    """The least shift of the mean, in standard deviations, that evidence of `log_threshold` shows 95 times in 100.

    The reference is worth `weight` rows and the current side `rows`, which may be infinite: no shift that is smaller is
    ever sure to be found. For a normal column; infinite when none is.
    """
    effective = 1 / (1 / weight + 1 / rows)
    needed = log_threshold - np.log(_SHARES["shift"] / (2 * len(_SHIFTS)))
    shifts = np.geomspace(1e-4, 3.0, 600)[:, None]
    sure = _SHIFTS * (shifts * effective - power * np.sqrt(effective)) - _SHIFTS**2 * effective / 2
    found = np.flatnonzero(sure.max(axis=1) >= needed)
    return float(shifts[found[0], 0]) if len(found) else float("inf")


def _tilted(bins: Bins, urn: Floats, counts: Floats) -> list[Floats]:
    """Numbers whose values moved or spread: weights tilted by normal scores, as a shift of the mean tilts them.

    `urn` and `counts` hold the usual bins; whether rows fall into others is left to `_single`.
    """
    chosen = np.flatnonzero(bins.ordered)
    weights, rows = urn[chosen], counts[chosen]
    plain = _log_urn(weights, rows)
    found = []
    for name, scores, steps in zip(("shift", "spread"), _scores(weights), (_SHIFTS, _SPREADS), strict=True):
        tilts = np.concatenate([-steps, steps])
        tilted = weights[None] * np.exp(tilts[:, None, None] * scores[None])
        tilted *= (weights.sum(axis=1) / np.maximum(tilted.sum(axis=2), _TINY))[:, :, None]
        won = np.full(len(urn), -np.inf)
        won[chosen] = _mean(_log_urn(tilted, rows[None]) - plain) + np.log(_SHARES[name])
        found.append(won)
    return found


def _reshaped(bins: Bins, urn: Floats, counts: Floats) -> Floats:
    """Any change among the usual bins: the reference is believed no more than if it had a few rows.

    Where rows count for less, since in some way stretches differ much, it is never believed more than that: in all
    other ways rows fall more evenly than such an urn expects, which is no change.
    """
    total = urn.sum(axis=1)[:, None]
    trusted = urn[None] / np.maximum(total, _TINY) * _TRUST[:, None, None]
    ratio = _log_urn(trusted, counts[None]) - _log_urn(urn, counts)
    ratio = np.where(bins.varying & (_TRUST[:, None] > total[:, 0]), 0.0, ratio)
    return np.asarray(_mean(ratio) + np.log(_laid(bins, "shape")))


def _single(bins: Bins, urn: Floats, counts: Floats, usual: NDArray[np.bool_]) -> Floats:
    """One bin that became more or less frequent; the others keep their proportions."""
    rest = urn.sum(axis=1)[:, None] - urn
    total = urn + rest
    usable = (urn > 0) & (rest > 0)
    own, others = np.where(usable, urn, 1.0), np.where(usable, rest, 1.0)
    moved = total[None] / (1 + others / own * np.exp(-_ODDS)[:, None, None])
    moved = np.where(usable[None], moved, 0.5 * total[None])
    left = counts.sum(axis=1)[:, None] - counts
    ratio = _log_pair(moved, total[None] - moved, counts[None], left[None]) - _log_pair(own, others, counts, left)
    others_usual = bins.weights.sum(axis=1)[:, None] - bins.weights >= _USUAL
    rarer = np.where((_ODDS < 0)[:, None, None], usual[None], others_usual[None])  # what becomes rarer is a usual one
    each = _mean(np.where(rarer, ratio, 0.0))
    each = np.where(usable, each + np.log(_bin_shares(bins, usable)), -np.inf)
    return np.asarray(np.logaddexp.reduce(each, axis=1) + np.log(_laid(bins, "share")))


def _mean(logarithms: Floats) -> Floats:
    """Logarithm of the mean over the first axis."""
    return np.asarray(np.logaddexp.reduce(logarithms, axis=0) - np.log(len(logarithms)))


def _laid(bins: Bins, part: str) -> Floats:
    return np.where(bins.ordered, _SHARES[part], _SHARES_UNORDERED[part])


def _bin_shares(bins: Bins, usable: NDArray[np.bool_]) -> Floats:
    """`(d, k)`: what is laid on each bin; half on the special ones, if there are both kinds."""
    special, plain = bins.special & usable, ~bins.special & usable
    count, others = special.sum(axis=1)[:, None], plain.sum(axis=1)[:, None]
    half = np.where((count > 0) & (others > 0), 0.5, 1.0)
    share = np.where(special, half / np.maximum(count, 1), half / np.maximum(others, 1))
    return np.where(usable, share, 1.0)


def _scores(urn: Floats) -> tuple[Floats, Floats]:
    """Normal scores of the bins' middle ranks, with mean 0 and variance 1 in the urn, and their centred squares."""
    from scipy.special import ndtri

    present = urn.copy()
    present[:, -1] = 0.0
    share = present / np.maximum(present.sum(axis=1), _TINY)[:, None]
    middle = np.cumsum(share, axis=1) - share / 2
    raw = ndtri(np.clip(middle, 1e-9, 1 - 1e-9))
    shift = _standard(raw, share)
    square = shift**2
    slope = (share * square * shift).sum(axis=1)[:, None]
    return shift, _standard(square - slope * shift, share)


def _standard(scores: Floats, share: Floats) -> Floats:
    centred = scores - (share * scores).sum(axis=1)[:, None]
    deviation = np.sqrt((share * centred**2).sum(axis=1))[:, None]
    return np.where(share > 0, np.clip(centred / np.maximum(deviation, 1e-12), -6.0, 6.0), 0.0)


def _log_urn(weights: Floats, counts: Floats) -> Floats:
    """Logarithm of the chance of rows that fall so, in their order, from an urn: Dirichlet-multinomial."""
    from scipy.special import gammaln

    total, rows = weights.sum(axis=-1), counts.sum(axis=-1)
    safe = np.where(weights > 0, weights, 1.0)
    gained = np.where(weights > 0, gammaln(safe + counts) - gammaln(safe), 0.0)
    total = np.maximum(total, _TINY)
    return np.asarray(gained.sum(axis=-1) - gammaln(total + rows) + gammaln(total), dtype=np.float64)


def _log_pair(first: Floats, second: Floats, counts: Floats, others: Floats) -> Floats:
    from scipy.special import betaln

    return np.asarray(betaln(first + counts, second + others) - betaln(first, second), dtype=np.float64)
