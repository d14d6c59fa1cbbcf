"""How far a window's rows are from those of a reference, in what the reference shows of each column."""

from __future__ import annotations

import numpy as np

from windlass.monitoring.column import ColumnProfile
from windlass.monitoring.profiles import Profile

_LEAST = 1.0
"""Rows of the reference that a bin is taken to have, at the least: one that has none could have had one."""


def distance(reference: Profile, window: Profile) -> float:
    """Chi-square divergence of the window's rows from the reference's, columns taken together as if independent.

    Beyond what chance explains, and the reference's own unevenness; 0 for rows like the reference's. The mean of
    anything that has mean 0 and variance v in the reference is at most the root of `v` times this in the window
    (Chapman and Robbins 1951, Ann. Math. Statist. 22).
    """
    own = {column.name: column for column in window.judged}
    return max(0.0, sum(_column(each, own[each.name]) for each in reference.judged if each.name in own))


def _column(reference: ColumnProfile, window: ColumnProfile) -> float:
    """Of pairs of the window's rows, so that chance among these adds nothing: a single odd row is no distance."""
    if window.rows < 2:
        return 0.0
    before = np.maximum(np.asarray(reference.counts, dtype=np.float64), _LEAST)
    now = np.asarray(window.counts, dtype=np.float64)
    pairs = now * (now - 1) / (window.rows * (window.rows - 1))
    chance = (len(before) - 1) * (1 / max(reference.rows, 1) + reference.uneven)
    return float((pairs / (before / before.sum())).sum() - 1 - chance)
