"""Which events may go, and that nothing is missed when they have gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.ledger.chain import to_text
from windlass.ledger.projection import EMPTY, STATE_KINDS, fold
from windlass.ledger.retention import Entry, Kept, kept_for, needed_versions, prunable
from windlass.records import event as events
from windlass.records.data import DataPin
from windlass.records.decision import Decision
from windlass.records.event import Body, Event

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
DECISION = Decision(judgement="retrain", verdict="wait", reasons=("Quiet.",), numbers={}, at=NOON)
PIN = DataPin(
    product="flights", upto={}, as_of=NOON, start=None, time=None, key=None, within=0.0, absent=None, rows=0, digest=""
)
LATER = NOON + timedelta(days=1000)
NOTHING = Kept(before=LATER, runs=frozenset())


def event(sequence: int, body: Body, *, product: str | None = "flights", hours: float | None = None) -> Event:
    at = NOON + timedelta(hours=sequence if hours is None else hours)
    run = getattr(body, "run", None)
    return Event(
        sequence=sequence, at=at, product=product, run=run, actor="controller", body=body, previous="", hash=""
    )


def happened(*bodies: Body) -> list[Event]:
    """After the product was declared by event 1; one an hour."""
    declared = events.ProductDeclared(entry="m:P", source="s", task={}, policies={}, trains=True)
    return [event(number, body) for number, body in enumerate((declared, *bodies), 1)]


def entries(story: Sequence[Event]) -> list[Entry]:
    return [Entry(one.sequence, to_text(one.at), one.kind, one.product, one.body.subject, one.run) for one in story]


def gone(story: Sequence[Event], kept: Kept = NOTHING, *, upto: int = 10**6) -> list[str]:
    """The kinds of what may go, in order."""
    sequences = prunable(entries(story), kept, upto=upto)
    return [one.kind for one in story if one.sequence in sequences]


def started(run: str, resumes: str | None = None) -> Body:
    return events.RunStarted(run=run, trigger="schedule", reason="", resumes=resumes)


def finished(run: str, version: str | None = None) -> Body:
    return events.RunFinished(run=run, outcome="registered" if version else "rejected", version=version, seconds=1.0)


def a_run(run: str) -> list[Body]:
    """All that a run writes between its beginning and its end."""
    return [
        events.StepStarted(run=run, step="extract", key=f"{run}-e"),
        events.DataExtracted(run=run, ingested=()),
        events.StepFinished(run=run, step="extract", key=f"{run}-e", seconds=1.0, outputs={}),
        events.DataPinned(run=run, pin=PIN),
        events.RunLogged(run=run, metrics={"auc": 0.5}),
        events.StepFailed(run=run, step="train", key=f"{run}-t", error="E", message="m"),
        events.GateDecided(run=run, against=None, decision=DECISION),
    ]


def registered(version: str, run: str | None) -> Body:
    return events.VersionRegistered(version=version, digest=f"d-{version}", run=run, metrics={})


def champion(version: str, previous: str | None = None) -> Body:
    return events.ChampionChanged(version=version, digest=f"d-{version}", previous=previous, release=None, reason="")


# -- by example --------------------------------------------------------------------------------------------------


def test_of_a_run_that_is_not_kept_its_beginning_and_end_stay() -> None:
    story = happened(
        started("r1"), *a_run("r1"), finished("r1"), started("r2"), *a_run("r2"), finished("r2", "v1"), champion("v1")
    )
    kept = Kept(before=LATER, runs=frozenset({"r2"}))
    assert gone(story, kept) == [body.kind() for body in a_run("r1")]


def test_the_last_run_that_extracted_stays_even_if_it_made_no_version() -> None:
    """The next one asks for what came after it, and whether its times had a zone."""
    story = happened(started("r1"), *a_run("r1"), finished("r1"), champion("v1"))
    assert gone(story) == []


def test_what_is_young_or_not_signed_stays() -> None:
    story = happened(started("r1"), *a_run("r1"), finished("r1"), *a_run("r2"), champion("v1"))
    every = gone(story)
    assert len(every) == len(a_run("r1"))
    half = Kept(before=NOON + timedelta(hours=6), runs=frozenset())
    assert gone(story, half) == every[:3]
    assert gone(story, upto=5) == every[:3]


def test_settled_alarms_and_incidents_go_when_all_of_them_is_old() -> None:
    def raised(alarm: str) -> Body:
        return events.AlarmRaised(alarm=alarm, signal="drift", version=None, decision=DECISION)

    def opened(incident: str) -> Body:
        return events.IncidentOpened(incident=incident, alarm=None, title="", cause="", remedy="")

    story = happened(
        raised("a1"),
        opened("i1"),
        raised("a2"),
        opened("i2"),
        events.AlarmCleared(alarm="a1", reason=""),
        events.IncidentClosed(incident="i1", resolution=""),
        raised("a3"),
        events.AlarmCleared(alarm="a3", reason=""),
        champion("v1"),
    )
    assert gone(story) == [
        "alarm.raised",
        "incident.opened",
        "alarm.cleared",
        "incident.closed",
        "alarm.raised",
        "alarm.cleared",
    ]
    young_end = Kept(before=NOON + timedelta(hours=9), runs=frozenset())  # a3 was raised before, and cleared after
    assert gone(story, young_end) == ["alarm.raised", "incident.opened", "alarm.cleared", "incident.closed"]


def test_controllers_of_the_past_go() -> None:
    story = happened(
        events.ControllerStarted(holder="one", token=1),
        events.ControllerStopped(holder="one", reason=""),
        events.ControllerStarted(holder="two", token=2),
        events.ControllerStopped(holder="two", reason=""),
        champion("v1"),
    )
    assert prunable(entries(story), NOTHING, upto=100) == [2, 3]


def test_a_decision_on_retraining_stays_with_the_run_that_it_led_to() -> None:
    def decided(run: str | None) -> Body:
        return events.RetrainDecided(decision=DECISION, run=run)

    story = happened(decided(None), decided("r1"), decided("r2"), decided(None), decided(None), champion("v1"))
    assert prunable(entries(story), Kept(before=LATER, runs=frozenset({"r2"})), upto=100) == [2, 3, 5]


def test_the_last_event_of_the_state_stays_so_that_no_routing_falls_back() -> None:
    story = happened(
        events.AlarmRaised(alarm="a1", signal="drift", version=None, decision=DECISION),
        events.AlarmCleared(alarm="a1", reason=""),
        events.RunLogged(run="r1"),
    )
    assert prunable(entries(story), NOTHING, upto=100) == [2, 4]


def test_a_pruning_is_no_reason_for_the_next() -> None:
    pruned = events.LedgerPruned(before=NOON, removed=1, gaps=1, digest="", checkpoints_from=1, checkpoints_before=())
    decided = events.RetrainDecided(decision=DECISION)
    assert gone(happened(pruned, pruned, decided, champion("v1"))) == []
    assert gone(happened(pruned, pruned, decided, decided, champion("v1"))) == ["ledger.pruned", "retrain.decided"]


def test_what_names_a_product_first_stays_with_all_that_it_began() -> None:
    raised = events.AlarmRaised(alarm="a1", signal="drift", version=None, decision=DECISION)
    cleared = events.AlarmCleared(alarm="a1", reason="")
    story = [event(1, raised, product="taxis"), event(2, cleared, product="taxis"), event(3, champion("v1"))]
    assert gone(story) == []


def test_what_is_the_history_of_production_never_goes() -> None:
    """Nor does a kind that somebody adds, until it is thought of."""
    told = [*events.ALL, *events.ALL, events.DataExtracted, events.ChampionChanged]
    runs = ["r1"] * (len(told) - 2) + ["r2", None]
    story = [
        Entry(number, to_text(NOON), kind.kind(), "flights", "it", run)
        for number, (kind, run) in enumerate(zip(told, runs, strict=True), 1)
    ]
    going = prunable(story, NOTHING, upto=10**6)
    assert {entry.kind for entry in story if entry.sequence in going} == {
        "controller.started", "controller.stopped", "ledger.pruned", "run.logged", "step.started", "step.finished",
        "step.failed", "data.extracted", "data.pinned", "gate.decided", "alarm.raised", "alarm.cleared",
        "retrain.decided", "recourse.decided", "incident.opened", "incident.closed", "workspace.cleaned",
    }  # fmt: skip


def test_the_loop_needs_those_that_answer_may_answer_and_answered_before() -> None:
    story = happened(
        registered("v1", "r1"), champion("v1"),
        registered("v2", "r2"), champion("v2", "v1"),
        registered("v3", "r3"), champion("v3", "v2"),
        registered("v4", "r4"),
        events.ReleaseStarted(release="x", version="v4", previous="v3", run="r4", plan={}),
        registered("v5", "r5"),
        started("r6"), finished("r6"),
        started("r7", resumes="r6"),
    )  # fmt: skip
    state = fold(EMPTY, story)
    assert needed_versions(state.products["flights"]) == {"v2", "v3", "v4", "v5"}
    assert kept_for(state, {}, before=LATER).runs == {"r2", "r3", "r4", "r5", "r6", "r7"}
    assert kept_for(state, {"flights": ["v1", "v9"], "taxis": ["v1"]}, before=LATER).runs >= {"r1", "r2"}


# -- whatever happened -------------------------------------------------------------------------------------------

_names = st.sampled_from(["a", "b", "c"])
_run = _names.map(lambda name: f"run-{name}")
_text = st.just("")
_decision = st.just(DECISION)
_bodies = st.one_of(
    st.builds(events.ControllerStarted, holder=_names, token=st.integers(1, 3)),
    st.builds(events.ControllerStopped, holder=_names, reason=_text),
    st.builds(events.CommandRequested, command=_names, name=st.just("pause"), reason=_text),
    st.builds(events.CommandFinished, command=_names, done=st.booleans(), message=_text),
    st.builds(events.ProductPaused, reason=_text),
    st.builds(events.ProductResumed, reason=_text),
    st.builds(
        events.RunStarted,
        run=_run,
        trigger=st.sampled_from(["schedule", "notebook"]),
        reason=_text,
        resumes=st.one_of(st.none(), _run),
    ),
    st.builds(events.RunFinished, run=_run, outcome=st.sampled_from(["registered", "rejected"]), seconds=st.just(1.0)),
    st.builds(events.RunFailed, run=_run, step=st.none(), error=_text, message=_text),
    st.builds(events.RunLogged, run=_run),
    st.builds(events.StepStarted, run=_run, step=_names, key=_names),
    st.builds(events.StepFinished, run=_run, step=_names, key=_names, seconds=st.just(1.0), outputs=st.just({})),
    st.builds(events.DataExtracted, run=_run, ingested=st.just(())),
    st.builds(events.GateDecided, run=_run, against=st.none(), decision=_decision),
    st.builds(events.RetrainDecided, decision=_decision, run=st.one_of(st.none(), _run)),
    st.builds(events.VersionRegistered, version=_names, digest=_names, run=_run, metrics=st.just({})),
    st.builds(
        events.ReleaseStarted, release=_names, version=_names, previous=st.one_of(st.none(), _names), run=_run,
        plan=st.just({}),
    ),
    st.builds(
        events.ReleaseFinished, release=_names, version=_names, decision=_decision,
        outcome=st.sampled_from(["promoted", "rolled_back", "abandoned"]),
    ),
    st.builds(
        events.ChampionChanged, version=_names, digest=_names, previous=st.none(), release=st.none(), reason=_text
    ),
    st.builds(
        events.AlarmRaised, alarm=_names, signal=st.just("drift"), version=st.none(), decision=_decision
    ),
    st.builds(events.AlarmCleared, alarm=_names, reason=_text),
    st.builds(
        events.IncidentOpened, incident=_names, alarm=st.none(), title=_names, cause=_text, remedy=_text
    ),
    st.builds(events.IncidentClosed, incident=_names, resolution=_text),
)  # fmt: skip
_hours = st.one_of(st.none(), st.integers(-5, 60))  # None: in order; else a clock that jumps
_told = st.tuples(_bodies, st.sampled_from(["flights", "taxis", None]), _hours)


def state_of(story: Sequence[Event]) -> object:
    return fold(EMPTY, [one for one in story if type(one.body) in STATE_KINDS])


@given(
    told=st.lists(_told, max_size=40),
    runs=st.frozensets(_run),
    hours=st.integers(-6, 70),
    upto=st.integers(0, 45),
)
@settings(max_examples=400)
def test_the_state_is_what_it_was(
    told: list[tuple[Body, str | None, float | None]], runs: frozenset[str], hours: int, upto: int
) -> None:
    story = [event(number, body, product=product, hours=at) for number, (body, product, at) in enumerate(told, 1)]
    kept = Kept(before=NOON + timedelta(hours=hours), runs=runs)

    sequences = prunable(entries(story), kept, upto=upto)

    rest = [one for one in story if one.sequence not in sequences]
    removed = [one for one in story if one.sequence in sequences]
    assert state_of(rest) == state_of(story)
    assert sequences == sorted(set(sequences))
    assert all(one.at < kept.before and one.sequence <= upto and one.run not in runs for one in removed)
    assert prunable(entries(rest), kept, upto=upto) == []


@given(told=st.lists(_told, max_size=40))
@settings(max_examples=200)
def test_what_is_kept_for_the_loop_keeps_the_whole_story_of_its_versions(
    told: list[tuple[Body, str | None, float | None]],
) -> None:
    story = [event(number, body, product=product) for number, (body, product, _) in enumerate(told, 1)]
    state = fold(EMPTY, story)
    kept = kept_for(state, {}, before=LATER)

    removed = prunable(entries(story), kept, upto=10**6)

    needed = {
        product.versions[name].run
        for product in state.products.values()
        for name in needed_versions(product)
        if name in product.versions
    }
    assert not [one for one in story if one.sequence in removed and one.run in needed]
