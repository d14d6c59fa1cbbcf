"""A window of rows against the profile of the reference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from windlass.decisions.divergence import homogeneity, psi
from windlass.decisions.drift import ColumnDrift, DriftEvidence
from windlass.monitoring.profile import ColumnProfile, Profile, count_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]


def compare(reference: Profile, window: pl.DataFrame | Iterable[pl.DataFrame]) -> DriftEvidence:
    """How each column of the window (one frame, or its parts) differs from the reference.

    Parts may differ in the types of their columns, as frames read from JSON do; a column that is missing in a part, or
    has another kind of type than in the reference, is named as vanished. Columns unknown to the reference are ignored.
    """
    parts = _alike([window] if isinstance(window, pl.DataFrame) else window)
    columns: list[ColumnDrift] = []
    vanished: list[str] = []
    for column in reference.columns:
        counts = _count(column, parts)
        if counts is None:
            vanished.append(column.name)
        else:
            columns.append(_drift_of(column, counts))
    return DriftEvidence(
        columns=tuple(columns),
        rows_reference=reference.rows,
        rows_window=sum(part.height for part in parts),
        vanished=tuple(vanished),
        unwatched=tuple(f"{name}: {why}" for name, why in reference.unwatched.items()),
    )


def _alike(parts: Iterable[pl.DataFrame]) -> list[pl.DataFrame]:
    """Parts with the same columns and types put together, so that each column is counted seldom."""
    groups: dict[tuple[object, ...], list[pl.DataFrame]] = {}
    for part in parts:
        if part.height:
            groups.setdefault(tuple(part.schema.items()), []).append(part)
    return [pl.concat(group) for group in groups.values()]


def _count(column: ColumnProfile, parts: list[pl.DataFrame]) -> Counts | None:
    total = np.zeros(len(column.counts), dtype=np.int64)
    for part in parts:
        counts = count_column(column, part[column.name]) if column.name in part.columns else None
        if counts is None:
            return None
        total += counts
    return total


def _drift_of(column: ColumnProfile, window: Counts) -> ColumnDrift:
    reference = np.asarray(column.counts, dtype=np.int64)
    statistic, p_value = homogeneity(reference, window)
    rows, known = max(int(window.sum()), 1), max(int(window[:-1].sum()), 1)
    unseen = window[0] + window[-2] if column.kind == "number" else window[-2] * int(reference[-2] == 0)
    return ColumnDrift(
        name=column.name,
        kind=column.kind,
        psi=psi(reference, window),
        usual_psi=column.usual_psi,
        statistic=statistic,
        p_value=p_value,
        missing_change=float(window[-1] / rows - reference[-1] / max(int(reference.sum()), 1)),
        unseen=float(unseen / known),
    )
