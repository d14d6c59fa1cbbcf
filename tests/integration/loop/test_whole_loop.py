"""The loop from the first run to the second promotion and back, on real stores and in the real training process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from windlass.errors import LeaseLost
from windlass.records.event import (
    AlarmCleared,
    AlarmRaised,
    ChampionChanged,
    ControllerStarted,
    IncidentClosed,
    IncidentOpened,
    RecourseDecided,
    ReleaseAdvanced,
    ReleaseFinished,
    ReleaseStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)

from .conftest import PRODUCT, World  # type: ignore[import-not-found]

on_both_databases = pytest.mark.parametrize("world", ["sqlite", "postgres"], indirect=True)


def first_champion(world: World) -> None:
    world.start()
    assert world.wait_for(ChampionChanged).version == "v1"


def hour(world: World) -> None:
    """An hour of traffic, and as many looks as it takes for a run that it set off to end."""
    world.serve()
    world.look()
    world.wait_until(lambda: world.quiet)


def hours_until(world: World, condition: Callable[[], bool], *, most: int = 40) -> int:
    """Hours of traffic until something holds."""
    for passed in range(most):
        if condition():
            return passed
        hour(world)
    raise AssertionError(f"not within {most} hours: {[event.kind for event in world.ledger.events()][-8:]}")


def sequence(world: World, *kinds: Any) -> list[int]:
    """Where in the ledger the first event of each kind stands."""
    return [world.ledger.events([kind])[0].sequence for kind in kinds]


@pytest.mark.parametrize("world", ["postgres"], indirect=True)  # with SQLite another controller goes on each hour
def test_from_the_first_run_to_the_second_promotion(world: World) -> None:
    first_champion(world)
    (run,) = world.bodies(RunStarted)
    assert run.trigger == "first"
    for _ in range(4):
        hour(world)
    assert (world.champion, world.stage) == ("v1", None)
    assert len(world.bodies(RunStarted)) == 1

    world.flipped = True
    hours_until(world, lambda: bool(world.bodies(AlarmRaised)))
    (alarm,) = world.bodies(AlarmRaised)
    (incident,) = world.bodies(IncidentOpened)
    assert (alarm.signal, alarm.version, incident.alarm) == ("decay", "v1", alarm.alarm)

    hours_until(world, lambda: world.stage == "shadow")
    assert {body.trigger for body in world.bodies(RunStarted)[1:]} == {"decay"}
    assert world.routing().mode == "shadow"
    hours_until(world, lambda: world.stage == "canary")
    assert (world.routing().mode, world.routing().share) == ("canary", 0.5)
    assert world.champion == "v1"
    hours_until(world, lambda: world.champion == "v2")
    assert world.stage == "probation"
    routing = world.routing()
    assert routing.challenger is not None
    assert (routing.mode, routing.challenger.version) == ("shadow", "v1")
    assert len(world.bodies(AlarmCleared)) == len(world.bodies(AlarmRaised))
    assert len(world.bodies(IncidentClosed)) == len(world.bodies(IncidentOpened))

    hours_until(world, lambda: world.stage is None)
    assert world.champion == "v2"
    finished = world.bodies(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome, finished.decision.verdict) == ("v2", "promoted", "keep")
    assert finished.decision.numbers["loss_difference"] < -0.3
    assert sequence(world, AlarmRaised, AlarmCleared) == sorted(sequence(world, AlarmRaised, AlarmCleared))
    assert world.ledger.verify().ok


def test_a_bad_version_that_a_person_insists_on_is_rolled_back_in_probation(world: World) -> None:
    first_champion(world)
    world.flipped = True
    hours_until(world, lambda: world.champion == "v2" and world.stage is None)
    world.ask("promote", "v1")
    world.look()
    assert (world.champion, world.stage) == ("v1", "probation")
    by_hand = world.state.release
    assert by_hand is not None
    hours_until(world, lambda: world.champion == "v2", most=4)
    (finished,) = [body for body in world.bodies(ReleaseFinished) if body.release == by_hand.release]
    assert (finished.version, finished.outcome, finished.decision.verdict) == ("v1", "rolled_back", "roll_back")
    assert "clearly worse" in finished.decision.reasons[0]
    assert [body.version for body in world.bodies(ChampionChanged)] == ["v1", "v2", "v1", "v2"]


def test_when_the_world_is_again_as_it_was_the_loop_goes_back_to_the_version_that_knows_it(world: World) -> None:
    """Forward would be a model of the few rows since then, or of both worlds."""
    first_champion(world)
    for flipped, champion in ((True, "v2"), (False, "v1")):
        for _ in range(4):
            hour(world)
        world.flipped = flipped
        hours_until(world, lambda champion=champion: world.champion == champion and world.stage is None, most=80)
    (decided,) = [body.decision for body in world.bodies(RecourseDecided) if body.decision.verdict == "back"]
    assert (decided.numbers["version"], decided.judgement) == ("v1", "recourse")
    run = world.bodies(RunStarted)[-1]
    assert run.trigger == "decay"
    releases = [body.version for body in world.bodies(ReleaseStarted)]
    assert releases == ["v1", "v2", "v1"]  # through shadow and canary, as any other
    assert [body.version for body in world.bodies(ChampionChanged)] == ["v1", "v2", "v1"]
    finished = world.bodies(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome, finished.decision.verdict) == ("v1", "promoted", "keep")


def test_one_that_becomes_slow_when_everybody_asks_it_comes_back(world: World) -> None:
    """As quick as its predecessor in the canary; also for a controller that begins anew and reads it all again."""
    first_champion(world)
    world.flipped, world.together = True, 1
    hours_until(world, lambda: world.champion == "v2")
    assert world.stage == "probation"
    world.takes["v2"] = 3.5
    world.serve(480, hours=2)
    world.look()
    assert world.champion == "v2"  # 23 stretches of twenty calls that are over
    world.start()
    world.serve(80, hours=1)
    world.look()
    assert world.champion == "v1"
    finished = world.bodies(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome) == ("v2", "rolled_back")
    (reason,) = finished.decision.reasons
    assert (
        "nine in ten of its calls took more than 3 ms; the quickest tenth of its predecessor's took up to 1 ms"
        in reason
    )


def test_killed_in_the_middle_of_every_stage_it_goes_on(world: World) -> None:
    """Each hour another controller takes over from one that said nothing; the story is the same as ever."""
    first_champion(world)
    world.flipped = True
    stages = set()
    for _ in range(40):
        world.start()
        hour(world)
        stages.add(world.stage)
        if world.champion == "v2" and world.stage is None:
            break
    assert stages == {None, "shadow", "canary", "probation"}
    assert [body.version for body in world.bodies(ChampionChanged)] == ["v1", "v2"]
    assert [body.stage for body in world.bodies(ReleaseAdvanced)] == ["shadow", "canary", "probation"]
    assert [body.outcome for body in world.bodies(ReleaseFinished)] == ["promoted", "promoted"]
    assert len(world.bodies(AlarmRaised)) == len(world.bodies(AlarmCleared)) == 1
    assert not world.bodies(RunFailed)
    assert len(world.bodies(ControllerStarted)) > 10
    captured = world.controller_lake.predictions(PRODUCT)
    assert captured["prediction_id"].n_unique() == world.answered


def test_a_run_whose_controller_was_killed_is_taken_up_without_doing_anything_twice(world: World) -> None:
    halted = world.halt("features")
    world.start()
    world.wait_until(lambda: {body.step for body in world.bodies(StepFinished)} >= {"extract", "pin"})
    (interrupted,) = world.bodies(RunStarted)
    world.kill_engine()
    halted.unlink()
    world.start()
    assert world.wait_for(ChampionChanged, RunFailed) is not None
    world.wait_until(lambda: world.champion == "v1")
    taken_up = world.bodies(RunStarted)[-1]
    assert (taken_up.resumes, taken_up.trigger) == (interrupted.run, "first")
    assert interrupted.run in taken_up.reason
    done = [body for body in world.bodies(StepFinished) if body.run == taken_up.run and body.reused]
    assert {body.step for body in done} >= {"extract", "pin"}
    (failed,) = world.bodies(RunFailed)
    assert failed.run == interrupted.run
    assert [body.outcome for body in world.bodies(RunFinished)] == ["registered"]
    head = len(world.bodies(StepStarted, StepFinished, RunStarted, RunFailed))
    for _ in range(3):  # no ghost of it runs later, whoever takes over, and however much time has passed
        world.start()
        world.clock.move_to(world.clock.now() + timedelta(hours=2))
        world.look(3)
        world.wait_until(lambda: world.quiet)
    assert len(world.bodies(StepStarted, StepFinished, RunStarted, RunFailed)) == head


@on_both_databases
def test_of_two_controllers_the_second_waits_and_the_fenced_one_can_do_nothing(world: World) -> None:
    first_champion(world)
    first = world.controller
    world.serve(40)
    held = world.ledger.lease()
    assert held is not None
    assert world.ledger.acquire("a second one", 60) is None

    second = world.start()  # the first one's lease has run out
    for _ in range(2):
        second.tick()
    captured = world.controller_lake.predictions(PRODUCT).height
    head, routing = world.ledger.head(), world.routing()
    world.serve(40)
    world.ask("pause")
    world.lapse(first)
    with pytest.raises(LeaseLost):
        first.tick()
    with pytest.raises(LeaseLost):
        first.stop("it does not know yet")
    newer = [event.kind for event in world.ledger.events(after=head)]
    assert newer == ["command.requested"]
    assert world.routing() == routing
    second.tick()
    assert world.state.paused == "because"
    assert world.controller_lake.predictions(PRODUCT).height == captured + 40  # each answer once, whoever tried


def test_stopped_and_started_again_it_writes_nothing_new(world: World) -> None:
    first_champion(world)
    world.serve(30)
    world.controller.stop("asked to stop")
    assert world.ledger.lease() is None
    assert world.controller_lake.predictions(PRODUCT).height == 30
    world.start()
    world.wait_until(lambda: world.quiet)
    head = world.ledger.head()
    world.look(5)
    assert world.ledger.head() == head
    assert [body.outcome for body in world.bodies(RunFinished)] == ["registered"]
    assert len(world.bodies(ReleaseStarted)) == 1
