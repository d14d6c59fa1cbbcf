"""The champion's files are damaged: who answers, and what is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from windlass.controller.controller import Controller
from windlass.controller.incidents import Incidents
from windlass.controller.rescue import Rescue
from windlass.errors import EngineError
from windlass.product.policy import Release
from windlass.records.event import (
    ChampionChanged,
    IncidentClosed,
    IncidentOpened,
    ReleaseApproved,
    ReleaseFinished,
    ReleaseStarted,
)
from windlass.release import director
from windlass.serving.supervisor import ServingEvent

from .conftest import NOON, POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]


@pytest.fixture
def refused() -> dict[str, str]:
    """Version -> why no worker can load it."""
    return {}


@pytest.fixture
def seconds() -> list[float]:
    """Of real time that have passed."""
    return [0.0]


@pytest.fixture
def serving() -> set[str]:
    """What workers have loaded."""
    return {"v1", "v2", "v3", "v4"}


@pytest.fixture
def rescue(desk: Desk, refused: dict[str, str], serving: set[str], seconds: list[float]) -> Rescue:
    """Of a controller that has just begun, after v1, v2 and v3 answered one after the other."""
    desk.context.real_time = lambda: seconds[0]
    for name in ("v1", "v2", "v3"):
        desk.register(name)
        promote(desk, name)
    return Rescue(
        context=desk.context,
        incidents=Incidents(context=desk.context),
        refused=lambda _, version: refused.get(version),
        serves=lambda _, version: version in serving,
        engine=desk.engine,
    )


def promote(desk: Desk, name: str, *, probation: bool = False) -> None:
    chosen = desk.state.versions[name]
    bodies = director.install(
        desk.state, chosen, policies=POLICIES, release=f"r {name}", now=NOON, reason="test", probation=probation
    )
    desk.write(*bodies)


def damage(desk: Desk, version: str) -> tuple[Path, bytes]:
    """The file that was changed, and what was in it."""
    bundle = desk.paths.bundle(PRODUCT, desk.state.versions[version].digest)
    file = next(path for path in sorted(bundle.iterdir()) if path.name.startswith("model"))
    whole = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    return file, whole


def champion(desk: Desk) -> str:
    assert desk.state.champion is not None
    return str(desk.state.champion.version)


def test_while_workers_answer_with_it_damage_is_told_once_and_nobody_is_exchanged(desk: Desk, rescue: Rescue) -> None:
    file, whole = damage(desk, "v3")
    rescue.step(PRODUCT)
    rescue.step(PRODUCT)
    (opened,) = desk.bodies(IncidentOpened)
    assert (opened.title, champion(desk)) == ("damaged bundle of champion v3", "v3")
    assert opened.cause == f"the file was changed (at {file})"
    assert "workers that have it in memory go on answering" in opened.remedy
    file.write_bytes(whole)
    rescue.step(PRODUCT)
    (closed,) = desk.bodies(IncidentClosed)
    assert "whole again" in closed.resolution


def test_once_a_worker_cannot_load_it_the_last_whole_champion_answers(
    desk: Desk, rescue: Rescue, refused: dict[str, str]
) -> None:
    damage(desk, "v2")
    rescue.step(PRODUCT)
    assert not desk.bodies(IncidentOpened)  # nobody is to answer with that one
    damage(desk, "v3")
    refused["v3"] = "version v3 cannot be loaded: the file was changed"
    rescue.step(PRODUCT)
    assert champion(desk) == "v1"
    assert "workers cannot load v3: the file was changed" in desk.bodies(ChampionChanged)[-1].reason
    (opened,) = desk.bodies(IncidentOpened)
    assert "v1, the champion before, answers in its place" in opened.remedy
    assert opened.remedy.endswith("then `windlass promote v3`")
    rescue.step(PRODUCT)
    assert not desk.bodies(IncidentClosed)  # until somebody has done something about it
    desk.register("v4")
    promote(desk, "v4")
    rescue.step(PRODUCT)
    (closed,) = desk.bodies(IncidentClosed)
    assert closed.resolution == "v4 has come since, and answers"


def test_what_was_told_while_it_still_answered_is_told_anew_once_it_does_not(
    desk: Desk, rescue: Rescue, refused: dict[str, str]
) -> None:
    damage(desk, "v3")
    rescue.step(PRODUCT)
    refused["v3"] = "version v3 cannot be loaded: the file was changed"
    rescue.step(PRODUCT)
    first, second = desk.bodies(IncidentOpened)
    assert [body.incident for body in desk.bodies(IncidentClosed)] == [first.incident]
    assert first.title == second.title
    assert "v2, the champion before, answers in its place" in second.remedy


def test_one_that_is_refused_in_its_probation_is_put_aside_for_its_files_and_not_withdrawn_without_a_word_of_them(
    desk: Desk,
) -> None:
    acting = Controller(context=desk.context, engine=desk.engine, entries={})
    acting.start()
    for name, probation in (("v1", False), ("v2", True)):
        desk.register(name)
        promote(desk, name, probation=probation)
    damage(desk, "v2")
    acting.tick()
    assert (champion(desk), desk.state.release.stage) == ("v2", "probation")
    told = "version v2 cannot be loaded: the file was changed"
    acting.hear(ServingEvent(kind="refused", worker="w0", product=PRODUCT, detail=told))
    acting.tick()
    assert champion(desk) == "v1"
    (opened,) = [each.opened for each in desk.state.incidents.values() if "damaged" in each.opened.title]
    assert "v1, the champion before, answers in its place" in opened.remedy


def test_what_a_worker_refuses_is_looked_at_at_once_however_long_the_look_before_it_took(
    desk: Desk, rescue: Rescue, refused: dict[str, str], seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(desk, "v3")
    verify = desk.context.registry.verify

    def slow(*given: str) -> None:
        seconds[0] += 60.0
        verify(*given)

    monkeypatch.setattr(desk.context.registry, "verify", slow)
    rescue.step(PRODUCT)
    rescue.step(PRODUCT)
    assert seconds == [60.0]  # not due yet
    refused["v3"] = "version v3 cannot be loaded: the file was changed"
    rescue.step(PRODUCT)
    assert champion(desk) == "v2"


def asked(desk: Desk) -> list[list[str]]:
    """The versions that fresh processes were asked to load, one list for each trial, in their order."""
    return [[request.version for _, request in engine.submitted] for engine in desk.engine.others]


def test_what_a_process_that_has_just_begun_can_load_stays_though_a_worker_could_not(
    desk: Desk, rescue: Rescue, refused: dict[str, str], seconds: list[float]
) -> None:
    refused["v3"] = "version v3 cannot be loaded: MemoryError"
    rescue.step(PRODUCT)
    assert asked(desk) == [["v3"]]
    assert len(rescue.jobs) == 1
    rescue.step(PRODUCT)
    desk.engine.others[0].finish()
    rescue.step(PRODUCT)
    rescue.step(PRODUCT)
    assert (champion(desk), desk.bodies(IncidentOpened), rescue.jobs) == ("v3", [], ())
    assert (asked(desk), desk.engine.others[0].closed) == ([["v3"]], 1)
    seconds[0] += 60  # it is still refused: what was found then may not be so any more
    rescue.step(PRODUCT)
    assert asked(desk) == [["v3"], ["v3"]]


def test_the_last_champion_that_can_be_loaded_answers_in_place_of_one_that_nobody_can_load(
    desk: Desk, rescue: Rescue, refused: dict[str, str]
) -> None:
    refused["v3"] = "version v3 cannot be loaded: no module named x"
    rescue.step(PRODUCT)
    (engine,) = desk.engine.others
    for version in ("v3", "v2"):
        assert champion(desk) == "v3"
        engine.fail(EngineError(f"{version} wants x", where="line 3"))
        rescue.step(PRODUCT)
    engine.finish()
    rescue.step(PRODUCT)
    assert (asked(desk), engine.closed) == ([["v3", "v2", "v1"]], 3)
    assert champion(desk) == "v1"
    assert desk.bodies(ChampionChanged)[-1].reason == "workers cannot load v3: v3 wants x (at line 3)"
    (opened,) = desk.bodies(IncidentOpened)
    assert (opened.title, opened.cause) == ("nothing loads champion v3", "v3 wants x (at line 3)")
    assert opened.remedy.startswith("v1, the champion before, answers in its place; ")
    rescue.step(PRODUCT)
    assert not desk.bodies(IncidentClosed)  # until somebody has done something about it
    refused.clear()
    promote(desk, "v3")
    rescue.step(PRODUCT)
    (closed,) = desk.bodies(IncidentClosed)
    assert closed.resolution == "v3 is served"


def test_where_no_version_can_be_loaded_nobody_is_exchanged_and_it_is_told_once(
    desk: Desk, rescue: Rescue, refused: dict[str, str], seconds: list[float]
) -> None:
    refused["v3"] = "version v3 cannot be loaded: no module named x"
    for trial in range(2):
        rescue.step(PRODUCT)
        for _ in ("v3", "v2", "v1"):
            desk.engine.others[trial].fail(EngineError("no module named x"))
            rescue.step(PRODUCT)
        seconds[0] += 60
    assert (champion(desk), asked(desk)) == ("v3", [["v3", "v2", "v1"]] * 2)
    (opened,) = desk.bodies(IncidentOpened)
    assert opened.cause == "no module named x; none of the 2 before it can be loaded either"
    assert "see what changed of Python and its libraries" in opened.remedy


def begin(desk: Desk, name: str, *, approval: bool = False) -> None:
    """It is in its first stage beside the champion."""
    policies = replace(POLICIES, release=Release(shadow=40, approval=approval))
    desk.register(name)
    chosen = desk.state.versions[name]
    bodies = director.begin(
        desk.state, chosen, policies=policies, release=f"r {name}", now=NOON, reason=f"{name} passed"
    )
    desk.write(*bodies)


def fail_all(desk: Desk, rescue: Rescue, *versions: str) -> None:
    rescue.step(PRODUCT)
    for _ in versions:
        desk.engine.others[-1].fail(EngineError("no module named x"))
        rescue.step(PRODUCT)


def test_where_no_champion_can_be_loaded_the_one_under_release_answers(
    desk: Desk, rescue: Rescue, refused: dict[str, str]
) -> None:
    """In shadow beside nobody it would wait for ever, with no caller answered."""
    begin(desk, "v4")
    refused["v3"] = "version v3 cannot be loaded: no module named x"
    fail_all(desk, rescue, "v3", "v2", "v1")
    desk.engine.others[-1].finish()
    rescue.step(PRODUCT)
    assert asked(desk) == [["v3", "v2", "v1", "v4"]]
    assert (champion(desk), desk.state.release) == ("v4", None)
    (opened,) = desk.bodies(IncidentOpened)
    assert opened.remedy.startswith("v4, which has not been through all of its release, answers in its place; ")
    rescue.step(PRODUCT)
    assert not desk.bodies(IncidentClosed)  # it has come for no better reason
    desk.register("v5")
    promote(desk, "v5")
    rescue.step(PRODUCT)
    (closed,) = desk.bodies(IncidentClosed)
    assert closed.resolution == "v5 has come since, and answers"
    assert [body.outcome for body in desk.bodies(ReleaseFinished)] == ["promoted"]


def test_that_files_are_damaged_stays_told_while_the_one_under_release_answers_for_them(
    desk: Desk, rescue: Rescue, refused: dict[str, str]
) -> None:
    begin(desk, "v4")
    (file, whole), _, _ = (damage(desk, name) for name in ("v3", "v2", "v1"))
    refused["v3"] = "version v3 cannot be loaded: the file was changed"
    rescue.step(PRODUCT)
    rescue.step(PRODUCT)
    assert champion(desk) == "v4"
    (told,) = desk.state.incidents.values()
    assert told.opened.title == "damaged bundle of champion v3"
    file.write_bytes(whole)
    rescue.step(PRODUCT)
    assert not desk.state.incidents


def test_what_waits_for_a_person_waits_on(desk: Desk, rescue: Rescue, refused: dict[str, str]) -> None:
    begin(desk, "v4", approval=True)
    refused["v3"] = "version v3 cannot be loaded: no module named x"
    fail_all(desk, rescue, "v3", "v2", "v1")
    assert (champion(desk), asked(desk)) == ("v3", [["v3", "v2", "v1"]])
    (release,) = desk.bodies(ReleaseStarted)
    desk.write(ReleaseApproved(release=release.release, version="v4", by="ada", reason="look at it"))
    rescue.cancel()
    fail_all(desk, rescue, "v3", "v2", "v1")
    desk.engine.others[-1].finish()
    rescue.step(PRODUCT)
    assert champion(desk) == "v4"


def test_that_nobody_has_refused_it_yet_says_nothing_after_a_start(
    desk: Desk, rescue: Rescue, refused: dict[str, str], serving: set[str]
) -> None:
    refused["v3"] = "version v3 cannot be loaded: no module named x"
    fail_all(desk, rescue, "v3", "v2", "v1")
    refused.clear()
    serving.clear()  # the next process: its workers have not begun
    rescue.step(PRODUCT)
    assert not desk.bodies(IncidentClosed)
    serving.add("v3")
    rescue.step(PRODUCT)
    (closed,) = desk.bodies(IncidentClosed)
    assert closed.resolution == "v3 is served"


def test_a_trial_ends_with_what_it_was_for(desk: Desk, rescue: Rescue, refused: dict[str, str]) -> None:
    refused["v3"] = "version v3 cannot be loaded: MemoryError"
    rescue.step(PRODUCT)
    refused.clear()  # the worker has it after all
    desk.register("v4")
    promote(desk, "v4")
    refused["v4"] = "version v4 cannot be loaded: MemoryError"
    rescue.step(PRODUCT)
    assert (asked(desk), desk.engine.others[0].closed) == ([["v3"], ["v4"]], 1)
    rescue.cancel()
    assert (rescue.jobs, desk.engine.others[1].closed) == ((), 1)


def test_with_no_whole_version_left_it_stays_and_is_told(desk: Desk, rescue: Rescue, refused: dict[str, str]) -> None:
    for name in ("v1", "v2", "v3"):
        damage(desk, name)
    refused["v3"] = "version v3 cannot be loaded: the file was changed"
    rescue.step(PRODUCT)
    assert champion(desk) == "v3"
    (opened,) = desk.bodies(IncidentOpened)
    assert "put the files back from a backup" in opened.remedy


def test_where_only_one_that_was_taken_back_is_whole_a_person_is_told_how_to_have_it_answer(
    desk: Desk, rescue: Rescue, refused: dict[str, str], serving: set[str]
) -> None:
    """Not unasked: something spoke against it. And what is said of the workers is so when it is said."""
    promote(desk, "v1")  # v2 and v3 were taken back
    damage(desk, "v1")
    damage(desk, "v3")
    rescue.step(PRODUCT)
    refused["v1"] = "version v1 cannot be loaded: the file was changed"
    serving.clear()
    rescue.step(PRODUCT)
    rescue.step(PRODUCT)
    before, after = desk.bodies(IncidentOpened)
    assert "workers that have it in memory go on answering" in before.remedy
    assert [body.incident for body in desk.bodies(IncidentClosed)] == [before.incident]
    assert after.remedy.startswith("no worker has it, and callers are turned away (503); ")
    assert "`windlass rollback v2` has it answer" in after.remedy
    assert champion(desk) == "v1"


def test_what_cannot_be_loaded_either_is_not_advised(desk: Desk, rescue: Rescue, refused: dict[str, str]) -> None:
    desk.register("v4")  # passed the gate, and was never released
    refused["v3"] = "version v3 cannot be loaded: no module named x"
    fail_all(desk, rescue, "v3", "v2", "v1")
    (opened,) = desk.bodies(IncidentOpened)
    assert "`windlass rollback v4` has it answer" in opened.remedy
    assert "rollback v2" not in opened.remedy


def test_files_that_nobody_complains_of_are_looked_at_once_an_hour(
    desk: Desk, rescue: Rescue, seconds: list[float]
) -> None:
    rescue.step(PRODUCT)
    damage(desk, "v3")
    rescue.step(PRODUCT)
    assert not desk.bodies(IncidentOpened)
    seconds[0] += 3600
    rescue.step(PRODUCT)
    assert len(desk.bodies(IncidentOpened)) == 1
