"""Was the promotion right? The judgement on probation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from windlass.decisions.figures import decision, show, show_moment
from windlass.decisions.paired_losses import PairedLosses, evidence_of_worse, material
from windlass.decisions.sequential import proportion_bounds
from windlass.product.policy import Release
from windlass.records.decision import Decision

ALPHA = 0.004
"""Chance that a version that is no worse than the one before is ever rolled back for its outcomes."""
ERROR_ALPHA = 0.001
"""The same for its errors."""
ERROR_CAP = 0.02
"""An error rate that no champion may have, unless the one before it failed as often."""


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
    previous_requests: int = 0
    """Asked of the one before since this release began, while it answered; 0: nothing is known of that time."""
    previous_errors: int = 0
    refused: str | None = None
    """Why it cannot serve: a worker could not load it, or workers crash with it; None: nothing of the kind is known."""


def decide_rollback(evidence: RollbackEvidence, policy: Release, now: datetime) -> Decision:
    """`roll_back` when it is clearly worse, by 2 % or more, `keep` when probation is over without that, else `wait`.

    It may be asked at every outcome: the evidence is a bet that no look can win but by being right (0.5 % ever, for
    outcomes and errors together). A version that merely seems worse is kept when the time is over, and the reason says
    so.
    """
    proof = evidence_of_worse(evidence.losses)
    least, _ = proportion_bounds(evidence.errors, evidence.requests, ERROR_ALPHA / 2)
    _, most = proportion_bounds(evidence.previous_errors, evidence.previous_requests, ERROR_ALPHA / 2)
    allowed = max(ERROR_CAP, most) if evidence.previous_requests else ERROR_CAP
    gap, usual = evidence.losses.gap, evidence.losses.usual
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
    if proof >= 1 / ALPHA and material(evidence.losses):
        reason = (
            f"On {evidence.losses.rows} outcomes its loss is {show(gap)} higher than its predecessor's: clearly worse."
        )
        return decision("rollback", "roll_back", [reason], numbers, now)
    if least > allowed:
        failing = f"{evidence.errors / evidence.requests:.2%} of {evidence.requests} requests"
        reason = f"It fails on {failing}; more than {allowed:.1%} is not allowed."
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
