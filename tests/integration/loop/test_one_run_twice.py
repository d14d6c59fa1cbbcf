"""What well-known engines for durable steps get wrong: a step done twice, a commit by one who lost the lease, work that
is left behind. (A run that comes again after it was recovered: test_whole_loop.py.)"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from windlass.errors import LeaseLost
from windlass.records.event import (
    ControllerStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    VersionRegistered,
)

from .conftest import PRODUCT, World  # type: ignore[import-not-found]


def steps_done(world: World) -> Counter[str]:
    return Counter(body.step for body in world.bodies(StepFinished) if body.reused is None)


def test_two_living_controllers_of_one_name_do_each_step_once(world: World) -> None:
    halt = world.halt("extract")
    first = world.start(holder="twin")
    world.wait_until(lambda: world.bodies(StepStarted))
    second = world.start(holder="twin")  # the lease of the first has run out, and it does not know
    halt.unlink()
    world.lapse(first)
    with pytest.raises(LeaseLost):
        first.tick()
    world.wait_until(lambda: world.champion == "v1")
    with pytest.raises(LeaseLost):
        first.tick()
    second.tick()
    assert [body.holder for body in world.bodies(ControllerStarted)] == ["twin", "twin"]
    assert set(steps_done(world).values()) == {1}
    begun, taken_up = world.bodies(RunStarted)
    assert [body.run for body in world.bodies(RunFailed)] == [begun.run]
    assert [body.run for body in world.bodies(RunFinished)] == [taken_up.run]


def test_a_training_process_whose_controller_lost_the_lease_commits_nothing(world: World) -> None:
    halt = world.halt("extract")
    world.start()
    world.wait_until(lambda: world.bodies(StepStarted))
    (job,) = world.controller._training.jobs
    world.expire()
    world.context()  # somebody else has it now, and does nothing
    before = world.ledger.head(), placed(world)
    halt.unlink()
    with pytest.raises(LeaseLost):
        job.result()
    assert (world.ledger.head(), placed(world)) == before
    assert world.controller_lake.sources(PRODUCT) == []


def placed(world: World) -> list[Path]:
    """What counts: staging folders aside, and the logs of runs, which nobody reads again."""
    files = (path for store in world.paths.stores for path in store.rglob("*") if path.is_file())
    return sorted(path for path in files if ".staging" not in path.parts and path.suffix != ".log")


def test_a_run_that_was_killed_is_taken_up_though_the_source_was_edited_since(world: World) -> None:
    halt = world.halt("train")
    world.start()
    world.wait_until(lambda: "features" in steps_done(world))
    (interrupted,) = world.bodies(RunStarted)
    world.kill_engine()
    halt.unlink()
    world.edit("LogisticRegression()", "LogisticRegression(C=0.5)")
    world.start()
    world.wait_until(lambda: world.champion == "v1")
    taken_up = world.bodies(RunStarted)[-1]
    assert taken_up.resumes == interrupted.run
    reused = [body.step for body in world.bodies(StepFinished) if body.run == taken_up.run and body.reused]
    assert reused[:4] == ["extract", "pin", "check", "features"]
    (version,) = world.bodies(VersionRegistered)
    assert "C=0.5" in (world.paths.bundle(PRODUCT, version.digest) / "source" / "lateness.py").read_text()
