"""How large a shift is, in the field's units, from counts over the reference's bins."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from windlass.decisions.drift import Effect
from windlass.decisions.statistics.divergence import jensen_shannon, psi
from windlass.monitoring import exact
from windlass.monitoring.column import PRESENCES, ColumnProfile
from windlass.monitoring.sketches import quantiles_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

_RANKS = 400


def effect_of(reference: ColumnProfile, counts: Counts, *, window: ColumnProfile | None = None) -> Effect:
    """The shift of rows from the reference; `counts` `(k,)` holds them in its bins.

    Wasserstein's distance and the shift of the mean take all values of a bin to be as its mean in the reference, and
    what lies beyond its range to lie at its ends. If `window` is the profile of these very rows, it tells how far
    beyond they are, and the shift comes from its exact mean; the distance is no less, as Wasserstein's never is.
    """
    before = np.asarray(reference.counts, dtype=np.int64)
    if not counts.sum():
        return Effect(psi=None, jensen_shannon=None)
    known = int(counts[:-1].sum())
    effect = Effect(
        psi=_defined(psi(*tenths(reference, before, counts))),
        jensen_shannon=_defined(jensen_shannon(before, counts)),
        missing_change=float(counts[-1] / max(counts.sum(), 1) - before[-1] / max(before.sum(), 1)),
        unseen=float(_unseen(reference, counts) / max(known, 1)),
    )
    if reference.kind != "number" or not known or not before[:-1].sum():
        return effect
    values = _bin_means(reference)
    gaps = (np.cumsum(counts[:-1]) / known - np.cumsum(before[:-1]) / before[:-1].sum())[:-1]
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(values)
        distance, difference = float((np.abs(gaps) * steps).sum()), float(-(gaps * steps).sum())
    if window is not None and window.mean is not None and reference.mean is not None:
        difference = window.mean - reference.mean
        distance = max(distance + _beyond(reference, window), abs(difference))
    deviation = reference.deviation
    return msgspec.structs.replace(
        effect,
        wasserstein=_defined(distance),
        shift=_defined(difference / deviation) if deviation else None,
    )


def _beyond(reference: ColumnProfile, window: ColumnProfile) -> float:
    """What rows beyond the reference's range add to Wasserstein's distance: how far beyond they lie, over all rows.

    Out there it is the integral of the window's distribution function alone (Vallender 1974, Theory of Probability and
    its Applications 18). Infinite ones lie at the ends, or there would be no distance.
    """
    below, above = window.below, window.above
    far = Fraction(_least(reference)) * below.rows - exact.value_of(below.total)
    far += exact.value_of(above.total) - Fraction(reference.edges[-1]) * above.rows
    return float(far / (window.rows - window.missing))


def tenths(reference: ColumnProfile, counts: Counts, window: Counts) -> tuple[Counts, Counts]:
    """Both sides over bins of a tenth each, as the index is commonly taken, where there are as many as twenty."""
    inner = len(counts) - 3
    if reference.kind != "number" or inner < 20:
        return counts, window
    starts = [0, *range(1, inner + 1, 2), inner + 1, inner + 2]
    return np.add.reduceat(counts, starts), np.add.reduceat(window, starts)


def _unseen(reference: ColumnProfile, window: Counts) -> int:
    if reference.kind == "number":
        return int(window[0] + window[-2])
    if reference.kind in PRESENCES:
        return int(window[0]) if reference.kind == "rising" else 0
    return 0 if reference.hashed else int(window[-2])


def _bin_means(reference: ColumnProfile) -> Floats:
    """The mean of the reference's values in each bin, from its sketch; those beyond its range lie at its ends."""
    edges = np.asarray(reference.edges)
    ranks = (np.arange(_RANKS) + 0.5) / _RANKS
    found = np.asarray(quantiles_at(reference.sketches.quantiles, ranks))
    places = np.searchsorted(edges, found)
    sums = np.bincount(places, weights=found, minlength=len(edges) + 1)
    rows = np.bincount(places, minlength=len(edges) + 1)
    middles = np.concatenate([[_least(reference)], edges[:-1] / 2 + edges[1:] / 2, edges[-1:]])
    means = np.where(rows > 0, sums / np.maximum(rows, 1), middles)
    if reference.distinct <= len(edges) - 1:  # a value each
        means[1:-1] = edges[1:]
    return np.asarray(np.maximum.accumulate(means))


def _least(reference: ColumnProfile) -> float:
    """The least value; the first edge lies just below it."""
    return reference.edges[0] if reference.minimum is None else reference.minimum


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
