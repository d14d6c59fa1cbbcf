"""How often positives stand below negatives, stretch after stretch, in the order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

LEAST_ROWS = 10
"""Of a stretch. Of two classes that are as common, shorter ones would tell less of each row: few pairs for many rows.
Of a rare class a stretch has one, and all rows since the one before it."""


class Misordered(NamedTuple):
    """m stretches of consecutive rows that each hold both classes; no row is in two."""

    first: NDArray[np.int64]
    """`(m,)` where each begins and ends among the rows."""
    last: NDArray[np.int64]
    least: Floats
    """`(m,)` in 0..1: the part of the pairs of a positive and a negative in which the negative scores higher, ties
    counting half: the least that it can come to while outcomes are unknown."""
    most: Floats


def misordered(truth: Array, scores: Array) -> Misordered:
    """Cut `(n,)` rows into stretches that are as short as they can be: of ten rows or more, with one of each class.

    `truth` is 0 or 1, NaN where the outcome has not come. The mean of what a stretch comes to is one minus the area
    under the ROC curve among rows of the same time, whatever the classes' shares are and however they change: where a
    stretch ends depends on the labels alone, and given these each pair is as likely to be in the wrong order. Since no
    row is in two stretches, these are as independent as the rows.
    """
    positive, negative = truth == 1, truth == 0
    last = _lasts(positive, negative)
    sizes = np.diff(last, prepend=-1)
    stop = int(last[-1]) + 1 if len(last) else 0
    stretch = np.repeat(np.arange(len(last)), sizes)
    positive, negative = positive[:stop], negative[:stop]
    right = _in_order(stretch, scores[:stop], positive, negative)
    of_one, of_other = (np.bincount(stretch[which], minlength=len(last)) for which in (positive, negative))
    pairs = of_one * of_other
    unknown = sizes - of_one - of_other
    added = np.clip((of_other + unknown - of_one) / 2, 0, unknown)  # as positives: then there are most pairs
    most_pairs = (of_one + added) * (of_other + unknown - added)
    least, most = (pairs - right) / most_pairs, (most_pairs - right) / most_pairs
    return Misordered(first=last - sizes + 1, last=last, least=least, most=most)


def _lasts(positive: NDArray[np.bool_], negative: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the stretches end."""
    rows = len(positive)
    places = np.arange(rows)
    reached = places + LEAST_ROWS - 1
    for which in (positive, negative):
        following = np.minimum.accumulate(np.where(which, places, rows)[::-1])[::-1]
        reached = np.maximum(reached, following)
    ends, found, start = reached.tolist(), list[int](), 0
    while start < rows and ends[start] < rows:
        found.append(ends[start])
        start = ends[start] + 1
    return np.asarray(found, dtype=np.int64)


def _in_order(
    stretch: NDArray[np.int64], scores: Array, positive: NDArray[np.bool_], negative: NDArray[np.bool_]
) -> Floats:
    """Pairs of each stretch in which the positive scores higher, ties counting half."""
    order = np.lexsort((scores, stretch))
    stretch, scores, positive = stretch[order], scores[order], positive[order]
    before = np.append(0, np.cumsum(negative[order]))
    new_stretch = np.diff(stretch, prepend=-1) > 0
    new = new_stretch.copy()
    new[1:] |= scores[1:] != scores[:-1]
    begins = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    ends = np.append(begins[1:], len(scores))
    below = (before[begins] + before[ends])[group] / 2 - before[np.flatnonzero(new_stretch)][stretch]
    stretches = int(stretch[-1]) + 1 if len(stretch) else 0
    return np.bincount(stretch[positive], weights=below[positive], minlength=stretches).astype(np.float64)
