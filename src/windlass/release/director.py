"""The states of a release, and the events that lead from one to the next.

    started -> shadow -> canary (one stage for each share) -> champion.changed + probation -> finished

Pure: each function takes the state and a Decision and returns what is to be written to the ledger.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from windlass.product.policy import Policies, Release, to_plain
from windlass.records.decision import Decision
from windlass.records.event import Body, ChampionChanged, ReleaseAdvanced, ReleaseFinished, ReleaseStarted
from windlass.records.state import ProductState, ReleaseState, VersionState

Stage = Literal["shadow", "canary", "probation"]
Outcome = Literal["promoted", "rolled_back", "abandoned"]
Step = tuple[Stage, float]
"""A stage and the share of the keys that the challenger answers in it."""


def steps_of(policy: Release) -> list[Step]:
    """The stages before promotion, in order."""
    shadow: list[Step] = [("shadow", 0.0)] if policy.shadow > 0 else []
    return shadow + [("canary", share) for share in policy.canary]


def begin(
    product: ProductState, version: VersionState, *, policies: Policies, release: str, now: datetime, reason: str
) -> list[Body]:
    """Start releasing `version`: into its first stage, or straight to the top when there is nothing to compare with."""
    policy = policies.release
    started = ReleaseStarted(
        release=release, version=version.version, previous=_name(product.champion), run=version.run, plan=plan_of(policies)
    )
    steps = steps_of(policy)
    if product.champion is None or not steps:
        why = "there is no champion to compare it with" if product.champion is None else "the policy has no stages"
        decision = _decision("advance", f"{reason}: promoted at once, since {why}", now=now)
        return [started, *_promotion(product, version, release=release, policy=policy, decision=decision)]
    stage, share = steps[0]
    decision = _decision("advance", f"{reason}: the first stage is {describe(stage, share)}", now=now)
    return [started, _advanced(release, version.version, stage, share, decision)]


def advance(product: ProductState, *, policy: Release, decision: Decision) -> list[Body]:
    """Into the next stage, or to the top after the last one."""
    active = active_release(product)
    steps = steps_of(policy)
    position = 0 if active.stage in ("started", "probation") else steps.index((active.stage, active.share)) + 1
    if position < len(steps):
        stage, share = steps[position]
        return [_advanced(active.release, active.version, stage, share, decision)]
    version = product.versions[active.version]
    return _promotion(product, version, release=active.release, policy=policy, decision=decision)


def withdraw(product: ProductState, *, decision: Decision) -> list[Body]:
    """End the release without its version: back to the previous champion if it had been promoted already."""
    active = active_release(product)
    finished = ReleaseFinished(
        release=active.release,
        version=active.version,
        outcome="abandoned" if active.stage in ("started", "shadow") else "rolled_back",
        decision=decision,
    )
    if active.stage != "probation" or active.previous is None:
        return [finished]
    previous = product.versions[active.previous]
    return [_champion(product, previous, release=active.release, reason=decision.reasons[0]), finished]


def settle(product: ProductState, *, decision: Decision) -> list[Body]:
    """Probation is passed: the release is over."""
    active = active_release(product)
    return [
        ReleaseFinished(release=active.release, version=active.version, outcome="promoted", decision=decision),
    ]


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
    decision = _decision("advance", reason, now=now)
    ending: list[Body] = []
    if product.release is not None:
        same = product.release.version == version.version
        if same and product.release.stage != "probation":
            return _promotion(
                product, version, release=product.release.release, policy=policies.release, decision=decision
            )
        ending = _ended_by_hand(product.release, decision)
    if not probation:
        return [*ending, _champion(product, version, release=None, reason=reason)]
    started = ReleaseStarted(
        release=release, version=version.version, previous=_name(product.champion), run=version.run, plan=plan_of(policies)
    )
    return [
        *ending,
        started,
        *_promotion(product, version, release=release, policy=policies.release, decision=decision),
    ]


def describe(stage: str, share: float) -> str:
    """The stage in words."""
    return f"a canary on {share:.0%} of the keys" if stage == "canary" else stage


def plan_of(policies: Policies) -> dict[str, Any]:
    """The release policy as plain data."""
    plan: dict[str, Any] = to_plain(policies)["release"]
    return plan


def active_release(product: ProductState) -> ReleaseState:
    """The release under way; asking when there is none is a mistake of the caller."""
    if product.release is None:
        raise AssertionError(f"{product.name} has no release under way")
    return product.release


def _promotion(
    product: ProductState, version: VersionState, *, release: str, policy: Release, decision: Decision
) -> list[Body]:
    changed = _champion(product, version, release=release, reason=decision.reasons[0])
    if product.champion is None or policy.probation.total_seconds() == 0:
        finished = ReleaseFinished(release=release, version=version.version, outcome="promoted", decision=decision)
        return [changed, finished]
    return [changed, _advanced(release, version.version, "probation", 1.0, decision)]


def _ended_by_hand(active: ReleaseState, decision: Decision) -> list[Body]:
    outcomes: dict[str, Outcome] = {"probation": "promoted", "canary": "rolled_back"}
    outcome = outcomes.get(active.stage, "abandoned")
    return [ReleaseFinished(release=active.release, version=active.version, outcome=outcome, decision=decision)]


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


def _decision(verdict: str, reason: str, *, now: datetime) -> Decision:
    return Decision(judgement="release", verdict=verdict, reasons=(reason,), numbers={}, at=now)


def _name(version: VersionState | None) -> str | None:
    return None if version is None else version.version
