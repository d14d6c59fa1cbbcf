"""Was the promotion right? The judgement on probation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from windlass.decisions.figures import decision, show, show_moment
from windlass.decisions.paired_losses import PairedLosses, evidence_of_worse
from windlass.decisions.sequential import proportion_bounds
from windlass.product.policy import Release
from windlass.records.decision import Decision

ALPHA = 0.01
"""Chance that a version that is no worse than the one before is ever rolled back for its outcomes; the same for
errors."""
MATERIAL = 0.02
"""What counts as worse: this share of the predecessor's own loss. Outcomes of one day are more alike than the evidence
takes them to be, so that a bad day alone can prove a difference that is next to nothing over all days."""
ERROR_CAP = 0.02
"""An error rate that no champion may have."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RollbackEvidence:
    """What the new champion did since it was promoted, and what the one before would have done."""

    started_at: datetime
    """When probation began."""
    losses: PairedLosses
    """On the same rows: of the new champion as `new`, of the one before, which runs in shadow."""
    requests: int = 0
    """Asked of the new champion."""
    errors: int = 0
    """Requests of these that it failed to answer."""
    refused: str | None = None
    """Why it cannot serve: a worker could not load it, or workers crash with it; None: nothing of the kind is known."""


def decide_rollback(evidence: RollbackEvidence, policy: Release, now: datetime) -> Decision:
    """`roll_back` when it is clearly worse, by 2 % or more, `keep` when probation is over without that, else `wait`.

    It may be asked at every outcome: the evidence is a bet that no look can win but by being right (1 % ever, for
    outcomes and for errors each). A version that merely seems worse is kept when the time is over, and the reason says
    so.
    """
    proof = evidence_of_worse(evidence.losses)
    least, _ = proportion_bounds(evidence.errors, evidence.requests, ALPHA)
    gap, usual = _mean_losses(evidence.losses)
    numbers: dict[str, Any] = {
        "outcomes": evidence.losses.rows,
        "loss_difference": gap,
        "previous_loss": usual,
        "evidence_worse": proof,
        "evidence_needed": 1 / ALPHA,
        "requests": evidence.requests,
        "error_rate": evidence.errors / evidence.requests if evidence.requests else 0.0,
    }
    if evidence.refused is not None:
        reason = f"It cannot serve: {evidence.refused}"
        return decision("rollback", "roll_back", [reason], numbers, now)
    if proof >= 1 / ALPHA and gap >= MATERIAL * usual:
        reason = (
            f"On {evidence.losses.rows} outcomes its loss is {show(gap)} higher than its predecessor's: clearly worse."
        )
        return decision("rollback", "roll_back", [reason], numbers, now)
    if least > ERROR_CAP:
        failing = f"{evidence.errors / evidence.requests:.2%} of {evidence.requests} requests"
        reason = f"It fails on {failing}; more than {ERROR_CAP:.0%} is not allowed."
        return decision("rollback", "roll_back", [reason], numbers, now)
    until = evidence.started_at + policy.probation
    if now < until:
        return decision("rollback", "wait", [f"Probation lasts until {show_moment(until)}."], numbers, now)
    return decision("rollback", "keep", [_kept(evidence.losses.rows, gap)], numbers, now)


def _kept(outcomes: int, gap: float) -> str:
    if outcomes == 0:
        return "Probation is over; no outcome has come by which the two compare, so nothing speaks against it."
    side = "higher" if gap > 0 else "lower"
    return f"Probation is over; on {outcomes} outcomes its loss is {show(abs(gap))} {side} than its predecessor's."


def _mean_losses(losses: PairedLosses) -> tuple[float, float]:
    """By how much the new version loses more on a row, and what the one before loses."""
    difference = np.asarray(losses.new, dtype=np.float64) - losses.previous
    known = np.isfinite(difference)
    if not known.any():
        return float("nan"), float("nan")
    return float(difference[known].mean()), float(losses.previous[known].mean())
