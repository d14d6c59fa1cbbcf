"""Do rows still come from where the reference came from?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from windlass.decisions.figures import decision
from windlass.decisions.statistics.detector import RUN_LENGTH
from windlass.records.decision import Decision

MINIMUM_ROWS = 100
MAJOR_PSI = 0.2
"""What is commonly called a major shift (Siddiqi 2006, Credit Risk Scorecards)."""
_TOLD = 5
"""Columns that the reasons tell one by one."""
_LISTED = 20
"""Columns that a sentence names."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """How large a column's shift is, in the field's units; None: not defined for it."""

    psi: float | None
    """Population stability index over the reference's bins, missing values being one of them."""
    jensen_shannon: float | None
    """Distance in 0..1, over the same bins."""
    wasserstein: float | None = None
    """Numbers: how far values moved on average, in the column's own unit."""
    shift: float | None = None
    """Numbers: change of the mean, in standard deviations of the reference."""
    missing_change: float = 0.0
    """Share of missing values less that in the reference."""
    unseen: float = 0.0
    """Share of the values that the reference does not know: other categories, beyond its range, or, of dates and
    counters, before all of it."""


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column against the reference."""

    name: str
    kind: Literal["number", "category", "boolean", "rising", "identifier", "presence", "score"]
    evidence: float
    """What all stakes on a change of this column have won; 1 a window at most, on average, while nothing changes."""
    since: int = 1
    """The window, counted from 1, with which it most likely began."""
    effect: Effect
    least_shift: float | None = None
    """Numbers: a smaller shift of the mean, in standard deviations, cannot be told from the reference's own noise."""


class DriftEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All columns of the windows so far against the reference."""

    columns: tuple[ColumnDrift, ...]
    mean: float
    """Of the columns' evidence: what the alarm depends on."""
    windows: int
    rows_reference: int
    rows_window: int
    """Of the last window."""
    vanished: tuple[str, ...] = ()
    """Columns of the reference that the window does not have, or has with another type."""
    retyped: dict[str, str] | None = None
    """Those that it has with another type -> which; None: nobody knows which of the two it is."""
    unwatched: tuple[str, ...] = ()
    """Columns whose values are not judged, each with its reason: `seq: it only rises with time`."""


def decide_drift(evidence: DriftEvidence, now: datetime, *, run_length: int = RUN_LENGTH) -> Decision:
    """`alarm`, `quiet`, or `wait` while the reference is too small. Judge each window once.

    An alarm when the mean evidence of the columns reaches `run_length` (see `detector.Detector`): while rows come from
    where the reference came from, that takes `run_length` windows on average or longer, over references and windows
    together. A column that vanished always alarms.
    """
    numbers: dict[str, Any] = {
        "rows": evidence.rows_window,
        "windows": evidence.windows,
        "reference_rows": evidence.rows_reference,
        "columns": len(evidence.columns),
        "evidence": evidence.mean,
        "evidence_needed": run_length,
    }
    drifted = drifted_columns(evidence, run_length=run_length)
    told = [*_broken_schema(evidence), *(tell(column) for column in drifted[:_TOLD])]
    if len(drifted) > _TOLD:
        told.append(f"So have {len(drifted) - _TOLD} more columns.")
    if evidence.vanished:
        return decision("drift", "alarm", told, numbers | {"vanished": ", ".join(evidence.vanished)}, now)
    if evidence.rows_reference < MINIMUM_ROWS:
        reason = f"Drift is judged against references of {MINIMUM_ROWS} rows or more."
        return decision("drift", "wait", [reason], numbers, now)
    numbers |= _summary(evidence, drifted)
    if drifted:
        return decision("drift", "alarm", told, numbers, now)
    if not evidence.rows_window:
        return decision("drift", "quiet", ["The window has no rows: nothing was learned from it."], numbers, now)
    return decision("drift", "quiet", ["No column differs from the reference beyond chance."], numbers, now)


def _broken_schema(evidence: DriftEvidence) -> list[str]:
    retyped = evidence.retyped
    if retyped is None:
        listed = _listed(evidence.vanished)
        reason = f"The window lacks columns of the reference, or has them with another type: {listed}."
        return [reason] if listed else []
    gone = [name for name in evidence.vanished if name not in retyped]
    other = [f"{name} (now {own})" for name, own in retyped.items()]
    told = []
    if gone:
        every = len(gone) >= len(evidence.columns) and all(column.name in gone for column in evidence.columns)
        what = "has none of the columns that are judged" if every else "lacks columns of the reference"
        told.append(f"The window {what}: {_listed(gone)}.")
    if other:
        told.append(f"Columns have another type than in the reference: {_listed(other)}.")
    return told


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def drifted_columns(evidence: DriftEvidence, *, run_length: int = RUN_LENGTH) -> list[ColumnDrift]:
    """The columns that an alarm names, those with the largest shift first; empty without an alarm.

    Each of them has evidence enough of its own: a column without drift comes to that within n windows with probability
    at most n / `run_length`, whatever the others do.
    """
    if evidence.rows_reference < MINIMUM_ROWS or evidence.mean < run_length:
        return []
    sure = [column for column in evidence.columns if column.evidence >= run_length]
    return sorted(sure, key=lambda column: -(column.effect.psi or 0.0))


def tell(column: ColumnDrift) -> str:
    """One sentence on a column that drifted."""
    effect = column.effect
    said = f"The {'' if column.kind == 'score' else 'column '}{column.name} has shifted"
    if effect.psi is not None:
        said += f": PSI {effect.psi:.3f}" if effect.psi < 0.01 else f": PSI {effect.psi:.2f}"
    if effect.shift is not None and abs(effect.shift) >= 0.005:
        said += f", mean {effect.shift:+.2f} standard deviations"
    if abs(effect.missing_change) > 0.01:
        more = "more" if effect.missing_change > 0 else "fewer"
        said += f", {abs(effect.missing_change):.0%} {more} values missing"
    if effect.unseen > 0.01:
        which = "before all of the reference" if column.kind == "rising" else "new to the reference"
        said += f", {effect.unseen:.0%} of the values {which}"
    if column.kind == "identifier" and abs(effect.missing_change) <= 0.01:  # all else would leave the hashes even
        said += ", values that were all different repeat"
    return f"{said}."


def _summary(evidence: DriftEvidence, drifted: list[ColumnDrift]) -> dict[str, Any]:
    shifts = [column for column in evidence.columns if column.effect.psi is not None]
    largest = max(shifts, key=lambda column: column.effect.psi or 0.0, default=None)
    limits = [column.least_shift for column in evidence.columns if column.least_shift is not None]
    least = max((limit for limit in limits if math.isfinite(limit)), default=None)
    return {
        "drifted": len(drifted),
        "drifted_columns": ", ".join(column.name for column in drifted),
        "largest_psi": None if largest is None else largest.effect.psi,
        "largest_psi_column": None if largest is None else largest.name,
        "least_shift": least,
        "since_window": min((column.since for column in drifted), default=None),
    }
