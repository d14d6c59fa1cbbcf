"""Was the promotion right? The judgement on probation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.figures import decision, show, show_moment
from windlass.decisions.paired_losses import PairedLosses, evidence_of_worse, material
from windlass.decisions.sequential import evidence_above, proportion_bounds
from windlass.decisions.slowness import Stretches, slowness
from windlass.product.policy import Release
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ALPHA = 0.004
"""Chance that a version that is no worse than the one before is ever rolled back for its outcomes."""
ERROR_ALPHA = 0.0004
"""The same for how often it fails."""
BESIDE_ALPHA = 0.0002
"""The same for failing where the one before does not."""
LATENCY_ALPHA = 0.0004
"""The same for how long it takes."""
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
    """Asked of the one before while it answered, in its last day at least; 0: nothing is known of that time."""
    previous_errors: int = 0
    apart: Array = field(default_factory=lambda: np.empty(0))
    """`(n,)`: of each request, asked of both, on which one failed and the other did not: 1 if it was the new one."""
    latency: Stretches = field(default_factory=Stretches)
    refused: str | None = None
    """Why it cannot serve: a worker could not load it, or workers crash with it; None: nothing of the kind is known."""


def decide_rollback(evidence: RollbackEvidence, policy: Release, now: datetime) -> Decision:
    """`roll_back` when it clearly does harm, `keep` when probation is over without that, else `wait`.

    Rolled back: refused by a serving worker, worse on outcomes by 2 % or more, failing more often than the one before,
    or slower. It may be asked as often as one likes: the evidence is bets that no look can win but by being right (0.5
    % ever, for all of it together). A version that merely seems worse is kept when the time is over, and the reason
    says so.
    """
    losses = evidence.losses
    numbers: dict[str, Any] = {
        "outcomes": losses.rows,
        "loss_difference": losses.gap,
        "previous_loss": losses.usual,
        "evidence_worse": evidence_of_worse(losses),
        "evidence_needed": 1 / ALPHA,
        "requests": evidence.requests,
        "error_rate": evidence.errors / evidence.requests if evidence.requests else 0.0,
    }
    if evidence.refused is not None:
        return decision("rollback", "roll_back", [f"It cannot serve: {evidence.refused}"], numbers, now)
    found = (_worse(losses, numbers), _failing(evidence, numbers), slowness(evidence.latency, LATENCY_ALPHA, numbers))
    harms = [harm for harm in found if harm is not None]
    if harms:
        return decision("rollback", "roll_back", harms, numbers, now)
    until = evidence.started_at + policy.probation
    if now < until:
        return decision("rollback", "wait", [f"Probation lasts until {show_moment(until)}."], numbers, now)
    return decision("rollback", "keep", [_kept(losses.rows, losses.gap)], numbers, now)


def _worse(losses: PairedLosses, numbers: dict[str, Any]) -> str | None:
    if numbers["evidence_worse"] < 1 / ALPHA or not material(losses):
        return None
    return f"On {losses.rows} outcomes its loss is {show(losses.gap)} higher than its predecessor's: clearly worse."


def _failing(evidence: RollbackEvidence, numbers: dict[str, Any]) -> str | None:
    """Clearly too often by itself; or more often than the one before did, and where that one, asked the same, does not:
    an outage fails both, and a cache that the first of them fills was there before, too."""
    least, _ = proportion_bounds(evidence.errors, evidence.requests, ERROR_ALPHA / 2)
    _, most = proportion_bounds(evidence.previous_errors, evidence.previous_requests, ERROR_ALPHA / 2)
    known = evidence.previous_requests > 0
    allowed = max(ERROR_CAP, most) if known else ERROR_CAP
    numbers["evidence_failures"] = alone = evidence_above(evidence.apart, 0.5)
    failing = f"It fails on {numbers['error_rate']:.2%} of {evidence.requests} requests"
    if least > allowed:
        return f"{failing}; more than {allowed:.1%} is not allowed."
    if not known or least <= most or alone < 1 / BESIDE_ALPHA:
        return None
    own, both = int(evidence.apart.sum()), len(evidence.apart)
    return f"{failing}; of {both} on which either it or its predecessor does, it does on {own}: clearly more."


def _kept(outcomes: int, gap: float) -> str:
    if outcomes == 0:
        return "Probation is over; no outcome has come by which the two compare, so nothing speaks against it."
    side = "higher" if gap > 0 else "lower"
    return f"Probation is over; on {outcomes} outcomes its loss is {show(abs(gap))} {side} than its predecessor's."
