"""What losses were on a holdout, summed up, so that later ones can be held against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from windlass.decisions.statistics.paired import dependence
from windlass.decisions.statistics.stretches import LEAST_ROWS, misordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MINIMUM_ROWS = 100
STANDARD_ERRORS = 2.0
"""That are granted to the reference, since it is a sample too."""
_LONGEST_BLOCK = 48
"""Rows of a block at most; longer ones keep more promises, and find a decay much later."""
_LEAST_BLOCKS = 20
"""Blocks of the holdout that can show whether they follow each other."""
_LEAST_STRETCHES = 30
"""Of a holdout, that can tell how well positives are told from negatives."""
_CLEARLY = 1.645
"""Standard errors that chance exceeds one time in twenty."""
_CHANCE = 0.01
"""Of judging independent losses in blocks, by which a decay is found later."""


class LossReference(msgspec.Struct, frozen=True, kw_only=True):
    """The losses of a version on its holdout, summed up; kept in the bundle."""

    mean: float
    """Of the losses cut at `bound`."""
    variance: float
    rows: int
    bound: float
    """Losses are cut here: 1 for classification, three times the 99th percentile for regression."""
    block: int = 1
    """Consecutive losses that are averaged before they are judged, since neighbours err alike; 1: independent."""
    independent: bool = True
    """Whether the means of blocks do not follow each other on the holdout, so that a rate of false alarms holds."""
    longest: int = _LONGEST_BLOCK
    """How long a block might be."""

    @property
    def is_short(self) -> bool:
        """Whether the losses are too few to tell of blocks as long as they may be whether these follow each other."""
        return self.rows < _LEAST_BLOCKS * self.longest


def summarise_losses(losses: Floats, *, bounded: bool) -> LossReference | None:
    """The reference from the holdout's losses, `(n,)` in the order of time; None when there are too few.

    `bounded`: they lie in 0..1 (classification). The block grows until the means of blocks do not follow each other.
    """
    losses = np.asarray(losses, dtype=np.float64)
    losses = losses[np.isfinite(losses)]
    if len(losses) < MINIMUM_ROWS:
        return None
    bound = 1.0 if bounded else 3 * float(np.quantile(losses, 0.99))
    return _summarise(np.clip(losses, 0.0, bound), bound=bound, longest=_LONGEST_BLOCK)


def summarise_ranking(truth: Floats, scores: Floats) -> LossReference | None:
    """The reference of a ranking from the holdout's outcomes and scores, `(n,)` in the order of time, by what its
    stretches come to (`stretches.misordered`); None when there are too few."""
    known = np.isfinite(truth)
    found = misordered(truth[known], scores[known]).least
    if len(found) < _LEAST_STRETCHES:
        return None
    return _summarise(found, bound=1.0, longest=-(-_LONGEST_BLOCK // LEAST_ROWS))


def _summarise(kept: Floats, *, bound: float, longest: int) -> LossReference:
    """Of values in 0..`bound`, of which a block may hold as many as `longest`."""
    ratio = dependence(kept, chance=_CHANCE)
    block, independent = (
        (1, True) if ratio == 1 else _independent_block(kept, min(longest, int(np.ceil(ratio)) * 2), longest=longest)
    )
    return LossReference(
        mean=float(kept.mean()),
        variance=float(kept.var(ddof=1)) * ratio,
        rows=len(kept),
        bound=bound,
        block=block,
        independent=independent,
        longest=longest,
    )


def _independent_block(losses: Floats, first: int, *, longest: int) -> tuple[int, bool]:
    """The block, doubled from `first`, whose means do not follow each other, and whether there is one.

    It leaves `_LEAST_BLOCKS`, since the means of fewer cannot show whether they do, and is not longer than `longest`:
    an alarm would be late. Where there is none nothing is promised, and `first` is quickest.
    """
    longest = max(first, min(longest, len(losses) // _LEAST_BLOCKS))
    block = first
    while _follow(block_means(losses, block)):
        if block == longest:
            return first, False
        block = min(2 * block, longest)
    return block, True


def _follow(means: Floats) -> bool:
    """Whether each is clearly (5 %) like the one before it, or thirtieths vary more than independence allows."""
    apart = means - means.mean()
    likeness = float(apart[1:] @ apart[:-1]) / float(apart @ apart) if apart.any() else 0.0
    return likeness > _CLEARLY / np.sqrt(len(means)) or dependence(means, chance=_CHANCE) > 1


def upper_mean(reference: LossReference, *, errors: float = STANDARD_ERRORS) -> float:
    """The upper end of what the holdout's mean can be: two standard errors, and one full loss for what it missed."""
    error = float(np.sqrt(reference.variance / reference.rows))
    upper = reference.mean + errors * error + reference.bound / reference.rows
    return min(upper, reference.bound * (1 - 1e-9))


def block_means(losses: Floats, size: int) -> Floats:
    """Means of consecutive blocks; the last, unfinished one is left for later."""
    count = len(losses) // size
    return np.asarray(losses[: count * size].reshape(count, size).mean(axis=1), dtype=np.float64)
