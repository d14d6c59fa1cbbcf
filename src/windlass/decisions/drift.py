"""Do the rows of this window still come from where the reference came from?"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
import numpy as np

from windlass.decisions.divergence import holm
from windlass.decisions.figures import decision
from windlass.records.decision import Decision

ALPHA = 1 / 8760
"""Chance of a false alarm in one window, over all columns: one a year when windows are hourly."""
MATERIAL_PSI = 0.2
"""What is commonly called a major shift; a smaller one, however certain, is no alarm."""
MATERIAL_MISSING = 0.1
"""A change of the share of missing values that is material by itself."""
MINIMUM_ROWS = 100


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a window against the reference."""

    name: str
    kind: Literal["number", "category", "boolean", "score"]
    psi: float
    """Population stability index over the reference's bins, missing values being one of them."""
    usual_psi: float = 0.0
    """The largest index of a tenth of the reference against all of it: what the seasons amount to."""
    statistic: float
    """Chi square of homogeneity over the same bins."""
    p_value: float
    missing_change: float = 0.0
    """Share of missing values in the window less that in the reference."""
    unseen: float = 0.0
    """Share of the window's values that the reference does not know: other categories, or beyond its range."""


class DriftEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All columns of one window against the reference."""

    columns: tuple[ColumnDrift, ...]
    rows_reference: int
    rows_window: int
    vanished: tuple[str, ...] = ()
    """Columns of the reference that the window does not have, or has with another type."""
    unwatched: tuple[str, ...] = ()
    """Columns that are not judged, each with its reason: `seq: rises with time`."""


def decide_drift(evidence: DriftEvidence, now: datetime, *, alpha: float = ALPHA) -> Decision:
    """`alarm`, `quiet`, or `wait` while there are too few rows. Judge each window once.

    A column alarms when its shift is certain (chi square of two samples, `alpha` over all columns by Holm's method) and
    material: PSI above 0.2 and above what the seasons did within the reference, or the share of missing values changed
    by 0.1. A column that vanished always does. So in windows from where the reference came from, an alarm has the
    chance `alpha` each, on average over references.
    """
    numbers: dict[str, Any] = {
        "rows": evidence.rows_window,
        "reference_rows": evidence.rows_reference,
        "columns": len(evidence.columns),
        "alpha": alpha,
    }
    if evidence.vanished:
        listed = ", ".join(evidence.vanished)
        reason = f"The window lacks columns of the reference, or has them with another type: {listed}."
        return decision("drift", "alarm", [reason], numbers | {"vanished": listed}, now)
    if min(evidence.rows_window, evidence.rows_reference) < MINIMUM_ROWS:
        reason = f"Drift is judged on {MINIMUM_ROWS} rows or more, in the reference as in the window."
        return decision("drift", "wait", [reason], numbers, now)
    drifted = _drifted(evidence, alpha)
    numbers |= _summary(evidence, drifted)
    if drifted:
        return decision("drift", "alarm", [_told(column) for column in drifted[:5]], numbers, now)
    return decision("drift", "quiet", ["No column's shift is both certain and material."], numbers, now)


def is_material(column: ColumnDrift) -> bool:
    """Whether the shift is large enough to speak of, however certain it is."""
    return column.psi > max(MATERIAL_PSI, column.usual_psi) or abs(column.missing_change) > MATERIAL_MISSING


def _drifted(evidence: DriftEvidence, alpha: float) -> list[ColumnDrift]:
    """The columns that alarm, the largest shift first."""
    certain = holm(np.array([column.p_value for column in evidence.columns]), alpha)
    chosen = [column for column, sure in zip(evidence.columns, certain, strict=True) if sure and is_material(column)]
    return sorted(chosen, key=lambda column: -column.psi)


def _summary(evidence: DriftEvidence, drifted: list[ColumnDrift]) -> dict[str, Any]:
    shifts = [column for column in evidence.columns if not np.isnan(column.psi)]
    largest = max(shifts, key=lambda column: column.psi, default=None)
    return {
        "drifted": len(drifted),
        "drifted_columns": ", ".join(column.name for column in drifted),
        "largest_psi": None if largest is None else largest.psi,
        "largest_psi_column": None if largest is None else largest.name,
        "least_p_value": min((column.p_value for column in evidence.columns), default=None),
    }


def _told(column: ColumnDrift) -> str:
    said = f"The {'' if column.kind == 'score' else 'column '}{column.name} has shifted: PSI {column.psi:.2f}"
    if abs(column.missing_change) > 0.01:
        said += f", {abs(column.missing_change):.0%} {'more' if column.missing_change > 0 else 'fewer'} values missing"
    if column.unseen > 0.01:
        said += f", {column.unseen:.0%} of the values new to the reference"
    return f"{said}."
