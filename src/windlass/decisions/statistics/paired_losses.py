"""Losses of two models on the same rows, judged as they come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.statistics.paired import dependence, standard_error
from windlass.decisions.statistics.sequential import evidence_above

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

MATERIAL = 0.02
"""What counts as worse: this share of the previous version's own loss. A bad day alone can prove a difference that is
next to nothing over all days."""
SCALE_ROWS = 100
"""Rows that only tell the scale of the losses, when nothing else does."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PairedLosses:
    """Losses (`statistics.losses.losses`) in the order in which the rows were asked for, up to where the labels of
    their time are complete (`statistics.completeness`)."""

    new: Floats
    """`(n,)` of the version that is judged."""
    previous: Floats
    """`(n,)` of the version it is compared with, on the same rows."""
    bound: float | None = 1.0
    """The largest loss: 1 for classification. For regression, where losses have no bound, a figure fixed beforehand
    (the 99th percentile on the holdout, say) at which differences are cut; None takes it from the first 100 rows, which
    are then not judged."""

    @property
    def rows(self) -> int:
        return len(self.new)

    @property
    def gap(self) -> float:
        """By how much the new version loses more on a row; NaN when no row tells."""
        return _mean(self.new - self.previous, of=self._known)

    @property
    def usual(self) -> float:
        """What the previous version loses on a row; NaN when no row tells."""
        return _mean(self.previous, of=self._known)

    @property
    def gain(self) -> float:
        """How much less the new version loses, as a share of what the previous one does; NaN when no row tells."""
        return -self.gap / self.usual if self.usual > 0 else float("nan")

    @property
    def _known(self) -> NDArray[np.bool_]:
        return np.isfinite(np.asarray(self.new, dtype=np.float64) - self.previous)


def material(losses: PairedLosses) -> bool:
    """Whether the new version's loss is higher by enough to matter."""
    return bool(losses.gap >= MATERIAL * losses.usual)


def p_better(losses: PairedLosses) -> float:
    """One-sided p-value against "the new version loses no less", once and for all rows: the paired t test, with the
    error widened where neighbours differ alike (`paired.standard_error`). NaN for fewer than two rows."""
    from scipy.special import stdtr

    gained = np.asarray(losses.previous, dtype=np.float64) - losses.new
    gained = gained[np.isfinite(gained)]
    error = standard_error(gained)
    if not error > 0:  # too few rows, or a difference that is the same on all of them
        return float("nan") if np.isnan(error) else float(gained.mean() <= 0)
    return float(stdtr(len(gained) - 1, -gained.mean() / error))


def evidence_of_worse(losses: PairedLosses) -> float:
    """Evidence that the new version loses more than the previous one; 1 or less: none, 100: one in a hundred.

    A stake on each row's difference, half its bound up or down (see `sequential.evidence_above`): whenever one looks, a
    version that is no worse given all before reaches 1 / alpha with probability at most alpha. Differences beyond the
    bound are cut at it, so that the claim is about cut differences. Rows that are not finite are left out.

    Where rows next to each other differ alike, as those of one day do, there are fewer of them than it seems: the
    logarithm of the evidence is divided by how many times as much the means of blocks vary as they would if rows were
    independent (`paired.dependence`). That only ever lessens the evidence, so the claim above is untouched by it.
    """
    difference, bound = scaled_difference(losses)
    if bound <= 0:
        return 1.0
    return float(evidence_above((difference / bound + 1) / 2, 0.5) ** (1 / dependence(difference)))


def scaled_difference(losses: PairedLosses) -> tuple[Floats, float]:
    """The differences that are judged, cut at the bound, and the bound."""
    difference = np.asarray(losses.new, dtype=np.float64) - losses.previous
    known = np.isfinite(difference)
    difference, bound = difference[known], losses.bound
    if bound is None:
        if len(difference) <= SCALE_ROWS:
            return difference[:0], 1.0
        bound = float(np.abs(difference[:SCALE_ROWS]).max())
        difference = difference[SCALE_ROWS:]
    return np.clip(difference, -bound, bound), bound


def _mean(values: Floats, *, of: NDArray[np.bool_]) -> float:
    return float(values[of].mean()) if of.any() else float("nan")
