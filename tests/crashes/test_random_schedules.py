"""Random schedules of kills, stops and clock jumps through the real controller, lease, ledger and lake."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from windlass.ledger.ledger import Ledger
from windlass.records.event import CommandName, IncidentOpened

from .checker import violations  # type: ignore[import-not-found]
from .lives import REACHED  # type: ignore[import-not-found]
from .processes import LEASE_SECONDS, Machine, Points, Process, contents, hook  # type: ignore[import-not-found]
from .world import PRODUCT, Nursery, World  # type: ignore[import-not-found]

MOST = 3
"""Processes at a time."""


class Schedules(RuleBasedStateMachine):
    """Whatever becomes of the processes, what was promised holds; and whoever is left gets to act."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.machine = Machine(world.paths, world.ledger_url, world.clock.now())
        self.ledger = Ledger(world.ledger_url)
        self.points = Points()
        self.undo = hook(self.points)
        self.processes: list[Process] = []
        self._numbers = itertools.count(1)
        self.start()

    # -- the processes -----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.processes) < MOST)
    @rule()
    def another_starts(self) -> None:
        self.start()

    def start(self) -> None:
        process = Process(self.machine, f"process-{next(self._numbers)}")
        self.processes.append(process)
        self.points.processes[process.name] = process

    @rule(which=st.integers(0, MOST - 1), times=st.integers(1, 3))
    def look(self, which: int, times: int) -> None:
        for _ in range(times):
            self._look(self._chosen(which))

    @rule(which=st.integers(0, MOST - 1), after=st.integers(1, 30))
    def freeze(self, which: int, after: int) -> None:
        """Stop it at a point of its look; it may get to the end before."""
        self._look(self._chosen(which), then="freeze", after=after)

    @rule(which=st.integers(0, MOST - 1), after=st.integers(0, 30))
    def kill(self, which: int, after: int) -> None:
        process = self._chosen(which)
        if process is None:
            return
        if process.frozen or self._look(process, then="kill", after=after) != "frozen":
            self._bury(process)

    @rule(which=st.integers(0, MOST - 1))
    def wake(self, which: int) -> None:
        process = self._chosen(which)
        if process is not None and process.frozen:
            self._guarded(process, process.wake)

    @rule(after=st.integers(1, 12), looks=st.integers(1, 3), answers=st.integers(1, 3))
    def overtake(self, after: int, looks: int, answers: int) -> None:
        """The one that acts is stopped in the midst of it, another takes over and gets a little way, the first wakes.

        Rules in a row come to this too, and so seldom that a broken fence would go unnoticed.
        """
        first = self._let_one_act()
        self.answer(answers)
        if self._look(first, then="freeze", after=after) != "frozen":
            return
        second = self._let_one_act()
        for _ in range(looks - 1):
            self._look(second)
        self._guarded(first, first.wake)

    def _let_one_act(self) -> Process:
        """One that holds the lease and is not stopped; all others have time to let it go."""
        for _ in range(12):
            for process in self.processes:
                if process.acts and not process.frozen and self._token(process) == self._newest():
                    return process
            if all(process.frozen for process in self.processes):
                self.start()
            self.machine.pass_time(LEASE_SECONDS / 3)
            for process in self.processes:
                self._look(process)
        raise AssertionError("nobody got to act")

    # -- the world ---------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 4))
    def answer(self, count: int) -> None:
        self.world.answer(count)

    @rule(name=st.sampled_from(["pause", "resume", "promote", "rollback"]), version=st.sampled_from(["v1", "v2"]))
    def ask(self, name: CommandName, version: str) -> None:
        self.world.ask(name, version if name in ("promote", "rollback") else None)

    @rule(seconds=st.sampled_from([0.5, 3.0, LEASE_SECONDS + 1, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.machine.pass_time(seconds)

    @rule(hours=st.sampled_from([-100, -1, 1, 100]), which=st.booleans())
    def set_a_clock(self, hours: int, which: bool) -> None:
        clock = self.machine.clock if which else self.machine.lease_clock
        clock.advance(timedelta(hours=hours))

    # -- what must hold ----------------------------------------------------------------------------------------------

    def _look(self, process: Process | None, *, then: str = "", after: int = 0) -> str:
        if process is None or process.frozen:
            return "frozen"
        return self._guarded(process, lambda: process.look(then=then, after=after))

    def _guarded(self, process: Process, act: Callable[[], str]) -> str:
        """One that was succeeded may do what it likes: it changes nothing."""
        succeeded = self._newest() > self._token(process) and (process.acts or process.frozen)
        before = contents(self.world.paths, self.ledger, PRODUCT) if succeeded else None
        outcome = act()
        if before is not None:
            assert contents(self.world.paths, self.ledger, PRODUCT) == before, f"{process.name} was succeeded"
        return outcome

    def _token(self, process: Process) -> int:
        return 0 if process.fence is None else process.fence.token

    def _newest(self) -> int:
        return max(map(self._token, self.processes), default=0)

    def _chosen(self, which: int) -> Process | None:
        return self.processes[which % len(self.processes)] if self.processes else None

    def _bury(self, process: Process) -> None:
        process.kill()
        self.processes.remove(process)
        del self.points.processes[process.name]

    def teardown(self) -> None:
        try:
            self._come_to_an_end()
        finally:
            for process in list(self.processes):
                self._bury(process)
            self.undo()
            self.ledger.close()
            shutil.rmtree(self.world.folder)

    def _come_to_an_end(self) -> None:
        """All wake up and look on; a lease's time later one of them acts, however the clocks were set."""
        self.start() if not self.processes else None
        for process in self.processes:
            if process.frozen:
                self._guarded(process, process.wake)
        for _ in range(8):
            self.machine.pass_time(LEASE_SECONDS / 3)
            for process in self.processes:
                self._look(process)
        assert sum(process.acts for process in self.processes) == 1
        self.world.retire()
        self._let_a_new_one_take_over()
        assert not self.ledger.events((IncidentOpened,))
        assert not violations(
            self.world.paths,
            self.world.ledger_url,
            PRODUCT,
            acknowledged=self.world.acknowledged,
            reported=self.world.reported,
            asked=self.world.asked,
        )

    def _let_a_new_one_take_over(self) -> None:
        """One that woke up in the middle of its take-over may have made its folders; they go with the next."""
        for process in list(self.processes):
            self._bury(process)
        self.start()
        (last,) = self.processes
        for _ in range(6):
            self.machine.pass_time(LEASE_SECONDS / 3)
            self._look(last)
        assert last.acts


@pytest.fixture(scope="module")
def grown(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A product with two versions, of which the second answers."""
    world = World(tmp_path_factory.mktemp("grown") / "project")
    assert nursery.live(world.folder, "v1") == REACHED
    world.edit("C=1.0", "C=0.1")
    world.ask("train")
    assert nursery.live(world.folder, "v2") == REACHED
    return world


@pytest.fixture
def new_world(request: pytest.FixtureRequest, grown: World, tmp_path: Path) -> Callable[[], World]:
    """Makes copies of that one, with their ledgers on the database that the test names."""
    numbers = itertools.count(1)

    def copied() -> World:
        folder = tmp_path / f"world-{next(numbers)}"
        if request.param == "sqlite":
            return grown.copy(folder, ledger="")
        return grown.copy(folder, ledger=request.getfixturevalue("postgres").new_url())

    return copied


@pytest.mark.parametrize(("new_world", "examples"), [("sqlite", 9), ("postgres", 3)], indirect=["new_world"])
def test_whatever_happens_to_whom_and_when(new_world: Callable[[], World], examples: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Schedules(new_world()),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
