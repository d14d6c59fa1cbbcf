"""May the challenger go one stage further?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from windlass.decisions.answers import ReleaseEvidence
from windlass.decisions.budget import BEFORE_PROMOTION
from windlass.decisions.figures import decision, show_moment
from windlass.decisions.harms import HARMS, disagreement, doubts, shift
from windlass.decisions.statistics.paired_losses import evidence_of_worse, material
from windlass.product.duration import format_duration
from windlass.product.policy import Release
from windlass.records.decision import UNAPPROVED, Decision
from windlass.records.state import ReleaseState

CALLS = 20
"""By so many, all of them slow, it is clear that a version is slow (`harms.latency`)."""

_OUTCOMES_TELL = "An alarm of decay stands against the champion: outcomes tell which of the two is wrong."


def alpha_of(policy: Release) -> float:
    """What each harm may take of the budget in each stage."""
    stages = (policy.shadow > 0) + len(policy.canary)
    return BEFORE_PROMOTION / (max(stages, 1) * len(HARMS))


def decide_release(evidence: ReleaseEvidence, policy: Release, now: datetime) -> Decision:
    """`advance`, `wait` or `roll_back`. After the last canary stage `advance` means promotion.

    Rolled back: refused by a serving worker, more failures than the champion, slower, constant answers, scores or
    answers further from the champion's than the holdout explains, worse on outcomes, or undecided at the deadline. A
    difference does not tell which of the two is wrong: it is no harm of a challenger that outcomes prove better, and in
    shadow, while an alarm of decay stands against the champion, it waits for them until the deadline.

    Each comparison holds at every look together, so it may be asked as often as one likes. `delayed` in the numbers of
    a wait: the rows and the time of the policy are there, and something else is in the way.
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
    found = {check: harm for check in HARMS if (harm := check(evidence, alpha_of(policy), numbers)) is not None}
    contested = bool(found) and found.keys() <= {shift, disagreement}
    if contested and _better(evidence, alpha_of(policy)):
        found, contested = {}, False
    waits = contested and evidence.stage == "shadow" and evidence.doubted == "decay"
    if found and not waits:
        doubt = [_doubt(evidence.doubted)] if contested and evidence.doubted is not None else []
        return decision("release", "roll_back", [*found.values(), *doubt], numbers, now)
    short = _short(evidence, policy, now)
    contest = [*found.values(), _OUTCOMES_TELL] if waits else []
    missing = [*short, *contest, *doubts(numbers), *_approval(evidence, policy)]
    if not missing:
        reason = f"{evidence.challenger.rows} rows were answered in {_name(evidence)} without harm."
        return decision("release", "advance", [reason], numbers, now)
    if now >= evidence.started_at + policy.deadline + evidence.paused:
        late = f"The release was not decided within {format_duration(policy.deadline)}."
        return decision("release", "roll_back", [late, *missing], numbers, now)
    return decision("release", "wait", missing, numbers | {"delayed": not short}, now)


def _better(evidence: ReleaseEvidence, alpha: float) -> bool:
    """Whether outcomes prove the challenger better: that it answers otherwise is what it is there for, then."""
    losses = evidence.losses
    if losses is None or losses.rows == 0:
        return False
    turned = replace(losses, new=losses.previous, previous=losses.new)
    return evidence_of_worse(turned) >= 1 / alpha and material(turned)


def _doubt(signal: str) -> str:
    return (
        f"An alarm of {signal} stands against the champion: if that one is wrong, "
        "`windlass promote` this version, or `windlass rollback`."
    )


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
