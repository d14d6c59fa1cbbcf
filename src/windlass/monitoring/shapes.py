"""Both sides of a comparison as a person looks at them: shares in bins that show the shape."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from windlass.decisions.figures import show
from windlass.monitoring.bins import places_of
from windlass.monitoring.column import ColumnProfile
from windlass.monitoring.sketches import frequent_values, masses, quantiles_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SHOWN = 24
_TAIL = 0.005


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of all rows on either side, in the same bins."""

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    window: tuple[float, ...]


def shape_of(reference: ColumnProfile, window: ColumnProfile) -> Shape:
    """Bins of equal width for numbers, from their sketches, and one each for single values and categories.

    The outermost ones hold the tails. Infinite and missing values have a bin each where there are any.
    """
    spread = reference.kind == "number" and reference.distinct > len(reference.edges) - 1
    labels, shares = _equal(reference, window) if spread else _single(reference, window)
    missing = [column.missing / max(column.rows, 1) for column in (reference, window)]
    if any(missing):
        labels = [*labels, "missing"]
        shares = [np.append(side, gone) for side, gone in zip(shares, missing, strict=True)]
    return Shape(labels=tuple(labels), reference=tuple(shares[0].tolist()), window=tuple(shares[1].tolist()))


def _equal(reference: ColumnProfile, window: ColumnProfile) -> tuple[list[str], list[Floats]]:
    sides = (reference, window)
    ends = [quantiles_at(side.sketches.quantiles, (_TAIL, 1 - _TAIL)) for side in sides]
    low, high = min(end[0] for end in ends if end), max(end[1] for end in ends if end)
    if not low < high or not np.isfinite(high - low):
        return _single(reference, window)
    endless = any(side.infinite for side in sides)
    edges = np.linspace(low, high, _SHOWN + 1)
    shares = []
    for side in sides:
        rows = max(side.rows, 1)
        finite = np.array(masses(side.sketches.quantiles, edges[1:-1].tolist()))
        finite *= (side.rows - side.missing - side.infinite) / rows
        shares.append(np.append(finite, side.infinite / rows) if endless else finite)
    labels = [f"{show(start)} to {show(stop)}" for start, stop in pairwise(edges)]
    return [*labels, "infinite"] if endless else labels, shares


def _groups(reference: ColumnProfile) -> list[str]:
    """Bins of hashes by the most frequent category in each, where the sketch knows one."""
    labels = [f"group {place + 1}" for place in range(len(reference.counts) - 1)]
    frequent = [text for text, _, _ in frequent_values(reference.sketches.frequent)]
    for text, place in reversed(list(zip(frequent, places_of(reference, frequent).tolist(), strict=True))):
        labels[place] = f"{text} ..."
    return labels


def _single(reference: ColumnProfile, window: ColumnProfile) -> tuple[list[str], list[Floats]]:
    shares = [np.array(side.counts[:-1]) / max(side.rows, 1) for side in (reference, window)]
    if reference.kind == "number":
        edges = [show(edge) for edge in reference.edges]
        labels = [f"below {edges[1]}", *edges[1:], f"above {edges[-1]}"]
    elif reference.kind == "presence":
        labels = ["there"]
    elif reference.kind == "rising":
        labels = ["before the reference", "later"]
    elif reference.hashed:
        labels = _groups(reference)
    else:
        labels = [*reference.categories, "others"]
    shown = [place for place in range(len(labels)) if shares[0][place] > 0 or shares[1][place] > 0]
    return [labels[place] for place in shown], [side[shown] for side in shares]
