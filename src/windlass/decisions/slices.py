"""Where quality fell: parts of the rows that lose more of it than their share, found by search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from windlass.decisions.attribution import Binned, Feature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

_MOST = 3
_DEEPEST = 2
_PARTS = 4
"""Ranges that a number's bins are searched by."""
_SURE = 4.5
"""Standard errors: what the best of ten thousand slices comes to by chance in 1 of 15 searches."""
_LEAST_ROWS = 50
_MOST_CATEGORIES = 30


class Condition(NamedTuple):
    """Rows whose feature lies in these bins."""

    feature: int
    first: int
    last: int


class Slice(NamedTuple):
    """Rows that fulfil all conditions, and are in no slice named before."""

    conditions: tuple[Condition, ...]
    rows: int
    """Of now."""
    amount: float
    """Its part of the rise."""
    loss_before: float
    loss_after: float


def find_slices(before: Binned, after: Binned, features: Sequence[Feature]) -> tuple[Slice, ...]:
    """Up to three slices of one or two conditions, in the order in which they were found.

    A slice's part of the rise of the mean loss is what its rows lose beyond the usual now, less the same of before,
    both as parts of all rows: over slices and the rows that are in none, these parts add up to the rise. A slice is
    named where its part exceeds its share of the rows by 4.5 standard errors; such a search is what Chung, Kraska,
    Polyzotis, Tae and Whang (2019, ICDE, "Slice Finder") do for one set of rows.
    """
    found: list[Slice] = []
    free = (np.ones(len(before.losses), dtype=np.bool_), np.ones(len(after.losses), dtype=np.bool_))
    singles = list(_singles(before, after, features))
    for _ in range(_MOST):
        best: tuple[float, tuple[Condition, ...], Mask, Mask] | None = None
        for _ in range(_DEEPEST):
            held = () if best is None else best[1]
            inside = free if best is None else (best[2], best[3])
            for condition in singles:
                if any(condition.feature == each.feature for each in held):
                    continue
                old, new = inside[0] & _mask(before, condition), inside[1] & _mask(after, condition)
                excess = _excess(before, after, old, new)
                if excess > _SURE and (best is None or excess > best[0]):
                    best = (excess, (*held, condition), old, new)
            if best is None or len(best[1]) == len(held):
                break
        if best is None:
            break
        _, conditions, old, new = best
        found.append(_slice(conditions, before, after, old, new))
        free = (free[0] & ~old, free[1] & ~new)
    return tuple(found)


def _singles(before: Binned, after: Binned, features: Sequence[Feature]) -> Iterator[Condition]:
    for place, feature in enumerate(features):
        rows = np.bincount(before.codes[:, place], minlength=feature.bins)
        rows = rows + np.bincount(after.codes[:, place], minlength=feature.bins)
        for special in feature.special:
            if rows[special] >= _LEAST_ROWS:
                yield Condition(place, special, special)
        plain = [code for code in range(feature.bins) if code not in feature.special and rows[code]]
        if not feature.ordered:
            largest = sorted(plain, key=lambda code: -rows[code])[:_MOST_CATEGORIES]
            yield from (Condition(place, code, code) for code in largest if rows[code] >= _LEAST_ROWS)
        else:
            for part in np.array_split(np.asarray(plain), _PARTS):
                if len(part):
                    yield Condition(place, int(part[0]), int(part[-1]))


def _mask(side: Binned, condition: Condition) -> Mask:
    codes = side.codes[:, condition.feature]
    return (codes >= condition.first) & (codes <= condition.last)


def _excess(before: Binned, after: Binned, old: Mask, new: Mask) -> float:
    """By how many standard errors a slice's part of the rise exceeds its share of the rows."""
    if new.sum() < _LEAST_ROWS:
        return 0.0
    usual, now = before.losses.mean(), after.losses.mean()
    lost, lost_before = np.where(new, after.losses - now, 0.0), np.where(old, before.losses - usual, 0.0)
    excess = lost.mean() - lost_before.mean()
    error = np.sqrt(lost.var() / len(lost) + lost_before.var() / len(lost_before))
    return float(excess / error) if error > 0 else 0.0


def _slice(conditions: tuple[Condition, ...], before: Binned, after: Binned, old: Mask, new: Mask) -> Slice:
    usual = float(before.losses.mean())
    amount = np.where(new, after.losses - usual, 0.0).mean() - np.where(old, before.losses - usual, 0.0).mean()
    return Slice(
        conditions=conditions,
        rows=int(new.sum()),
        amount=float(amount),
        loss_before=float(before.losses[old].mean()) if old.any() else float("nan"),
        loss_after=float(after.losses[new].mean()),
    )
