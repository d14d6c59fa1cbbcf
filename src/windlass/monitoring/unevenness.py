"""How much the stretches of a reference differ among themselves: seasons, trends, rows that follow each other.

`unevenness` tells whether they do at all, and is shown. `stretches` tells a watch with declared seasons how much they
do at every length, from `SHORTEST` rows to a quarter of the reference: the shorter windows are, the more of a season is
in them, so what whole days do says nothing of hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Counts = NDArray[np.int64]

_PARTS = 160
_LEAST_PARTS = 4
_PART_ROWS = 100
_LONGER = 4
"""Each length is so many times the one before."""
_LEAST_EXPECTED = 5
SHORTEST = 16
"""Rows of the shortest stretches that are looked at."""
_LONGER_EACH = 2
_CHANCE = 1e-6
"""That stretches are taken to differ in some way although they do not, for each way and length."""
_USUAL = 0.25
"""How much a variance among few stretches may seem less than it is: one in so many seems that much less."""
_SURE = 4.0
"""Standard deviations by which stretches must differ too much before it is taken for more than chance."""


def unevenness(places: Places, size: int) -> tuple[float, int]:
    """The variance of shares between stretches beyond what chance explains, relative to `p (1 - p)`, and the rows of a
    stretch; (0, 0) while chance explains all.

    `places` `(n,)` in 0..size-1: the bin of each row, in their order. Stretches of several lengths are looked at, since
    what changes within a day shows in none of a year, and what lasts is judged by the one with the largest variance.
    """
    parts = min(_PARTS, len(places) // _PART_ROWS)
    if parts < _LEAST_PARTS:
        return 0.0, 0
    rows = len(places) // parts
    whole = places[: parts * rows].reshape(parts, rows) + np.arange(parts)[:, None] * size
    counts = np.bincount(whole.ravel(), minlength=parts * size).reshape(parts, size)
    found = (0.0, 0)
    while len(counts) >= _LEAST_PARTS:
        found = max(found, ((_ratio(counts) - 1) / rows, rows))
        groups = len(counts) // _LONGER
        counts, rows = counts[: groups * _LONGER].reshape(groups, _LONGER, size).sum(axis=1), rows * _LONGER
    return found if found[0] > 0 else (0.0, 0)


def stretches(places: Places, size: int, *, ordered: bool) -> tuple[tuple[int, float], ...]:
    """By the rows of a stretch, rising: the variance of shares between such stretches beyond what chance explains,
    relative to `p (1 - p)`, in whatever way they differ most. Empty while chance explains all, at every length.

    `places` `(n,)` in 0..size-1: the bin of each row, in their order; `ordered`: whether all bins but the last have an
    order. Ways to differ are what a watch looks for: the share of each bin and, with an order, the mean and the spread
    of normal scores. Each is a score with mean 0 and variance 1 in the reference. Its sum over L independent rows has
    variance L, and the square of that sum a variance of 2 + (kurtosis - 3) / L, relative to its squared mean. What
    squares are beyond L on average, over L^2, is what is looked for; it is raised by what few stretches may hide.
    """
    from scipy.special import chdtrc, chdtri

    scores = _scores(np.bincount(places, minlength=size), ordered=ordered)
    parts = len(places) // SHORTEST
    if parts < _LEAST_PARTS or not scores.shape[1]:
        return ()
    whole = places[: parts * SHORTEST].reshape(parts, SHORTEST) + np.arange(parts)[:, None] * size
    sums = np.bincount(whole.ravel(), minlength=parts * size).reshape(parts, size) @ scores
    share = np.bincount(places, minlength=size) / len(places)
    kurtosis = share @ scores**4
    rows, found, sure = SHORTEST, [], False
    while len(sums) >= _LEAST_PARTS:
        freedom = len(sums) - 1
        square = ((sums - sums.mean(axis=0)) ** 2).sum(axis=0) / rows
        heavy = 1 + np.maximum(kurtosis - 3, 0.0) / (2 * rows)
        sure |= bool((chdtrc(freedom / heavy, square / heavy) < _CHANCE).any())
        hidden = freedom / float(chdtri(freedom, 1 - _USUAL))
        found.append((rows, min(1.0, max(0.0, float(square.max()) / freedom * hidden - 1) / rows)))
        half = len(sums) // _LONGER_EACH
        sums = sums[: half * _LONGER_EACH].reshape(half, _LONGER_EACH, -1).sum(axis=1)
        rows *= _LONGER_EACH
    return tuple(found) if sure else ()


def _scores(counts: Counts, *, ordered: bool) -> NDArray[np.float64]:
    """`(size, ways)`: with mean 0 and variance 1 over the rows that fell as `counts` `(size,)` says."""
    from scipy.special import ndtri

    share = counts / max(int(counts.sum()), 1)
    ways = [np.eye(len(counts))[:, (counts >= _LEAST_EXPECTED) & (counts < counts.sum())]]
    if ordered and counts[:-1].any():
        inside = np.append(counts[:-1], 0) / counts[:-1].sum()
        normal = np.where(inside > 0, ndtri(np.clip(np.cumsum(inside) - inside / 2, 1e-9, 1 - 1e-9)), 0.0)
        mean = normal - np.where(np.arange(len(counts)) < len(counts) - 1, inside @ normal, 0.0)
        ways.append(np.stack([mean, np.where(inside > 0, mean**2 - inside @ mean**2, 0.0)], axis=1))
    every = np.concatenate(ways, axis=1)
    centred = every - share @ every
    deviation = np.sqrt(share @ centred**2)
    return np.asarray(centred[:, deviation > 0] / deviation[deviation > 0])


def _ratio(parts: Counts) -> float:
    """How many times more the parts' counts differ than chance explains; 1 while chance explains it.

    Pearson's chi square of homogeneity over its degrees of freedom (McCullagh and Nelder 1989, Generalized Linear
    Models, 4.5); bins in which a part expects fewer than five rows are left out.
    """
    rows, total = parts.sum(axis=1, keepdims=True), parts.sum(axis=0, keepdims=True)
    expected = rows * total / max(int(rows.sum()), 1)
    usable = expected.min(axis=0) >= _LEAST_EXPECTED
    freedom = (len(parts) - 1) * (int(usable.sum()) - bool(usable.all()))
    if freedom < 1:
        return 1.0
    square = float(((parts - expected)[:, usable] ** 2 / expected[:, usable]).sum())
    ratio = square / freedom
    return ratio if ratio > 1 + _SURE * np.sqrt(2 / freedom) else 1.0
