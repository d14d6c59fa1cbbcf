"""Controllers in one process that can be stopped or killed at any named point, under clocks that a test moves.

Each has a thread of its own, and only one of all threads runs at any time, so whatever happens can be repeated. One
that is killed is given up where it stands by an exception that nothing catches; one that is stopped waits there, while
others go on, until it is woken up or killed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from windlass import crashpoints
from windlass.app.holder import Holder
from windlass.clock import SimulatedClock
from windlass.controller.context import LoopContext
from windlass.controller.controller import Controller
from windlass.controller.takeover import take_over
from windlass.errors import LeaseLost
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.ledger.view import StateView
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.settings import Settings
from windlass.staging import newest_token

LEASE_SECONDS = 10.0


class Killed(BaseException):
    """kill -9, in a thread: nothing of ours catches it."""


class Machine:
    """Where the processes run: one workspace, and time."""

    def __init__(self, paths: Paths, ledger_url: str, start: datetime) -> None:
        self.paths = paths
        self.ledger_url = ledger_url
        self.clock = SimulatedClock(start)
        """Event time."""
        self.lease_clock = SimulatedClock(start)
        """What the database takes for the time."""
        self.seconds = 0.0
        """The running time, which nobody can set."""
        self.settings = Settings(project=paths.root.parent, workspace=paths.root, lease_seconds=LEASE_SECONDS)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        for clock in (self.clock, self.lease_clock):
            clock.advance(timedelta(seconds=seconds))

    def running(self) -> float:
        return self.seconds


class Process:
    """A controller that stands by until it gets the lease, as `windlass up` does."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.name = name
        self.fence: Fence | None = None
        """The last one it was given."""
        self.frozen = False
        self._machine = machine
        self._ledger = Ledger(machine.ledger_url, now=machine.lease_clock.now)
        self._controller: Controller | None = None
        self._holder = self._new_holder()
        self._left = 0
        """Points until something happens to it."""
        self._how = ""
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
        self._go: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def acts(self) -> bool:
        """Whether it believes to hold the lease."""
        return self._controller is not None

    def look(self, *, then: str = "", after: int = 0) -> str:
        """Look once; `then` "kill" or "freeze" it at its point number `after`. "done", "lost", "killed" or "frozen"."""
        self._how, self._left = then, after
        self._asked.put(self._look)
        return self._heard()

    def wake(self) -> str:
        """Let it go on where it was stopped, to the end of its look."""
        self.frozen, self._how = False, ""
        self._go.put("on")
        return self._heard()

    def kill(self) -> None:
        """End it, frozen or not."""
        if self.frozen:
            self._go.put("kill")
            assert self._heard() == "killed"
        self._asked.put(None)
        self._thread.join()
        self._ledger.close()

    def reach(self, point: str) -> None:
        """Called in its thread at each named point."""
        self._left -= 1
        # Whoever is stopped inside a transaction holds the database's lock; tests/integration/ledger says what then is.
        if not self._how or self._left > 0 or (self._how == "freeze" and point.endswith(".inside")):
            return
        how, self._how = self._how, ""
        if how == "freeze":
            self.frozen = True
            self._told.put("frozen")
            how = self._go.get()
        if how == "kill":
            raise Killed(point)

    # -- in its thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._asked.get()) is not None:
            try:
                job()
            except LeaseLost:
                self._controller, self._holder = None, self._new_holder()
                self._told.put("lost")
            except Killed:
                self._told.put("killed")
            except Exception as error:  # noqa: BLE001 (told to the test, whose thread raises it)
                self._told.put(error)
            else:
                self._told.put("done")

    def _look(self) -> None:
        if self._controller is None:
            self._stand_by()
        else:
            self._controller.tick()

    def _stand_by(self) -> None:
        machine, paths = self._machine, self._machine.paths
        seen, silent = newest_token(paths.stores), self._holder.silent
        fence = self._ledger.acquire(self.name, LEASE_SECONDS, above=seen, silent=silent)
        if fence is None:
            self._holder.see(self._ledger.lease())
            return
        self.fence = fence
        context = LoopContext(
            ledger=self._ledger,
            lake=Lake(paths.lake, fence),
            registry=Registry(paths),
            paths=paths,
            clock=machine.clock,
            settings=machine.settings,
            view=StateView(self._ledger),
            fence=fence,
            real_time=machine.running,
            processor_time=machine.running,
        )
        take_over(context)
        controller = Controller(context=context, engine=NoEngine(), entries={})  # type: ignore[arg-type]
        controller.start()
        self._controller = controller

    def _new_holder(self) -> Holder:
        return Holder(seconds=LEASE_SECONDS, ended=lambda _: False, real_time=self._machine.running)

    def _heard(self) -> str:
        told = self._told.get(timeout=300)
        if isinstance(told, str):
            return told
        raise AssertionError(f"{self.name} broke") from told


class NoEngine:
    """Nothing is trained here."""

    def submit(self, function: str, argument: Any = None) -> Any:
        raise AssertionError(f"nobody asks for {function}")


class Points:
    """Has every named point reported to the process whose thread comes to it."""

    def __init__(self) -> None:
        self.processes: dict[str, Process] = {}

    def __truediv__(self, point: str) -> Points:
        process = self.processes.get(threading.current_thread().name)
        if process is not None:
            process.reach(point)
        return self

    def unlink(self) -> None:
        raise FileNotFoundError


def hook(points: Points) -> Callable[[], None]:
    """Let `points` stand where a folder of armed points would; what undoes it."""
    before = crashpoints._folder
    crashpoints._folder = lambda: points  # type: ignore[assignment, return-value]

    def undo() -> None:
        crashpoints._folder = before

    return undo


def contents(paths: Paths, ledger: Ledger, product: str) -> dict[str, Any]:
    """All that one who was succeeded must leave as it is."""
    lake = Lake(paths.lake)
    names = ("predictions", "outcomes")
    tables = {name: lake._table(product, name) for name in names}
    return {
        "events": ledger.head(),
        "tables": {name: (table.version, table.files()) for name, table in tables.items()},
        "routing": [msgspec.json.decode(path.read_bytes()) for path in sorted(paths.routings.glob("*.json"))],
        "files": sorted(str(path) for store in (paths.registry, paths.artifacts) for path in _placed(store)),
    }


def _placed(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if ".staging" not in path.parts]
