"""Windows against the profile of the reference: what the detector makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from windlass.decisions.drift import ColumnDrift, DriftEvidence, Effect, decide_drift
from windlass.decisions.statistics.detector import RUN_LENGTH
from windlass.decisions.statistics.urn import Bins, least_shift
from windlass.decisions.vigil import Vigil
from windlass.monitoring.column import ColumnProfile
from windlass.monitoring.effects import effect_of
from windlass.monitoring.profiles import Profile
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

_ENDLESS = 1e12
"""Rows of a window that lasts for ever."""
_LARGEST = 700.0
"""Beyond this the exponential has no float; evidence is evidence enough by then."""


def bins_of(columns: Sequence[ColumnProfile], *, seasons: bool = False) -> Bins:
    """The reference as the urn that rows are drawn from while nothing has changed.

    `seasons`: what its stretches did among themselves is no news.
    """
    width = _width(columns)
    weights, special = np.zeros((len(columns), width)), np.zeros((len(columns), width), dtype=np.bool_)
    for row, column in enumerate(columns):
        own = _weights(column)
        weights[row, : len(own) - 1], weights[row, -1] = own[:-1], own[-1]
        unseen = [] if column.hashed else [len(own) - 2]
        places = {"number": [0, len(own) - 2], "category": unseen, "rising": [0]}
        special[row, [*places.get(column.kind, []), -1]] = True
    stretch, uneven = _stretches([column.varies if seasons else () for column in columns])
    return Bins(
        weights=weights,
        ordered=np.array([column.kind == "number" for column in columns], dtype=np.bool_),
        special=special,
        stretch=stretch,
        uneven=uneven,
    )


def _stretches(known: Sequence[Sequence[tuple[int, float]]]) -> tuple[Floats, Floats]:
    """`(d, l)` each: rows of a stretch, and the variance between such ones, filled up with what never counts."""
    length = max((len(own) for own in known), default=0)
    stretch, uneven = np.full((len(known), length), np.inf), np.zeros((len(known), length))
    for row, own in enumerate(known):
        for place, (rows, variance) in enumerate(own):
            stretch[row, place], uneven[row, place] = rows, variance
    return stretch, uneven


def table_of(columns: Sequence[ColumnProfile], counts: Sequence[Iterable[int] | None]) -> Counts:
    """`(d, k)`: a window's rows in the bins of each column, as `bins_of` lays them; None: it lacks the column."""
    table = np.zeros((len(columns), _width(columns)), dtype=np.int64)
    for row, own in enumerate(counts):
        if own is not None:
            found = np.asarray(own, dtype=np.int64)
            table[row, : len(found) - 1], table[row, -1] = found[:-1], found[-1]
    return table


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what follows from it."""

    evidence: DriftEvidence
    decision: Decision


def judge(
    reference: Profile,
    vigil: Vigil,
    bins: Bins,
    counts: Counts,
    *,
    now: datetime,
    rows: int,
    vanished: Sequence[str] = (),
    retyped: dict[str, str] | None = None,
    scores: Sequence[ColumnProfile] = (),
    window: Sequence[ColumnProfile | None] | None = None,
) -> Judged:
    """The judgement after the vigil's last window: `rows` of them, which fell into the bins as `counts` `(d, k)` says.

    The columns are those of the reference, then `scores`, those of its predictions. How large a shift is, is told of
    the rows since it began where it is certain, and of the last window where it is not; `window` holds the profiles of
    that one, for exact means.
    """
    columns = (*reference.judged, *scores)
    log_evidence, since, least = vigil.log_evidence, vigil.since, _least_shifts(bins)
    drifts = tuple(
        ColumnDrift(
            name=column.name,
            kind=column.kind if row < len(reference.judged) else "score",
            evidence=_plain(float(log_evidence[row])),
            since=int(since[row]),
            effect=_effect(column, row, vigil, counts, None if window is None else window[row]),
            least_shift=least[row] if column.kind == "number" else None,
        )
        for row, column in enumerate(columns)
    )
    evidence = DriftEvidence(
        columns=drifts,
        mean=_plain(vigil.log_mean),
        windows=vigil.windows,
        rows_reference=reference.rows,
        rows_window=rows,
        vanished=tuple(vanished),
        retyped=retyped,
        unwatched=tuple(f"{name}: {why}" for name, why in reference.unwatched.items()),
    )
    return Judged(evidence=evidence, decision=decide_drift(evidence, now))


def _effect(column: ColumnProfile, row: int, vigil: Vigil, last: Counts, window: ColumnProfile | None) -> Effect:
    earlier = vigil.log_evidence[row] >= np.log(RUN_LENGTH) and vigil.since[row] < vigil.windows
    rows = vigil.rows_since(row) if earlier else last[row]
    own = np.append(rows[: len(column.counts) - 1], rows[-1])
    return effect_of(column, own, window=None if earlier else window)


def _least_shifts(bins: Bins) -> list[float | None]:
    """What shift of the mean the reference can show at all, of each column; None: none."""
    total = bins.weights.sum(axis=1)
    rows = np.full(len(total), _ENDLESS)
    threshold = float(np.log(RUN_LENGTH * max(len(total), 1)))
    found = [
        least_shift(weight, count, log_threshold=threshold)
        for weight, count in zip(total * bins.counting(total), rows * bins.counting(rows), strict=True)
    ]
    return [each if np.isfinite(each) else None for each in found]


def _width(columns: Sequence[ColumnProfile]) -> int:
    return max((len(column.counts) for column in columns), default=1)


def _weights(column: ColumnProfile) -> Floats:
    """Rows of the reference in each bin, and what the space between and beyond them is worth.

    Of n values without ties n + 1 spaces are equally likely for the next one: one below the least of them, which takes
    the least one out of the first bin, and one above the largest. Missing values and unseen categories are no such
    space; they are taken for half a row more than there were.
    """
    weights = np.asarray(column.counts, dtype=np.float64)
    weights[-1] += 0.5
    if column.kind == "number":
        weights[0] += 1.0
        weights[1] = max(weights[1] - 1.0, 0.5)
        weights[-2] += 1.0
    elif column.hashed:
        weights[-2] += 1.0
    elif column.kind == "rising":  # the space below the least one
        weights[0] += 1.0
    elif column.kind == "presence":
        weights[0] = max(weights[0], 0.5)
    else:
        weights[:-1] = np.maximum(weights[:-1], 0.5)
        weights[-2] += 0.5
    return weights


def _plain(logarithm: float) -> float:
    return float(np.exp(min(logarithm, _LARGEST)))
