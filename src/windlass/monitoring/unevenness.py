"""How much the stretches of a reference differ among themselves: seasons, trends, rows that follow each other."""

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
