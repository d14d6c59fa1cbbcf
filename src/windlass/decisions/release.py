"""May the challenger go one stage further?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from windlass.decisions.divergence import ks_distance
from windlass.decisions.figures import decision, show, show_moment
from windlass.decisions.paired_losses import PairedLosses, evidence_of_worse
from windlass.decisions.sequential import distribution_radius, proportion_bounds
from windlass.product.duration import format_duration
from windlass.product.policy import Release
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ALPHA = 0.01
"""Chance, for each kind of harm and however often it is asked, that a harmless challenger is withdrawn for it."""
ERROR_CAP = 0.02
"""An error rate that no challenger may have, unless its champion fails as often."""
ERROR_MARGIN = 0.005
"""How much more often than the champion it may fail and still go on."""
SLOWER = 2.0
SLOWER_MS = 20.0
"""It is too slow when more than 1 % of its answers take twice the champion's 99th percentile and 20 ms more than it."""
SHIFT = 0.3
"""How much further than on the holdout its scores may be from the champion's, as a distance of distributions, 0..1."""
UNKNOWN_SHIFT = 0.6
"""The same when the distance on the holdout is not known."""


def _nothing() -> Array:
    return np.empty(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What one version answered in a stage."""

    scores: Array = field(default_factory=_nothing)
    """`(n,)` scores of the rows answered (multiclass: of the likeliest class)."""
    latency_ms: Array = field(default_factory=_nothing)
    """`(m,)` one figure for each request answered."""
    errors: int = 0
    """Requests that it failed to answer: a bad row fails all rows of its request, so rows are no independent trials."""

    @property
    def rows(self) -> int:
        return len(self.scores)

    @property
    def requests(self) -> int:
        return len(self.latency_ms) + self.errors

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ReleaseEvidence:
    """What challenger and champion did since the stage began."""

    stage: Literal["shadow", "canary"]
    share: float = 0.0
    started_at: datetime
    """Of the release."""
    stage_started_at: datetime
    challenger: Answers
    champion: Answers
    """In shadow: on the same rows; in canary: on the rows of the other keys."""
    expected_shift: float | None = None
    """`numbers["score_shift"]` of the gate: a model that was trained because the world changed scores differently, and
    should."""
    losses: PairedLosses | None = None
    """In shadow, once outcomes have come: of both on the same rows, the challenger's as `new`."""
    refused: str | None = None
    """Why it cannot serve: a worker could not load it, or workers crash with it; None: nothing of the kind is known."""
    paused: timedelta = timedelta()
    """How long the product has been paused since `started_at`: time in which nothing could advance."""


def decide_release(evidence: ReleaseEvidence, policy: Release, now: datetime) -> Decision:
    """`advance`, `wait` or `roll_back`. After the last canary stage `advance` means promotion.

    Rolled back: refused by a serving worker, more errors than the champion, slower, constant answers, scores further
    from the champion's than the holdout explains, worse on outcomes, or undecided at the deadline. Each comparison
    holds at every look together (1 % a harm), so it may be asked as often as one likes.
    """
    numbers: dict[str, Any] = {
        "stage": evidence.stage,
        "share": evidence.share,
        "rows": evidence.challenger.rows,
        "champion_rows": evidence.champion.rows,
    }
    checks = (_refused, _errors, _latency, _constant, _shift, _outcomes)
    harms = [harm for check in checks for harm in (check(evidence, numbers),) if harm is not None]
    if harms:
        return decision("release", "roll_back", harms, numbers, now)
    missing = _missing(evidence, policy, now)
    if not missing:
        reason = f"{evidence.challenger.rows} rows were answered in {_name(evidence)} without harm."
        return decision("release", "advance", [reason], numbers, now)
    if now >= evidence.started_at + policy.deadline + evidence.paused:
        late = f"The release was not decided within {format_duration(policy.deadline)}."
        return decision("release", "roll_back", [late, *missing], numbers, now)
    return decision("release", "wait", missing, numbers, now)


def _missing(evidence: ReleaseEvidence, policy: Release, now: datetime) -> list[str]:
    """What is still needed before it may advance."""
    needed = policy.shadow if evidence.stage == "shadow" else policy.minimum
    missing = []
    if evidence.challenger.rows < max(needed, 1):
        missing.append(f"Fewer than {max(needed, 1)} rows have been answered in {_name(evidence)}.")
    until = evidence.stage_started_at + policy.bake
    if evidence.stage == "canary" and now < until:
        missing.append(f"{_name(evidence).capitalize()} lasts until {show_moment(until)} at least.")
    if evidence.challenger.error_rate > evidence.champion.error_rate + ERROR_MARGIN:
        missing.append("It fails more often than the champion, though not yet clearly.")
    return missing


def _refused(evidence: ReleaseEvidence, numbers: dict[str, Any]) -> str | None:
    if evidence.refused is None:
        return None
    numbers["refused"] = True
    return f"It cannot serve: {evidence.refused}"


def _errors(evidence: ReleaseEvidence, numbers: dict[str, Any]) -> str | None:
    challenger, champion = evidence.challenger, evidence.champion
    own, others = challenger.error_rate, champion.error_rate
    least, _ = proportion_bounds(challenger.errors, challenger.requests, ALPHA / 2)
    _, most = proportion_bounds(champion.errors, champion.requests, ALPHA / 2)
    numbers |= {"error_rate": own, "champion_error_rate": others, "error_rate_low": least}
    said = f"It fails on {own:.2%} of {challenger.requests} requests"
    if least > ERROR_CAP and own > others:
        return f"{said}; more than {ERROR_CAP:.0%} is not allowed."
    if least > most:
        return f"{said}, the champion on {others:.2%}: clearly more."
    return None


def _latency(evidence: ReleaseEvidence, numbers: dict[str, Any]) -> str | None:
    own, others = evidence.challenger.latency_ms, evidence.champion.latency_ms
    if len(own) == 0 or len(others) < 100:
        return None
    usual = float(np.quantile(others, 0.99))
    limit = max(SLOWER * usual, usual + SLOWER_MS)
    above = int(np.count_nonzero(own > limit))
    least, _ = proportion_bounds(above, len(own), ALPHA)
    numbers |= {
        "latency_ms_p50": np.quantile(own, 0.5),
        "latency_ms_p99": np.quantile(own, 0.99),
        "champion_latency_ms_p99": usual,
        "latency_limit_ms": limit,
        "slow_share": above / len(own),
    }
    if least <= 0.01:
        return None
    return (
        f"{above / len(own):.1%} of its answers take more than {show(limit)} ms; "
        f"the champion's 99th percentile is {show(usual)} ms."
    )


def _constant(evidence: ReleaseEvidence, numbers: dict[str, Any]) -> str | None:
    own, others = evidence.challenger.scores, evidence.champion.scores
    if len(own) < 100 or len(others) < 100:
        return None
    numbers["constant"] = bool(own.min() == own.max())
    return (
        f"All of its {len(own)} answers are the same, and the champion's are not."
        if own.min() == own.max() and others.min() != others.max()
        else None
    )


def _shift(evidence: ReleaseEvidence, numbers: dict[str, Any]) -> str | None:
    own, others = evidence.challenger.scores, evidence.champion.scores
    if len(own) == 0 or len(others) == 0:
        return None
    distance = ks_distance(own, others)
    known = evidence.expected_shift is not None
    allowed = min(0.95, evidence.expected_shift + SHIFT) if evidence.expected_shift is not None else UNKNOWN_SHIFT
    least = distance - distribution_radius(len(own), ALPHA / 2) - distribution_radius(len(others), ALPHA / 2)
    numbers |= {"shift": distance, "shift_low": max(least, 0.0), "shift_allowed": allowed}
    if least <= allowed:
        return None
    explained = "the holdout explains" if known else "is plausible"
    return f"Its scores lie {distance:.2f} from the champion's (0 to 1), more than {explained} ({allowed:.2f})."


def _outcomes(evidence: ReleaseEvidence, numbers: dict[str, Any]) -> str | None:
    if evidence.losses is None or evidence.losses.rows == 0:
        return None
    proof = evidence_of_worse(evidence.losses)
    gap = float(np.mean(evidence.losses.new - evidence.losses.previous))
    numbers |= {"outcomes": evidence.losses.rows, "loss_difference": gap, "evidence_worse": proof}
    if proof < 1 / ALPHA:
        return None
    return f"On {evidence.losses.rows} outcomes its loss is {show(gap)} higher than the champion's: clearly worse."


def _name(evidence: ReleaseEvidence) -> str:
    return "shadow" if evidence.stage == "shadow" else f"the canary on {evidence.share:.0%} of the keys"
