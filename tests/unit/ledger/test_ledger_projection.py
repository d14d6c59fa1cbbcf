"""What events come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.ledger.chain import Link
from windlass.ledger.ledger import Ledger
from windlass.ledger.projection import EMPTY, STATE_KINDS, fold
from windlass.ledger.view import StateView
from windlass.records.decision import Decision
from windlass.records.event import (
    ALL,
    AlarmCleared,
    AlarmRaised,
    Body,
    ChampionChanged,
    CommandFinished,
    CommandRequested,
    CommandWithdrawn,
    ControllerStarted,
    ControllerStopped,
    DataPinned,
    Event,
    IncidentClosed,
    IncidentOpened,
    ProductDeclared,
    ProductPaused,
    ProductResumed,
    ReferenceFixed,
    ReleaseAdvanced,
    ReleaseFinished,
    ReleaseStarted,
    RetrainDecided,
    RunFailed,
    RunFinished,
    RunLogged,
    RunStarted,
    StepStarted,
    Trigger,
    VersionRegistered,
    WorkspaceCreated,
)
from windlass.records.state import ProductState, WorkspaceState

from ...pins import pin_of  # type: ignore[import-not-found]

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
DECISION = Decision(judgement="release", verdict="advance", reasons=("It answered.",), numbers={"rows": 500}, at=NOON)


def hour(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def happened(*bodies: Body, product: str | None = "flights") -> list[Event]:
    """One event an hour from noon on."""
    return [
        Event(
            sequence=number,
            at=hour(number),
            product=product,
            run=None,
            actor="controller",
            body=body,
            previous="",
            hash="",
        )
        for number, body in enumerate(bodies, 1)
    ]


def product_after(*bodies: Body) -> ProductState:
    return fold(EMPTY, happened(*bodies)).products["flights"]


def run_started(run: str, trigger: Trigger = "drift", resumes: str | None = None) -> RunStarted:
    return RunStarted(run=run, trigger=trigger, reason="rows changed", resumes=resumes)


def registered(version: str, *, file: str | None = None) -> VersionRegistered:
    run = f"run-{version}" if file is None else None
    return VersionRegistered(version=version, digest=f"digest-{version}", run=run, metrics={"auc": 0.7}, file=file)


def pinned(rows: int) -> DataPinned:
    return DataPinned(run="r1", pin=pin_of(rows, product="flights", as_of=NOON))


def champion(version: str, reason: str = "promoted") -> ChampionChanged:
    return ChampionChanged(version=version, digest=f"digest-{version}", previous=None, release="rel-1", reason=reason)


def release_started(release: str = "rel-1") -> ReleaseStarted:
    return ReleaseStarted(release=release, version="v2", previous="v1", run="run-2", plan={"shadow": 5})


def advanced(stage: str, share: float = 0.0, release: str = "rel-1") -> ReleaseAdvanced:
    return ReleaseAdvanced(release=release, version="v2", stage=stage, share=share, decision=DECISION)  # type: ignore[arg-type]


def released(release: str = "rel-1") -> ReleaseFinished:
    return ReleaseFinished(release=release, version="v2", outcome="promoted", decision=DECISION)


def test_nothing_is_empty() -> None:
    assert fold(EMPTY, []) is EMPTY
    assert WorkspaceState() == EMPTY


def test_the_workspace_and_its_controller() -> None:
    events = happened(
        WorkspaceCreated(workspace="main", windlass="0.1.0"), ControllerStarted(holder="one", token=3), product=None
    )
    state = fold(EMPTY, events)
    assert (state.name, state.sequence) == ("main", 2)
    assert state.controller is not None
    assert (state.controller.holder, state.controller.token, state.controller.started_at) == ("one", 3, hour(2))


@pytest.mark.parametrize(("holder", "acts"), [("one", False), ("an earlier one", True)])
def test_only_its_own_end_ends_a_controller(holder: str, acts: bool) -> None:
    stop = ControllerStopped(holder=holder, reason="SIGTERM")
    state = fold(EMPTY, happened(ControllerStarted(holder="one", token=3), stop, product=None))
    assert (state.controller is not None) == acts


def test_commands_are_pending_until_finished_or_taken_back() -> None:
    events = happened(
        CommandRequested(command="c1", name="pause", reason="holiday"),
        CommandRequested(command="c2", name="promote", version="v2", reason="looks good"),
        CommandFinished(command="c1", done=True, message="paused"),
        CommandFinished(command="never asked", done=True, message=""),
        CommandRequested(command="c3", name="promote", version="v3", reason="too"),
        CommandWithdrawn(command="c3", reason="interrupted"),
    )
    (asked,) = fold(EMPTY, events).pending
    assert (asked.sequence, asked.at, asked.product, asked.actor) == (2, hour(2), "flights", "controller")
    assert asked.request.command == "c2"


def test_declarations_and_pauses() -> None:
    declared = ProductDeclared(entry="flights:Flights", source="s", task={}, policies={}, trains=True)
    state = product_after(declared, ProductPaused(reason="holiday"))
    assert (state.name, state.declared, state.paused) == ("flights", declared, "holiday")
    assert product_after(ProductPaused(reason="holiday"), ProductResumed(reason="back")).paused is None


def test_the_pauses_of_a_release_add_up() -> None:
    """The release begins in the second hour, in a pause; the pauses last to the third, and from the fourth on."""
    story = (registered("v1"), ProductPaused(reason="a"), release_started("v1"), ProductResumed(reason="b"))
    assert product_after(*story).release_paused(hour(9)) == timedelta(hours=1)
    again = product_after(*story, ProductPaused(reason="c"), ProductPaused(reason="still"))
    assert again.release_paused(hour(9)) == timedelta(hours=5)
    assert again.release_paused(hour(4)) == timedelta(hours=1), "clocks may go back"
    assert product_after(ProductPaused(reason="a")).release_paused(hour(9)) == timedelta()


def test_versions_keep_their_order_and_champions_their_history() -> None:
    state = product_after(
        registered("v1"), champion("v1", "first"), registered("v2"), champion("v2"), champion("v1", "rolled back")
    )
    assert list(state.versions) == ["v1", "v2"]
    assert state.champion == state.versions["v1"]
    assert state.champion_since == hour(5)
    assert [(past.version.version, past.since, past.until, past.reason) for past in state.previous_champions] == [
        ("v1", hour(2), hour(4), "promoted"),
        ("v2", hour(4), hour(5), "rolled back"),
    ]
    assert state.versions["v1"].registered_at == hour(1)
    assert state.versions["v1"].metrics == {"auc": 0.7}


def test_a_champion_that_is_named_again_has_answered_all_along() -> None:
    state = product_after(registered("v1"), champion("v1"), champion("v1"))
    assert (state.champion_since, state.previous_champions) == (hour(2), ())


def test_a_champion_that_was_never_registered_is_champion_all_the_same() -> None:
    state = product_after(champion("v1"))
    assert state.champion is not None
    assert (state.champion.version, state.champion.digest) == ("v1", "digest-v1")


def test_a_training_run_is_active_until_it_ends() -> None:
    state = product_after(run_started("r1"))
    assert state.run is not None
    assert (state.run.run, state.run.trigger, state.run.started_at, state.run.outcome) == ("r1", "drift", hour(1), None)

    state = product_after(run_started("r1"), RunFinished(run="r1", outcome="registered", version="v1", seconds=9))
    assert state.run is None
    assert state.last_run is not None
    assert (state.last_run.outcome, state.last_run.version, state.last_run.finished_at) == (
        "registered",
        "v1",
        hour(2),
    )


def test_a_failed_run_says_why() -> None:
    state = product_after(run_started("r1"), RunFailed(run="r1", step="train", error="ValueError", message="no rows"))
    assert state.run is None
    assert state.last_run is not None
    assert (state.last_run.outcome, state.last_run.message) == ("failed", "no rows")


def test_a_run_that_another_replaces_is_lost() -> None:
    state = product_after(run_started("r1"), run_started("r2", resumes="r1"))
    assert state.run is not None
    assert state.last_run is not None
    assert (state.run.run, state.run.resumes) == ("r2", "r1")
    assert (state.last_run.run, state.last_run.outcome, state.last_run.finished_at) == ("r1", "lost", hour(2))
    assert state.run_starts == (hour(1), hour(2))


def test_failures_and_rejections_are_counted_until_one_does_better() -> None:
    def counts(*outcomes: str) -> tuple[int, int]:
        bodies: list[Body] = []
        for number, outcome in enumerate(outcomes):
            run = f"r{number}"
            bodies.append(run_started(run))
            if outcome == "failed":
                bodies.append(RunFailed(run=run, step="train", error="E", message="m"))
            elif outcome != "lost":
                bodies.append(RunFinished(run=run, outcome=outcome, seconds=1))  # type: ignore[arg-type]
        state = product_after(*bodies)
        return state.failures, state.rejections

    assert counts("failed", "lost", "failed") == (3, 0)
    assert counts("failed", "rejected") == (0, 1)
    assert counts("rejected", "failed", "unchanged") == (0, 2)
    assert counts("rejected", "registered") == (0, 1)


def test_the_rows_since_a_change_are_those_that_the_last_run_was_decided_with() -> None:
    def decided(verdict: str, **numbers: Any) -> RetrainDecided:
        return RetrainDecided(decision=msgspec.structs.replace(DECISION, verdict=verdict, numbers=numbers))

    assert product_after(decided("retrain", changed=200)).changed == 200
    assert product_after(decided("retrain", changed=200), decided("wait", changed=900)).changed == 200
    assert product_after(decided("retrain", changed=200), decided("retrain")).changed == 0


def test_a_run_for_more_rows_alone_is_never_in_vain() -> None:
    look = [run_started("r1", trigger="growth"), RunFinished(run="r1", outcome="rejected", seconds=1)]
    assert product_after(*look).rejections == 0
    decayed = [run_started("r1", trigger="decay"), RunFinished(run="r1", outcome="rejected", seconds=1)]
    assert product_after(*decayed).rejections == 1


@pytest.mark.parametrize(("outcome", "rejections"), [("promoted", 0), ("rolled_back", 2), ("abandoned", 2)])
def test_the_end_of_a_release_says_whether_a_version_was_a_gain(outcome: Any, rejections: int) -> None:
    finished = ReleaseFinished(release="rel-1", version="v2", outcome=outcome, decision=DECISION)
    rejected = RunFinished(run="r1", outcome="rejected", seconds=1)
    state = product_after(run_started("r1"), rejected, registered("v2"), release_started(), finished)
    assert state.rejections == rejections


def test_the_end_of_a_probation_is_kept_and_that_of_an_earlier_stage_is_not() -> None:
    ended, withdrawn = (msgspec.structs.replace(DECISION, judgement=name) for name in ("rollback", "release"))
    beginning = [registered("v2"), release_started()]
    kept = ReleaseFinished(release="rel-1", version="v2", outcome="promoted", decision=ended)
    assert product_after(*beginning, kept).probation == ended
    abandoned = ReleaseFinished(release="rel-1", version="v2", outcome="abandoned", decision=withdrawn)
    assert product_after(*beginning, abandoned).probation is None
    assert product_after(*beginning, kept, *beginning, abandoned).probation == ended


def test_of_each_version_that_a_run_made_the_rows_are_kept() -> None:
    made = [body for rows in (100, 130, 170) for body in (pinned(rows), registered(f"v{rows}"))]
    assert product_after(*made).released == (100, 130, 170)
    assert product_after(pinned(100), registered("v1", file="sha256")).released == ()  # it was imported
    many = [body for rows in range(50) for body in (pinned(rows), registered(f"v{rows}"))]
    assert product_after(*many).released == tuple(range(30, 50))


def test_a_new_version_is_a_candidate_until_its_release_starts() -> None:
    state = product_after(registered("v1"), registered("v2"))
    assert state.candidate == state.versions["v2"]
    assert product_after(registered("v2"), release_started()).candidate is None
    assert product_after(registered("v2"), champion("v2")).candidate is None
    assert product_after(registered("v3"), release_started(), champion("v2")).candidate is not None


@pytest.mark.parametrize(
    "end",
    [
        RunFinished(run="another", outcome="done", seconds=1),
        RunFailed(run="another", step=None, error="E", message="m"),
    ],
)
def test_the_end_of_another_run_ends_nothing(end: Body) -> None:
    state = product_after(run_started("r1"), end)
    assert state.run is not None
    assert state.last_run is None


def test_a_notebook_trains_nothing() -> None:
    state = product_after(
        run_started("r1"),
        run_started("n1", "notebook"),
        RunFinished(run="n1", outcome="done", seconds=1),
    )
    assert state.run is not None
    assert (state.run.run, state.last_run, state.run_starts) == ("r1", None, (hour(1),))


def test_starts_older_than_thirty_days_are_forgotten() -> None:
    first, second, third = happened(run_started("r1"), run_started("r2"), run_started("r3"))
    second = msgspec.structs.replace(second, at=first.at + timedelta(days=20))
    third = msgspec.structs.replace(third, at=first.at + timedelta(days=30))
    assert fold(EMPTY, [first, second, third]).products["flights"].run_starts == (second.at, third.at)


def test_a_release_moves_through_its_stages() -> None:
    state = product_after(release_started())
    assert state.release is not None
    assert (state.release.stage, state.release.share, state.release.started_at) == ("started", 0.0, hour(1))
    assert (state.release.plan, state.release.previous, state.release.run) == ({"shadow": 5}, "v1", "run-2")

    state = product_after(release_started(), advanced("shadow"), advanced("canary", 0.25))
    assert state.release is not None
    assert (state.release.stage, state.release.share) == ("canary", 0.25)
    assert (state.release.started_at, state.release.stage_started_at) == (hour(1), hour(3))

    assert product_after(release_started(), released()).release is None


def test_stages_and_ends_of_another_release_change_nothing() -> None:
    assert product_after(release_started(), advanced("canary", 0.5, "rel-0"), released("rel-0")) == product_after(
        release_started()
    )
    assert product_after(advanced("canary", 0.5), released()) == ProductState(name="flights")


def test_alarms_and_incidents_are_open_until_closed() -> None:
    alarm = AlarmRaised(alarm="a1", signal="drift", version="v1", decision=DECISION)
    incident = IncidentOpened(incident="i1", alarm="a1", title="Drift", cause="A new carrier", remedy="Retrain")
    state = product_after(alarm, incident, RetrainDecided(decision=DECISION))
    assert state.alarms["a1"].raised == alarm
    assert state.alarms["a1"].at == hour(1)
    assert state.incidents["i1"].opened == incident
    assert state.last_retrain == DECISION

    state = product_after(
        alarm,
        incident,
        AlarmCleared(alarm="a1", reason="over"),
        IncidentClosed(incident="i1", resolution="retrained"),
        AlarmCleared(alarm="unknown", reason="over"),
    )
    assert (state.alarms, state.incidents) == ({}, {})


def test_products_do_not_mix() -> None:
    flights, taxis = happened(ProductPaused(reason="a")), happened(ProductPaused(reason="b"), product="taxis")
    state = fold(EMPTY, [*flights, msgspec.structs.replace(taxis[0], sequence=2)])
    assert {name: product.paused for name, product in state.products.items()} == {"flights": "a", "taxis": "b"}


def test_an_event_of_a_product_that_names_none_is_passed_over() -> None:
    state = fold(EMPTY, happened(run_started("n1"), product=None))
    assert (state.products, state.sequence) == ({}, 1)


def test_only_what_makes_up_the_state_is_read() -> None:
    assert {RunLogged, StepStarted}.isdisjoint(STATE_KINDS)
    assert set(STATE_KINDS) < set(ALL)


def test_a_state_can_be_shown_as_json() -> None:
    events = happened(CommandRequested(command="c1", name="pause", reason="x"), registered("v1"), champion("v1"))
    shown = msgspec.json.decode(msgspec.json.encode(fold(EMPTY, events)))
    assert shown["products"]["flights"]["champion"]["version"] == "v1"
    assert shown["pending"][0]["request"]["name"] == "pause"


def test_the_first_word_on_what_a_version_is_watched_against_stands() -> None:
    first = ReferenceFixed(version="v1", rows=100, through=99, digest="a")
    other = ReferenceFixed(version="v2", rows=50, through=149, digest="b")
    again = ReferenceFixed(version="v1", rows=200, through=199, digest="c")
    assert product_after(first, other, again).references == {"v1": first, "v2": other}


# -- whatever happens ----------------------------------------------------------------------------------------------

_few = st.sampled_from(["1", "2", "3"])
_text = st.sampled_from(["because", "of", "this"])
_BODIES: Sequence[st.SearchStrategy[Body]] = [
    st.builds(WorkspaceCreated, workspace=_text, windlass=_text),
    st.builds(ControllerStarted, holder=_few, token=st.integers(1, 9)),
    st.builds(ControllerStopped, holder=_few, reason=_text),
    st.builds(CommandRequested, command=_few, name=st.just("pause"), reason=_text),
    st.builds(CommandFinished, command=_few, done=st.booleans(), message=_text),
    st.builds(CommandWithdrawn, command=_few, reason=_text),
    st.builds(ProductPaused, reason=_text),
    st.builds(ReferenceFixed, version=_few, rows=st.integers(1, 9), through=st.integers(0, 9), digest=_text),
    st.builds(ProductResumed, reason=_text),
    _few.map(registered),
    _few.map(champion),
    st.builds(run_started, _few, st.sampled_from(["first", "manual", "drift", "notebook"])),
    st.builds(RunFinished, run=_few, outcome=st.just("done"), seconds=st.just(1.0)),
    st.builds(RunFailed, run=_few, step=st.none(), error=_text, message=_text),
    _few.map(release_started),
    st.builds(advanced, st.sampled_from(["shadow", "canary", "probation"]), st.just(0.5), _few),
    _few.map(released),
    st.builds(AlarmRaised, alarm=_few, signal=st.just("drift"), version=_few, decision=st.just(DECISION)),
    st.builds(AlarmCleared, alarm=_few, reason=_text),
    st.builds(IncidentOpened, incident=_few, alarm=_few, title=_text, cause=_text, remedy=_text),
    st.builds(IncidentClosed, incident=_few, resolution=_text),
    st.just(RetrainDecided(decision=DECISION)),
    _few.map(lambda run: RunLogged(run=run)),
]
_HISTORIES = st.lists(
    st.tuples(st.one_of(_BODIES), st.sampled_from(["flights", "taxis", None]), st.integers(-5, 400)), max_size=40
)


def written(drawn: list[tuple[Body, str | None, int]]) -> list[Event]:
    return [
        Event(sequence=number, at=hour(hours), product=product, run=None, actor="a", body=body, previous="", hash="")
        for number, (body, product, hours) in enumerate(drawn, 1)
    ]


@given(_HISTORIES, st.integers(0, 40))
def test_folding_in_parts_is_folding_at_once(drawn: list[tuple[Body, str | None, int]], cut: int) -> None:
    events = written(drawn)
    at_once = fold(EMPTY, events)

    assert fold(fold(EMPTY, events[:cut]), events[cut:]) == at_once
    assert fold(at_once, events) == at_once  # events that come twice count once
    assert at_once.sequence == len(events)
    assert WorkspaceState() == EMPTY


@given(_HISTORIES)
def test_the_state_hangs_together(drawn: list[tuple[Body, str | None, int]]) -> None:
    for name, product in fold(EMPTY, written(drawn)).products.items():
        assert product.name == name
        assert (product.champion is None) == (product.champion_since is None)
        assert product.run is None or (product.run.outcome is None and product.run.trigger != "notebook")
        assert product.last_run is None or product.last_run.outcome is not None
        assert all(key == version.version for key, version in product.versions.items())
        assert all(key == alarm.raised.alarm for key, alarm in product.alarms.items())


@given(_HISTORIES, st.lists(st.integers(0, 39)))
@settings(max_examples=40)
def test_a_view_that_looks_now_and_then_sees_what_one_fold_sees(
    drawn: list[tuple[Body, str | None, int]], looks: list[int]
) -> None:
    with Ledger("sqlite://") as ledger:
        fence = ledger.acquire("one", 60)
        view = StateView(ledger)
        for number, (body, product, hours) in enumerate(drawn):
            ledger.append(body, at=hour(hours), actor="a", product=product, fence=fence)
            if number in looks:
                assert view.refresh() == fold(EMPTY, ledger.events(STATE_KINDS))
        assert view.refresh() == fold(EMPTY, ledger.events(STATE_KINDS))
        before = view.refresh()
        assert view.refresh() is before


def test_a_view_reads_only_what_is_new() -> None:
    class Watched(Ledger):
        def news(self, kinds: Sequence[type[Body]], *, after: int) -> tuple[Link, list[Event]]:
            head, new = super().news(kinds, after=after)
            reads.append((after, len(new)))
            return head, new

    reads: list[tuple[int, int]] = []
    with Watched("sqlite://") as ledger:
        view = StateView(ledger)
        for runs in (1, 2):
            ledger.append(*[run_started(f"r{runs}")] * 3, at=NOON, actor="a", product="flights")
            view.refresh()
            view.refresh()
    assert reads == [(0, 3), (3, 0), (3, 3), (6, 0)]
