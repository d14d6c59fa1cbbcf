"""The states of a release, and the events that lead from one to the next.

    started -> shadow -> canary (one stage for each share) -> champion.changed + probation -> finished

Pure: each function takes the state and a Decision and returns what is to be written to the ledger, all of it or none.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from windlass.decisions.figures import decision as decided
from windlass.product.policy import Policies, Release, to_plain
from windlass.records.decision import Decision
from windlass.records.event import (
    Body,
    ChampionChanged,
    ReleaseAdvanced,
    ReleaseApproved,
    ReleaseDelayed,
    ReleaseFinished,
    ReleaseStarted,
)
from windlass.records.state import ProductState, ReleaseState, VersionState

Stage = Literal["shadow", "canary", "probation"]
Outcome = Literal["promoted", "rolled_back", "abandoned", "superseded"]
Step = tuple[Stage, float]
"""A stage and the share of the keys that the challenger answers in it."""


def steps_of(policy: Release) -> list[Step]:
    """The stages before promotion, in order."""
    shadow: list[Step] = [("shadow", 0.0)] if policy.shadow > 0 else []
    return shadow + [("canary", share) for share in policy.canary]


def begin(
    product: ProductState, version: VersionState, *, policies: Policies, release: str, now: datetime, reason: str
) -> list[Body]:
    """Start releasing `version`: into its first stage, or straight to the top when there is nothing to compare with.

    A release on probation makes way: both cannot stand beside the champion at once, and the newer version matters more.
    """
    policy = policies.release
    steps = steps_of(policy)
    if policy.approval and (product.champion is None or not steps):
        further: list[Body] = []  # it stays where it is until a person agrees
        decision = _verdict("wait", f"{reason}: it waits for a person's approval", now=now)
    elif product.champion is None or not steps:
        why = "there is no champion to compare it with" if product.champion is None else "the policy has no stages"
        decision = _advance(f"{reason}: promoted at once, since {why}", now=now)
        further = _promotion(product, version, release=release, policy=policy, decision=decision)
    else:
        stage, share = steps[0]
        decision = _advance(f"{reason}: the first stage is {describe(stage, share)}", now=now)
        further = [_advanced(release, version.version, stage, share, decision)]
    return [
        *_ending(product.release, in_favour_of=version, decision=decision),
        _started(product, version, release=release, policies=policies),
        *further,
    ]


def act_on(product: ProductState, *, decision: Decision, policy: Release) -> list[Body]:
    """What the verdict on the release under way leads to; when it is to wait, no more than a word why."""
    match decision.verdict:
        case "advance":
            return advance(product, policy=policy, decision=decision)
        case "roll_back":
            return withdraw(product, decision=decision)
        case "keep":
            return settle(product, decision=decision)
        case _:
            return delay(product, decision=decision)


def advance(product: ProductState, *, policy: Release, decision: Decision) -> list[Body]:
    """Into the next stage, or to the top after the last one; from no stage at all, which waited for approval, too."""
    active = active_release(product)
    steps = steps_of(policy)
    waited = active.stage == "started"  # for approval, of a first version or of a policy without stages
    following = [] if waited else steps[steps.index(_step_of(active)) + 1 :]
    if following:
        stage, share = following[0]
        return [_advanced(active.release, active.version, stage, share, decision)]
    version = product.versions[active.version]
    return _promotion(product, version, release=active.release, policy=policy, decision=decision)


def delay(product: ProductState, *, decision: Decision) -> list[Body]:
    """What waits although its stage could be over is told why, once for each reason that comes first."""
    active = active_release(product)
    if not decision.numbers.get("delayed") or decision.reasons[0] == active.delayed:
        return []
    return [ReleaseDelayed(release=active.release, version=active.version, decision=decision)]


def withdraw(product: ProductState, *, decision: Decision) -> list[Body]:
    """End the release without its version: back to the previous champion if it had been promoted already, or to the one
    before where nobody has judged that one."""
    active = active_release(product)
    outcome: Outcome = "abandoned" if active.stage in ("started", "shadow") else "rolled_back"
    finished = _finished(active, outcome, decision)
    if active.stage != "probation" or active.previous is None:
        return [finished]
    previous, reason = product.versions[active.previous], decision.reasons[0]
    if active.fallback is not None:
        reason += f" Not to {previous.version}, whose probation this release had cut short."
        previous = product.versions[active.fallback]
    return [_champion(product, previous, release=active.release, reason=reason), finished]


def approve(product: ProductState, *, by: str, reason: str) -> list[Body]:
    """A person agrees; whether it goes on now is for the next look to judge."""
    active = active_release(product)
    return [ReleaseApproved(release=active.release, version=active.version, by=by, reason=reason)]


def settle(product: ProductState, *, decision: Decision) -> list[Body]:
    """Probation is passed: the release is over."""
    return [_finished(active_release(product), "promoted", decision)]


def install(
    product: ProductState,
    version: VersionState,
    *,
    policies: Policies,
    release: str,
    now: datetime,
    reason: str,
    probation: bool,
) -> list[Body]:
    """A person's choice: `version` answers from now on; whatever release was under way ends here.

    `probation` watches it as after any promotion; a person who rolls back wants the old version, not a trial of it.
    """
    decision = _advance(reason, now=now)
    active = product.release
    if probation and active is not None and active.version == version.version and active.stage != "probation":
        return _promotion(product, version, release=active.release, policy=policies.release, decision=decision)
    ending = _ending(active, in_favour_of=version, decision=decision)
    if not probation:
        return [_champion(product, version, release=None, reason=reason), *ending]
    return [
        *ending,
        _started(product, version, release=release, policies=policies),
        *_promotion(product, version, release=release, policy=policies.release, decision=decision),
    ]


def call_off(product: ProductState, *, now: datetime, reason: str) -> list[Body]:
    """A person's choice: the release under way ends as if it had been judged harmful."""
    return withdraw(product, decision=_verdict("roll_back", reason, now=now))


def describe(stage: str, share: float) -> str:
    """The stage in words."""
    return f"a canary on {share:.0%} of the keys" if stage == "canary" else stage


def probation_ends(release: ReleaseState) -> datetime:
    """Until when the probation lasts that a release is in."""
    return release.stage_started_at + Release(**release.plan).probation


def plan_of(policies: Policies) -> dict[str, Any]:
    """The release policy as plain data."""
    plan: dict[str, Any] = to_plain(policies)["release"]
    return plan


def active_release(product: ProductState) -> ReleaseState:
    """The release under way; asking when there is none is a mistake of the caller."""
    if product.release is None:
        raise AssertionError(f"{product.name} has no release under way")
    return product.release


def _step_of(active: ReleaseState) -> Step:
    if active.stage not in ("shadow", "canary"):
        raise AssertionError(f"{active.release} is in {active.stage}, from where nothing advances")
    return active.stage, active.share


def _promotion(
    product: ProductState, version: VersionState, *, release: str, policy: Release, decision: Decision
) -> list[Body]:
    changed = _champion(product, version, release=release, reason=decision.reasons[0])
    if product.champion is None or policy.probation.total_seconds() == 0:
        finished = ReleaseFinished(release=release, version=version.version, outcome="promoted", decision=decision)
        return [changed, finished]
    return [changed, _advanced(release, version.version, "probation", 1.0, decision)]


def _ending(active: ReleaseState | None, *, in_favour_of: VersionState, decision: Decision) -> list[Body]:
    """The end of a release that another version cuts short."""
    if active is None:
        return []
    outcome: Outcome
    if in_favour_of.version == active.version:
        outcome = "promoted"
    elif active.stage == "probation" and in_favour_of.version == active.previous:
        outcome = "rolled_back"
    elif active.stage == "probation":
        reason = f"{in_favour_of.version} came before its probation was over."
        return [_finished(active, "superseded", _verdict("superseded", reason, now=decision.at))]
    else:
        outcome = "rolled_back" if active.stage == "canary" else "abandoned"
    return [_finished(active, outcome, decision)]


def _started(product: ProductState, version: VersionState, *, release: str, policies: Policies) -> ReleaseStarted:
    return ReleaseStarted(
        release=release,
        version=version.version,
        previous=_name(product.champion),
        run=version.run,
        plan=plan_of(policies),
        fallback=_judged(product, beside=version),
    )


def _judged(product: ProductState, *, beside: VersionState) -> str | None:
    """The version that stands behind a champion which is still on probation; None where the champion is not, or where
    it is `beside` itself that comes back."""
    active = product.release
    if active is None or active.stage != "probation":
        return None
    behind = active.fallback or active.previous
    return None if behind == beside.version else behind


def _finished(active: ReleaseState, outcome: Outcome, decision: Decision) -> ReleaseFinished:
    return ReleaseFinished(release=active.release, version=active.version, outcome=outcome, decision=decision)


def _champion(product: ProductState, version: VersionState, *, release: str | None, reason: str) -> ChampionChanged:
    return ChampionChanged(
        version=version.version,
        digest=version.digest,
        previous=_name(product.champion),
        release=release,
        reason=reason,
    )


def _advanced(release: str, version: str, stage: Stage, share: float, decision: Decision) -> ReleaseAdvanced:
    return ReleaseAdvanced(release=release, version=version, stage=stage, share=share, decision=decision)


def _advance(reason: str, *, now: datetime) -> Decision:
    return _verdict("advance", reason, now=now)


def _verdict(verdict: str, reason: str, *, now: datetime) -> Decision:
    """What needs no judging: there is nothing to compare with, or a person has decided."""
    return decided("release", verdict, [reason], {}, now)


def _name(version: VersionState | None) -> str | None:
    return None if version is None else version.version
