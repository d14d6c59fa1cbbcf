"""The states of a release as a machine: whatever happens in whatever order, some things never do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from windlass.ledger.projection import EMPTY, fold
from windlass.product.policy import Outcome, Policies, Release
from windlass.records.decision import Decision
from windlass.records.event import (
    Body,
    ChampionChanged,
    Event,
    ReleaseAdvanced,
    ReleaseFinished,
    ReleaseStarted,
    VersionRegistered,
)
from windlass.records.state import ProductState, VersionState
from windlass.release import director
from windlass.release.routing import routing_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLANS = {
    "all stages": Release(shadow=100, canary=[0.1, 0.5], probation="7d"),
    "shadow alone": Release(shadow=100, probation="7d"),
    "canary alone, no probation": Release(canary=[0.3], probation="0s"),
    "at once": Release(probation="0s"),
    "probation alone": Release(probation="1d"),
    "a person agrees": Release(canary=[0.3], probation="1d", approval=True),
    "a person agrees, at once": Release(probation="0s", approval=True),
}


def policies(plan: Release) -> Policies:
    return Policies(outcome=Outcome(), gate=None, release=plan, retrain=None)


def verdict(judgement: Any, word: str) -> Decision:
    return Decision(judgement=judgement, verdict=word, reasons=("So it is.",), numbers={}, at=NOW)


class Story:
    """A ledger in memory, and what its events come to."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.state = EMPTY

    def write(self, *bodies: Body) -> None:
        for body in bodies:
            sequence = len(self.events) + 1
            event = Event(
                sequence=sequence,
                at=NOW + timedelta(minutes=sequence),
                product="p",
                run=None,
                actor="test",
                body=body,
                previous="",
                hash="",
            )
            self.events.append(event)
            self.state = fold(self.state, [event])

    @property
    def product(self) -> ProductState:
        return self.state.products.get("p") or ProductState(name="p")

    def bodies(self, kind: type[Body]) -> list[Any]:
        return [event.body for event in self.events if isinstance(event.body, kind)]

    def register(self, name: str) -> None:
        self.write(VersionRegistered(version=name, digest=f"digest of {name}", run=None, metrics={}))

    def begin(self, plan: Release) -> None:
        candidate = self.product.candidate
        assert candidate is not None
        release = f"release {len(self.events)}"
        self.write(
            *director.begin(
                self.product, candidate, policies=policies(plan), release=release, now=NOW, reason="it passed"
            )
        )

    def judge(self, word: str) -> None:
        product = self.product
        plan = Release(**director.active_release(product).plan)
        kind = "rollback" if director.active_release(product).stage == "probation" else "release"
        self.write(*director.act_on(product, decision=verdict(kind, word), policy=plan))

    def install(self, version: VersionState, plan: Release, *, probation: bool) -> None:
        release = f"release {len(self.events)}"
        self.write(
            *director.install(
                self.product,
                version,
                policies=policies(plan),
                release=release,
                now=NOW,
                reason="a person wants it",
                probation=probation,
            )
        )


@settings(max_examples=150, stateful_step_count=30)
class Releases(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.champions = 0

    @property
    def stage(self) -> str | None:
        release = self.story.product.release
        return None if release is None else release.stage

    @rule()
    def register(self) -> None:
        self.story.register(f"v{len(self.story.product.versions) + 1}")

    @precondition(lambda self: self.story.product.candidate is not None and self.stage in (None, "probation"))
    @rule(plan=st.sampled_from(sorted(PLANS)))
    def begin(self, plan: str) -> None:
        self.story.begin(PLANS[plan])

    @precondition(lambda self: self.stage in ("started", "shadow", "canary"))
    @rule(word=st.sampled_from(["advance", "roll_back", "wait"]))
    def judge(self, word: str) -> None:
        before = self.stage, self.story.product.champion
        self.story.judge(word)
        if word == "roll_back":
            assert (self.stage, self.story.product.champion) == (None, before[1])
        if word == "wait":
            assert (self.stage, self.story.product.champion) == before

    @precondition(lambda self: self.stage == "probation")
    @rule(word=st.sampled_from(["keep", "roll_back", "wait"]))
    def judge_probation(self, word: str) -> None:
        release, champion = self.story.product.release, self.story.product.champion
        assert release is not None
        assert champion is not None
        self.story.judge(word)
        behind = release.fallback or release.previous
        expected = {"keep": release.version, "wait": release.version, "roll_back": behind}[word]
        assert self.story.product.champion is not None
        assert self.story.product.champion.version == expected
        assert (self.stage is None) == (word != "wait")

    @precondition(lambda self: self.story.product.champion is not None and len(self.story.product.versions) > 1)
    @rule(data=st.data(), plan=st.sampled_from(sorted(PLANS)), probation=st.booleans())
    def install(self, data: st.DataObject, plan: str, probation: bool) -> None:
        product = self.story.product
        others = [version for version in product.versions.values() if version != product.champion]
        chosen = data.draw(st.sampled_from(others))
        self.story.install(chosen, PLANS[plan], probation=probation)
        assert self.story.product.champion == chosen
        if not probation:
            assert self.story.product.release is None

    @precondition(lambda self: self.stage in ("started", "shadow", "canary"))
    @rule()
    def call_off(self) -> None:
        champion = self.story.product.champion
        self.story.write(*director.call_off(self.story.product, now=NOW, reason="a person wants it"))
        assert self.story.product.release is None
        assert self.story.product.champion == champion

    @invariant()
    def the_champion_was_registered(self) -> None:
        product = self.story.product
        assert product.champion is None or product.versions[product.champion.version] == product.champion

    @invariant()
    def nothing_is_promoted_twice(self) -> None:
        """A champion never follows itself, and no release makes its version champion a second time."""
        changes = self.story.bodies(ChampionChanged)
        assert all(change.version != change.previous for change in changes)
        assert [change.previous for change in changes] == [None, *(change.version for change in changes)][:-1]
        promoted = [(change.release, change.version) for change in changes if change.release is not None]
        assert len(promoted) == len(set(promoted))

    @invariant()
    def every_release_ends_once_and_in_order(self) -> None:
        open_releases: list[str] = []
        for event in self.story.events:
            if isinstance(event.body, ReleaseStarted):
                open_releases.append(event.body.release)
            elif isinstance(event.body, ReleaseAdvanced):
                assert open_releases == [event.body.release]
            elif isinstance(event.body, ReleaseFinished):
                open_releases.remove(event.body.release)
        active = self.story.product.release
        assert open_releases == ([] if active is None else [active.release])

    @invariant()
    def a_release_stands_beside_the_right_champion(self) -> None:
        product = self.story.product
        if product.release is not None:
            answers = product.release.version if product.release.stage == "probation" else product.release.previous
            assert (product.champion and product.champion.version) == answers
            fallback = product.release.fallback
            assert fallback is None or fallback not in (product.release.version, product.release.previous)

    @invariant()
    def routing_names_only_what_was_registered_and_differs(self) -> None:
        product = self.story.product
        routing = routing_for(product, sequence=self.story.state.sequence)
        digests = {version.digest for version in product.versions.values()}
        named = [target.digest for target in (routing.champion, routing.challenger) if target is not None]
        assert set(named) <= digests
        assert len(named) == len(set(named))
        assert (routing.challenger is None) == (routing.mode == "none")
        assert (routing.share > 0) == (routing.mode == "canary")
        if routing.champion is not None:
            assert product.champion is not None
            assert routing.champion.digest == product.champion.digest

    @invariant()
    def a_release_that_goes_well_ends(self) -> None:
        rehearsal = Story()
        rehearsal.state, rehearsal.events = self.story.state, list(self.story.events)
        for _ in range(5):
            release = rehearsal.product.release
            if release is None:
                return
            rehearsal.judge("keep" if release.stage == "probation" else "advance")
        assert rehearsal.product.release is None


TestReleases = Releases.TestCase


def test_a_probation_cut_short_is_neither_gain_nor_loss_and_ends_before_the_next_release_begins() -> None:
    story = Story()
    for name in ("v1", "v2", "v3"):
        story.register(name)
        story.begin(PLANS["shadow alone"])
        if name == "v2":
            story.judge("advance")
    finished = story.bodies(ReleaseFinished)
    assert [(body.version, body.outcome) for body in finished] == [("v1", "promoted"), ("v2", "superseded")]
    assert finished[1].decision.reasons == ("v3 came before its probation was over.",)
    assert story.product.rejections == 0
    assert story.product.release is not None
    assert (story.product.release.version, story.product.release.previous) == ("v3", "v2")


def test_a_rollback_goes_past_a_version_that_nobody_has_judged() -> None:
    """Each new one cut the probation of the one before short, so the last to have been judged is the first."""
    story = Story()

    def promote(name: str) -> None:
        story.register(name)
        story.begin(PLANS["shadow alone"])
        if name != "v1":
            story.judge("advance")

    for name in ("v1", "v2", "v3", "v4"):
        promote(name)
    active = director.active_release(story.product)
    assert (active.stage, active.previous, active.fallback) == ("probation", "v3", "v1")
    story.judge("roll_back")
    assert story.product.champion == story.product.versions["v1"]
    assert story.bodies(ChampionChanged)[-1].reason.endswith("Not to v3, whose probation this release had cut short.")
    promote("v5")
    story.judge("keep")
    promote("v6")
    story.judge("roll_back")
    assert story.product.champion == story.product.versions["v5"], "which has passed its own"


@pytest.mark.parametrize(
    ("stage", "version", "probation", "outcome"),
    [
        ("shadow", "v1", True, "abandoned"),
        ("canary", "v1", True, "rolled_back"),
        ("canary", "v3", False, "promoted"),
        ("probation", "v2", False, "rolled_back"),
        ("probation", "v1", False, "superseded"),
    ],
)
def test_a_choice_by_hand_says_how_the_release_under_way_ended(
    stage: str, version: str, probation: bool, outcome: str
) -> None:
    story = Story()
    for name in ("v1", "v2", "v3"):
        story.register(name)
        story.begin(PLANS["at once"] if name != "v3" else PLANS["all stages"])
    while director.active_release(story.product).stage != stage:
        story.judge("advance")
    under_way = director.active_release(story.product).release
    story.install(story.product.versions[version], PLANS["at once"], probation=probation)
    ended = [body for body in story.bodies(ReleaseFinished) if body.release == under_way]
    assert [body.outcome for body in ended] == [outcome]
    assert story.product.champion == story.product.versions[version]


def test_promoting_the_challenger_by_hand_leads_its_own_release_to_the_top() -> None:
    story = Story()
    for name in ("v1", "v2"):
        story.register(name)
        story.begin(PLANS["all stages"])
    under_way = director.active_release(story.product).release
    story.install(story.product.versions["v2"], PLANS["all stages"], probation=True)
    release = director.active_release(story.product)
    assert (release.release, release.stage) == (under_way, "probation")


def test_a_probation_does_not_advance() -> None:
    story = Story()
    for name in ("v1", "v2"):
        story.register(name)
        story.begin(PLANS["probation alone"])
    with pytest.raises(AssertionError, match="probation"):
        story.judge("advance")


def test_without_a_release_nothing_can_be_judged() -> None:
    with pytest.raises(AssertionError, match="no release"):
        director.act_on(ProductState(name="p"), decision=verdict("release", "roll_back"), policy=Release())


def test_the_stages_of_a_policy_come_in_their_order() -> None:
    assert director.steps_of(PLANS["all stages"]) == [("shadow", 0.0), ("canary", 0.1), ("canary", 0.5)]
    assert director.steps_of(PLANS["at once"]) == []
    assert Release(**director.plan_of(policies(PLANS["all stages"]))) == PLANS["all stages"]
