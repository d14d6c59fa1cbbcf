from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from windlass.controller.hangs import Hangs
from windlass.controller.incidents import Incidents
from windlass.controller.intake import STRANGERS, TITLE, Intake
from windlass.controller.pace import Pace
from windlass.controller.workers import Workers
from windlass.product.policy import Capture
from windlass.records.decision import Decision
from windlass.records.event import AlarmCleared, AlarmRaised, ChampionChanged, IncidentClosed, IncidentOpened
from windlass.release import director
from windlass.serving.supervisor import ServingEvent

from .conftest import NOON, POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]


class Ear:
    """Listens to what reaches the lake."""

    def __init__(self) -> None:
        self.predictions = 0
        self.outcomes = 0

    def take(self, name: str, predictions: pl.DataFrame, outcomes: pl.DataFrame) -> None:
        assert name == PRODUCT
        self.predictions += predictions.height
        self.outcomes += outcomes.height


def cause(title: str) -> dict[str, str]:
    return {"title": title, "cause": "something broke", "remedy": "mend it"}


# -- incidents -------------------------------------------------------------------------------------------------------


def test_a_cause_that_stays_is_told_once_and_closed_once(desk: Desk) -> None:
    incidents = Incidents(context=desk.context)
    assert incidents.open(PRODUCT, **cause("a"))
    assert not incidents.open(PRODUCT, **cause("a"))
    assert incidents.open(PRODUCT, **cause("b"))
    assert sorted(incidents.titles(PRODUCT)) == ["a", "b"]
    incidents.close(PRODUCT, title="a", resolution="mended")
    incidents.close(PRODUCT, title="a", resolution="mended")
    assert incidents.titles(PRODUCT) == ["b"]
    assert incidents.open(PRODUCT, **cause("a"))  # it came back: that is news
    assert (len(desk.bodies(IncidentOpened)), len(desk.bodies(IncidentClosed))) == (3, 1)


def test_another_controller_finds_what_is_open(desk: Desk) -> None:
    Incidents(context=desk.context).open(PRODUCT, **cause("a"))
    later = Incidents(context=desk.new_context())
    assert not later.open(PRODUCT, **cause("a"))
    later.close(PRODUCT, title="a", resolution="mended")
    assert desk.state.incidents == {}


def test_an_alarm_and_its_incident_are_one_write_and_end_in_one(desk: Desk) -> None:
    incidents = Incidents(context=desk.context)
    decision = Decision(judgement="drift", verdict="alarm", reasons=("x has shifted.",), numbers={}, at=NOON)
    raised = AlarmRaised(alarm="alarm-1", signal="drift", version="v1", decision=decision)
    incidents.open(PRODUCT, **cause("drift of v1"), alarm="alarm-1", also=(raised,))
    kinds = [event.kind for event in desk.ledger.events((AlarmRaised, IncidentOpened))]
    assert kinds == ["alarm.raised", "incident.opened"]
    incidents.clear(PRODUCT, "alarm-1", reason="it is over")
    kinds = [event.kind for event in desk.ledger.events((AlarmCleared, IncidentClosed))]
    assert kinds == ["alarm.cleared", "incident.closed"]
    assert (desk.state.alarms, desk.state.incidents) == ({}, {})


# -- intake ----------------------------------------------------------------------------------------------------------


def test_everything_captured_reaches_the_lake_and_every_listener_once(desk: Desk) -> None:
    ears = Ear(), Ear()
    intake = Intake(context=desk.context, incidents=Incidents(context=desk.context), listeners=ears)
    ids = desk.answer(5)
    desk.observe(ids[:2], [True, False])
    intake.take(PRODUCT)
    desk.answer(3)
    intake.drain(PRODUCT)
    intake.take(PRODUCT)
    assert [(ear.predictions, ear.outcomes) for ear in ears] == [(8, 2), (8, 2)]
    assert desk.lake.predictions(PRODUCT).height == 8
    assert desk.state.incidents == {}


def test_drain_takes_all_there_is_however_much_fits_into_one_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, ear = desk.context.lake, Ear()
    whole = lake.commit_segments
    monkeypatch.setattr(lake, "commit_segments", lambda *given: whole(*given, limit_bytes=1))
    intake = Intake(context=desk.context, incidents=Incidents(context=desk.context), listeners=[ear])
    for _ in range(3):
        desk.answer(2)
        desk._writer.close()
    assert intake.take(PRODUCT)
    assert ear.predictions == 2
    intake.drain(PRODUCT)
    assert ear.predictions == 6


def test_damage_is_an_incident_until_somebody_has_looked(desk: Desk) -> None:
    intake = Intake(context=desk.context, incidents=Incidents(context=desk.context), listeners=[])
    desk.answer(4)
    desk.answer(4)
    damaged = desk.damage_segment()
    for _ in range(3):
        intake.take(PRODUCT)
    (opened,) = desk.bodies(IncidentOpened)
    assert (opened.title, damaged.name in opened.cause) == (TITLE, True)
    assert "*.corrupt" in opened.remedy
    assert [incident.opened.title for incident in desk.state.incidents.values()] == [TITLE]
    (aside,) = desk.paths.segments(PRODUCT).rglob("*.corrupt")
    aside.unlink()
    intake.take(PRODUCT)
    assert desk.state.incidents == {}


# -- workers ---------------------------------------------------------------------------------------------------------


def routed(desk: Desk, stage: str = "shadow") -> Workers:
    """v1 answers and v2 is in its first stage."""
    for name in ("v1", "v2"):
        desk.register(name)
        version = desk.state.versions[name]
        desk.write(
            *director.begin(
                desk.state, version, policies=POLICIES, release=f"release of {name}", now=NOON, reason="test"
            )
        )
    assert director.active_release(desk.state).stage == stage
    return listening(desk)


def listening(desk: Desk) -> Workers:
    incidents = Incidents(context=desk.context)
    hangs = Hangs(context=desk.context, incidents=incidents)
    return Workers(context=desk.context, incidents=incidents, hangs=hangs, turned_away=lambda _name, _count: None)


def say(workers: Workers, kind: Any, worker: str = "w0", detail: str = "") -> None:
    workers.hear(ServingEvent(kind=kind, worker=worker, product=PRODUCT, detail=detail))
    workers.note()


def holds(workers: Workers, worker: str, megabytes: float) -> None:
    workers.hear(ServingEvent(kind="memory", worker=worker, detail=str(megabytes)))
    workers.note()


def test_a_version_that_a_worker_refuses_is_an_incident_until_it_is_served(desk: Desk) -> None:
    workers = routed(desk)
    assert workers.refused(PRODUCT, "v2") is None
    for worker in ("w0", "w1"):
        say(workers, "refused", worker, "version v2 cannot be loaded: no module named x")
    assert workers.refused(PRODUCT, "v2") == "version v2 cannot be loaded: no module named x"
    assert workers.refused(PRODUCT, "v1") is None
    (opened,) = desk.bodies(IncidentOpened)
    assert opened.title == "v2 cannot be loaded for serving"
    assert not workers.serves(PRODUCT, "v2")
    say(workers, "serving", "w0", "v1 as champion, v2 as shadow")
    assert workers.serves(PRODUCT, "v2")
    assert workers.refused(PRODUCT, "v2") is not None  # the other one still does not
    assert desk.state.incidents
    say(workers, "serving", "w1", "v1 as champion, v2 as shadow")
    assert workers.refused(PRODUCT, "v2") is None
    assert desk.state.incidents == {}
    for worker in ("w0", "w1"):
        say(workers, "died", worker, "killed by signal 9")
    assert not workers.serves(PRODUCT, "v2")


def test_a_version_that_is_asked_no_more_is_forgiven(desk: Desk) -> None:
    workers = routed(desk)
    say(workers, "refused", "w0", "version v2 cannot be loaded: no module named x")
    workers.forgive(PRODUCT)
    assert desk.state.incidents
    desk.write(*director.call_off(desk.state, now=NOON, reason="test"))
    workers.forgive(PRODUCT)
    assert desk.state.incidents == {}
    assert workers.refused(PRODUCT, "v2") is None


def test_a_worker_that_dies_is_told_until_it_answers_again(desk: Desk) -> None:
    workers = routed(desk)
    say(workers, "refused", "w0", "version v2 cannot be loaded: no module named x")
    workers.hear(ServingEvent(kind="died", worker="w0", detail="worker w0 was killed by signal 9"))
    workers.note()
    assert workers.refused(PRODUCT, "v2") is None  # what a dead process refused says nothing of the next one
    titles = Incidents(context=desk.context).titles(PRODUCT)
    assert "serving worker w0 died" in titles
    workers.hear(ServingEvent(kind="ready", worker="w0"))
    workers.note()
    assert "serving worker w0 died" not in Incidents(context=desk.context).titles(PRODUCT)


def test_workers_that_crash_withdraw_what_is_being_released(desk: Desk) -> None:
    """A fault in native code takes the champion's process with it, so the release must not wait for its deadline."""
    workers = routed(desk)
    for number in range(3):
        workers.hear(ServingEvent(kind="died", worker="w0", detail=f"worker w0 was killed by signal 9 ({number})"))
    workers.note()
    assert workers.refused(PRODUCT, "v2") is None, "somebody who kills workers says nothing of the version"
    workers.hear(ServingEvent(kind="died", worker="w0", detail="worker w0 was killed by signal 11", crashed=True))
    workers.note()
    assert workers.refused(PRODUCT, "v2") is None, "once may be chance"
    workers.hear(ServingEvent(kind="died", worker="w1", detail="worker w1 was killed by signal 11", crashed=True))
    workers.note()
    assert "2 serving processes have crashed" in str(workers.refused(PRODUCT, "v2"))
    assert workers.refused(PRODUCT, "v1") is None
    desk.write(*director.call_off(desk.state, now=NOON, reason="test"))
    workers.forgive(PRODUCT)
    assert workers.refused(PRODUCT, "v2") is None


def test_crashes_count_as_far_as_they_are_more_than_there_were_without_a_release(desk: Desk) -> None:
    died = ServingEvent(kind="died", worker="w0", detail="worker w0 was killed by signal 11", crashed=True)

    def crashes(workers: Workers, count: int, *, every: timedelta) -> None:
        for _ in range(count):
            desk.clock.advance(every)
            workers.hear(died)
            workers.note()

    workers = routed(desk)
    crashes(workers, 2, every=timedelta(hours=2))
    assert workers.refused(PRODUCT, "v2") is None, "two in a day may be the machine's"
    crashes(workers, 2, every=timedelta(minutes=10))
    assert "4 serving processes have crashed since" in str(workers.refused(PRODUCT, "v2"))
    desk.write(*director.call_off(desk.state, now=desk.clock.now(), reason="test"))
    workers.forgive(PRODUCT)
    crashes(workers, 30, every=timedelta(minutes=10))
    desk.register("v3")
    version, now = desk.state.versions["v3"], desk.clock.now()
    desk.write(*director.begin(desk.state, version, policies=POLICIES, release="third", now=now, reason="test"))
    crashes(workers, 8, every=timedelta(minutes=10))
    assert workers.refused(PRODUCT, "v3") is None, "they are no more than before"
    crashes(workers, 8, every=timedelta(seconds=10))
    assert "as crashed without it" in str(workers.refused(PRODUCT, "v3"))


def crash(workers: Workers, version: str) -> None:
    say(workers, "crashed", detail=f"version {version} in shadow: its process was killed by signal 11")


def test_a_challenger_in_shadow_that_crashes_is_withdrawn_and_nobody_else(desk: Desk) -> None:
    workers = routed(desk)
    for _ in range(2):
        assert workers.refused(PRODUCT, "v2") is None
        crash(workers, "v1")
        crash(workers, "v2")
    assert "version v2 in shadow" in str(workers.refused(PRODUCT, "v2"))
    assert desk.bodies(IncidentOpened) == [], "nobody was left without an answer"


def test_the_memory_of_a_shadow_is_told_from_that_of_its_worker(desk: Desk) -> None:
    workers = routed(desk)
    for number in range(100):
        holds(workers, "w0", 400)
        say(workers, "memory", "w0", f"{200 + 10 * number}.0")
    assert str(workers.refused(PRODUCT, "v2")).endswith("(worker w0's shadow)")


def test_an_address_that_nobody_answers_on_is_an_incident_until_somebody_does(desk: Desk) -> None:
    workers = listening(desk)
    unheard = ServingEvent(kind="unheard", worker="", detail="http://here:8080")
    workers.hear(unheard)
    workers.note()
    assert desk.bodies(IncidentOpened) == []  # nothing is served yet
    desk.register("v1")
    desk.write(ChampionChanged(version="v1", digest="d", previous=None, release=None, reason="test"))
    for _ in range(2):
        workers.hear(unheard)
        workers.note()
    (opened,) = desk.bodies(IncidentOpened)
    assert "http://here:8080" in opened.cause
    workers.hear(ServingEvent(kind="heard", worker="", detail="http://here:8080"))
    workers.note()
    assert desk.state.incidents == {}


# -- pace ------------------------------------------------------------------------------------------------------------


def test_what_took_long_is_due_later() -> None:
    now = 0.0
    pace = Pace(lambda: now, lambda: NOON, lambda: now)
    assert pace.due("p")
    with pace.spend("p"):
        now += 2
    assert not pace.due("p")
    assert pace.due("another")
    now += 39.9
    assert not pace.due("p")
    now += 0.2
    assert pace.due("p")


def test_on_a_busy_machine_what_waited_for_a_processor_is_due_no_later_than_it_leaves_time_to_the_rest() -> None:
    now = worked = 0.0
    pace = Pace(lambda: now, lambda: NOON, lambda: worked)
    with pace.spend("p"):
        now, worked = 2.0, 0.1
    now += 3.9
    assert not pace.due("p")
    now += 0.2
    assert pace.due("p")


def test_under_a_clock_that_runs_ahead_it_is_due_sooner() -> None:
    now, noon = 0.0, NOON
    pace = Pace(lambda: now, lambda: noon, lambda: now)
    with pace.spend("p"):
        now += 2
    noon += timedelta(minutes=59)
    now += 39.9
    assert not pace.due("p")
    with pace.spend("p"):
        now += 2
    noon += timedelta(hours=1)
    now += 3.9
    assert not pace.due("p")
    now += 0.2
    assert pace.due("p")


def test_about_something_else_it_is_due_at_once() -> None:
    now = 0.0
    pace = Pace(lambda: now, lambda: NOON, lambda: now)
    with pace.spend("p", of="shadow"):
        now += 2
    assert (pace.due("p", of="shadow"), pace.due("p", of="canary")) == (False, True)


def test_what_failed_is_not_repeated_any_sooner() -> None:
    now = 0.0
    pace = Pace(lambda: now, lambda: NOON, lambda: now)
    with pytest.raises(OSError, match="disk"), pace.spend("p"):  # noqa: PT012
        now += 1
        raise OSError("disk")
    assert not pace.due("p")


def test_where_only_a_sample_is_captured_unknown_ids_say_nothing(desk: Desk) -> None:
    desk.declare(dataclasses.replace(POLICIES, capture=Capture(sample=0.1)))
    desk.register("v1")
    intake = Intake(context=desk.context, incidents=Incidents(context=desk.context), listeners=())
    desk.observe(["nobody"], True)
    intake.drain(PRODUCT)
    assert desk.bodies(IncidentOpened) == []
    assert desk.context.lake.outcomes(PRODUCT).height == 1


def test_a_hundred_thousand_outcomes_of_unknown_predictions_are_told_once(desk: Desk) -> None:
    desk.register("v1")
    known = desk.answer(10)
    intake = Intake(context=desk.context, incidents=Incidents(context=desk.context), listeners=())
    for number in range(10):
        desk.observe([f"nobody-{number}-{each}" for each in range(10_000)], True)
    for _ in range(3):
        intake.drain(PRODUCT)
    (opened,) = desk.bodies(IncidentOpened)
    assert opened.title == STRANGERS
    assert opened.cause.startswith("100,000 of 100,000 outcomes")
    assert desk.context.lake.outcomes(PRODUCT).height == 100_000
    desk.observe([*known, "nobody"], True)
    intake.drain(PRODUCT)
    assert len(desk.bodies(IncidentOpened)) == 1
    desk.observe(known, False)
    intake.drain(PRODUCT)
    assert len(desk.bodies(IncidentClosed)) == 1
    labelled = desk.context.lake.labelled(PRODUCT, outcome=POLICIES.outcome, as_of=desk.clock.now())
    assert labelled["value"].to_list() == ["false"] * 10


def test_a_version_whose_workers_memory_grows_without_end_is_withdrawn(desk: Desk) -> None:
    workers = routed(desk)
    for number in range(60):
        holds(workers, "w0", 400)
        holds(workers, "w1", 400 + 10 * number)
    told = workers.refused(PRODUCT, "v2")
    assert told is not None
    assert told.startswith("since it is in shadow, memory grows without end: 440 MB")
    assert "(worker w1)" in told
    assert workers.refused(PRODUCT, "v1") is None
    workers.hear(ServingEvent(kind="died", worker="w1", detail="worker w1 was killed by signal 9"))
    workers.note()
    assert workers.refused(PRODUCT, "v2") is None  # the next process begins anew


def test_readings_of_a_long_stage_are_thinned_and_say_the_same(desk: Desk) -> None:
    workers = routed(desk)
    for number in range(3000):
        holds(workers, "w0", 400 + number / 4)
    assert "memory grows without end" in str(workers.refused(PRODUCT, "v2"))
    (held,) = workers._memory.values()
    assert len(held["w0"]) <= 1000
