"""May the challenger go one stage further?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from windlass.decisions.answers import ReleaseEvidence
from windlass.decisions.budget import BEFORE_PROMOTION
from windlass.decisions.figures import decision, show_moment
from windlass.decisions.harms import HARMS, disagreement, doubts, shift
from windlass.product.duration import format_duration
from windlass.product.policy import Release
from windlass.records.decision import UNAPPROVED, Decision
from windlass.records.state import ReleaseState

CALLS = 20
"""By so many, all of them slow, it is clear that a version is slow (`harms.latency`)."""


def alpha_of(policy: Release) -> float:
    """What each harm may take of the budget in each stage."""
    stages = (policy.shadow > 0) + len(policy.canary)
    return BEFORE_PROMOTION / (max(stages, 1) * len(HARMS))


def decide_release(evidence: ReleaseEvidence, policy: Release, now: datetime) -> Decision:
    """`advance`, `wait` or `roll_back`. After the last canary stage `advance` means promotion.

    Rolled back: refused by a serving worker, more failures than the champion, slower, constant answers, scores or
    answers further from the champion's than the holdout explains, worse on outcomes, or undecided at the deadline. Each
    comparison holds at every look together, so it may be asked as often as one likes. `delayed` in the numbers of a
    wait: the rows and the time of the policy are there, and something else is in the way.
    """
    numbers: dict[str, Any] = {
        "stage": evidence.stage,
        "share": evidence.share,
        "rows": evidence.challenger.rows,
        "champion_rows": evidence.champion.rows,
        "evidence_needed": 1 / alpha_of(policy),
    }
    if evidence.refused is not None:
        numbers["refused"] = True
        return decision("release", "roll_back", [f"It cannot serve: {evidence.refused}"], numbers, now)
    found = {check: check(evidence, alpha_of(policy), numbers) for check in HARMS}
    harms = [harm for harm in found.values() if harm is not None]
    if harms:
        apart = {check for check, harm in found.items() if harm is not None} <= {shift, disagreement}
        if apart and evidence.doubted is not None:  # which of the two is wrong such a difference does not tell
            harms.append(
                f"An alarm of {evidence.doubted} stands against the champion: if that one is wrong, "
                "`windlass promote` this version, or `windlass rollback`."
            )
        return decision("release", "roll_back", harms, numbers, now)
    short = _short(evidence, policy, now)
    missing = [*short, *doubts(numbers), *_approval(evidence, policy)]
    if not missing:
        reason = f"{evidence.challenger.rows} rows were answered in {_name(evidence)} without harm."
        return decision("release", "advance", [reason], numbers, now)
    if now >= evidence.started_at + policy.deadline + evidence.paused:
        late = f"The release was not decided within {format_duration(policy.deadline)}."
        return decision("release", "roll_back", [late, *missing], numbers, now)
    return decision("release", "wait", missing, numbers | {"delayed": not short}, now)


def _short(evidence: ReleaseEvidence, policy: Release, now: datetime) -> list[str]:
    """The rows and the time that the policy asks for before it may advance, as far as they are not there yet."""
    needed = policy.shadow if evidence.stage == "shadow" else policy.minimum
    missing = []
    if evidence.challenger.rows < max(needed, 1):
        missing.append(f"Fewer than {max(needed, 1)} rows have been answered in {_name(evidence)}.")
    answered = evidence.challenger.requests - evidence.challenger.errors
    if len(evidence.challenger.latency_ms) < min(CALLS, answered):  # while it hangs, many requests wait for one call
        missing.append(f"Fewer than {CALLS} calls of it have told how long they take.")
    until = evidence.stage_started_at + policy.bake
    if evidence.stage == "canary" and now < until:
        missing.append(f"{_name(evidence).capitalize()} lasts until {show_moment(until)} at least.")
    return missing


def _approval(evidence: ReleaseEvidence, policy: Release) -> list[str]:
    """What a person must do yet."""
    asked = policy.approval and not evidence.approved and is_last(policy, evidence.stage, evidence.share)
    return [UNAPPROVED] if asked else []


def is_last(policy: Release, stage: str, share: float) -> bool:
    """Whether promotion comes next."""
    return share == policy.canary[-1] if policy.canary else stage == "shadow"


def decide_approval(release: ReleaseState, policy: Release, now: datetime, *, paused: timedelta) -> Decision:
    """The same of a release without stages, which only waits for a person."""
    if release.approved_by is not None:
        return decision("release", "advance", [f"{release.approved_by} approved it."], {}, now)
    if now >= release.started_at + policy.deadline + paused:
        late = f"The release was not approved within {format_duration(policy.deadline)}."
        return decision("release", "roll_back", [late], {}, now)
    return decision("release", "wait", [UNAPPROVED], {}, now)


def _name(evidence: ReleaseEvidence) -> str:
    return "shadow" if evidence.stage == "shadow" else f"the canary on {evidence.share:.0%} of the keys"
