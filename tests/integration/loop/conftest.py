from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from windlass.clock import SharedClock
from windlass.controller.context import LoopContext
from windlass.controller.controller import Controller
from windlass.controller.takeover import take_over
from windlass.engines.local import LocalEngine
from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.ledger.ledger import Ledger
from windlass.ledger.view import StateView
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.event import Body, CommandName, CommandRequested
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.routing import Routing, Target
from windlass.records.state import ProductState
from windlass.registry.registry import Registry
from windlass.release.routing import read_routing
from windlass.settings import load_settings

from .project import Up  # type: ignore[import-not-found]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRODUCT = "lateness"
SOURCE = """
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression

import windlass as wl

HISTORY = Path({history!r})


class Lateness(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    outcome = wl.Outcome(within="2d")
    estimator = LogisticRegression()
    gate = wl.Gate("roc_auc", at_least=0.6)
    release = wl.Release(shadow=60, canary=[0.5], bake="1h", minimum=20, probation="6h")
    retrain = wl.Retrain(on_decay=True, on_growth=None, cooldown="1h", window="12h")

    def extract(self, since):
        return pl.read_parquet(HISTORY)

    def features(self, rows):
        return rows.select("wind", "rain")
"""


class World:
    """A project and its workspace, served by hand: this class answers as a serving worker would, and posts outcomes."""

    def __init__(self, folder: Path, engine: Any, *, ledger: str = "") -> None:
        """`ledger`: its database URL; empty: SQLite in the workspace."""
        self.folder = folder
        self.engine = engine
        folder.mkdir()
        self.clock = SharedClock.create(folder / "clock", NOON)
        flags = {"clock": f"shared:{folder / 'clock'}", "watch_rows": 200, "ledger": ledger}
        self.settings = load_settings(directory=folder, environment={}, flags=flags)
        self.paths = Paths(self.settings.workspace)
        self.ledger = Ledger(self.paths.ledger_url(ledger))
        self.registry = Registry(self.paths)
        self.controller: Controller
        self.answered = 0
        self.flipped = False
        """Whether the world has changed: what made flights late makes them early."""
        self.together = 20
        """Requests that share a call of a version."""
        self.takes: dict[str, float] = {}
        """Milliseconds that a call of a version takes; of one that is not in it 1."""
        self._random = np.random.default_rng(7)
        self._numbers = itertools.count(1)
        self._open: list[tuple[str, bool]] = []
        self._writer = SegmentWriter(self.paths.segments(PRODUCT) / "w0")
        self._bundles: dict[str, Any] = {}
        history = folder / "history.parquet"
        start = NOON - timedelta(hours=20)
        self.rows(1200, start=start, step=timedelta(minutes=1)).write_parquet(history)
        (folder / "lateness.py").write_text(SOURCE.format(history=str(history)))

    # -- controllers -------------------------------------------------------------------------------------------------

    def context(self, *, holder: str = "", seconds: float = 3600) -> LoopContext:
        """Everything as a new process would have it, and the lease; `holder`: what it calls itself."""
        ledger = Ledger(self.ledger.url)
        fence = ledger.acquire(holder or f"controller-{next(self._numbers)}", seconds)
        assert fence is not None
        context = LoopContext(
            ledger=ledger,
            lake=Lake(self.paths.lake, fence),
            registry=Registry(self.paths),
            paths=self.paths,
            clock=self.clock,
            settings=self.settings,
            view=StateView(ledger),
            fence=fence,
            real_time=lambda: 0.0,  # nothing takes any time, so nothing is ever too early
            processor_time=lambda: 0.0,
        )
        take_over(context)
        return context

    def start(self, *, holder: str = "") -> Controller:
        """A controller that takes over from whichever acted until now, as after a kill."""
        self.expire()
        context = self.context(holder=holder)
        self.controller = Controller(context=context, engine=self.engine, entries={PRODUCT: "lateness:Lateness"})
        self.controller.start()
        return self.controller

    def expire(self) -> None:
        """The lease has run out, and its holder does not know."""
        lease = self.ledger.lease()
        if lease is not None:
            self.ledger.release(Fence(holder=lease.holder, token=lease.token))

    def edit(self, old: str, new: str) -> None:
        """Change the product's source."""
        file = self.folder / "lateness.py"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def halt(self, method: str) -> Path:
        """Let the product's `method` wait for as long as the file is there that this answers with."""
        halt = self.folder / f"{method}.halt"
        halt.touch()
        body = f"        while Path({str(halt)!r}).exists():\n            time.sleep(0.01)\n"
        self.edit("from pathlib import Path\n", "import time\nfrom pathlib import Path\n")
        given = {"extract": "since", "features": "rows", "train": "examples"}[method]
        head = f"    def {method}(self, {given}):\n"
        if head not in (self.folder / "lateness.py").read_text():
            extract = "    def extract(self, since):\n"
            self.edit(extract, f"{head}        return super().{method}({given})\n\n{extract}")
        self.edit(head, head + body)
        return halt

    @property
    def controller_lake(self) -> Lake:
        """As somebody else reads it."""
        return Lake(self.paths.lake)

    @property
    def quiet(self) -> bool:
        """Whether the training process has nothing to do for the present controller."""
        return not (self.controller._training.jobs or self.controller._declarations.jobs)

    def lapse(self, controller: Controller) -> None:
        """A controller finds that it has not looked for longer than its lease lasts."""
        controller._context.real_time = lambda: 1e6

    def kill_engine(self) -> None:
        """The training process dies with its controller; the next one has its own."""
        pid = self.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while self.engine.pid == pid:
            self.breathe()

    def breathe(self) -> None:
        threading.Event().wait(0.01)

    def wait_until(self, condition: Callable[[], bool], *, seconds: float = 300) -> None:
        """Look until something holds."""
        for _ in range(round(seconds / 0.01)):
            if condition():
                return
            self.look()
            self.breathe()
        raise AssertionError(f"not within {seconds} s: {[event.kind for event in self.ledger.events()][-8:]}")

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.controller.tick()

    def wait_for(self, *kinds: type[Body]) -> Any:
        """Look until there is an event of one of `kinds` that was not there before; its body."""
        seen = self.ledger.head()
        self.wait_until(lambda: bool(self.ledger.events(kinds, after=seen)))
        return self.ledger.events(kinds, after=seen)[-1].body

    def ask(self, name: CommandName, version: str | None = None) -> str:
        """What a person types; the command's id."""
        command = self._name("command")
        requested = CommandRequested(command=command, name=name, version=version, reason="because")
        self.ledger.append(requested, at=self.clock.now(), actor="ada", product=PRODUCT)
        return command

    # -- the outside world -------------------------------------------------------------------------------------------

    def rows(self, count: int, *, start: datetime, step: timedelta) -> pl.DataFrame:
        wind, rain = self._random.normal(size=(2, count))
        late = (wind + 0.5 * self._random.normal(size=count) > 0) ^ self.flipped
        first = next(self._numbers) * 1_000_000
        return pl.DataFrame(
            {
                "id": [f"f{first + place}" for place in range(count)],
                "at": [start + place * step for place in range(count)],
                "wind": wind,
                "rain": rain,
                "late": late,
            }
        )

    def serve(self, count: int = 120, *, hours: float = 1.0) -> None:
        """`count` requests over `hours`, answered by whoever is routed, then the outcomes of all answered before."""
        step = timedelta(hours=hours) / count
        rows = self.rows(count, start=self.clock.now() + step, step=step)
        self.clock.move_to(self.clock.now() + timedelta(hours=hours))
        for part in rows.iter_slices(self.together):
            self._answer(part)
        self.post_outcomes()

    def post_outcomes(self) -> None:
        if self._open:
            known = tuple(OutcomeRow(key=key, value=late, observed_at=self.clock.now()) for key, late in self._open)
            self._writer.append(OutcomeBatch(request_id=self._name("o"), received_at=self.clock.now(), outcomes=known))
        self._open.clear()

    def routing(self) -> Routing:
        found = read_routing(self.paths.routing(PRODUCT))
        assert found is not None
        return found

    def _answer(self, rows: pl.DataFrame) -> None:
        routing = self.routing()
        assert routing.champion is not None
        request, ids = self._name("r"), [f"{self._name('p')}-0" for _ in range(rows.height)]
        self.answered += len(ids)
        self._open.extend(rows.select("id", "late").rows())
        challenger = routing.challenger if routing.mode != "none" else None
        chosen = pl.Series(
            [routing.mode == "canary" and (self.answered + place) % 2 == 0 for place in range(rows.height)]
        )
        asked: list[tuple[Target, str, pl.Series]] = [(routing.champion, "champion", ~chosen)]
        if challenger is not None:
            asked.append((challenger, routing.mode, chosen if routing.mode == "canary" else ~chosen))
        for target, stage, mask in asked:
            names = [name for name, wanted in zip(ids, mask, strict=True) if wanted]
            if names:
                self._capture(target, stage, request, names, rows.filter(mask))

    def _capture(self, target: Target, stage: Any, request: str, ids: list[str], rows: pl.DataFrame) -> None:
        bundle = self._bundles.get(target.digest) or self.registry.open(PRODUCT, target.digest)
        self._bundles[target.digest] = bundle
        given = rows.drop("late")
        predicted = bundle.predict(given)
        self._writer.append(
            PredictionBatch(
                request_id=request,
                at=rows["at"].max(),  # type: ignore[arg-type]
                version=target.version,
                stage=stage,
                latency_ms=self.takes.get(target.version, 1.0),
                ids=tuple(ids),
                keys=tuple(given["id"]),
                event_times=tuple(given["at"]),
                scores=tuple(map(float, predicted.scores)),
                rows=tuple(map(msgspec.json.encode, given.to_dicts())),
                features=tuple(map(msgspec.json.encode, predicted.features.to_dicts())),
            )
        )

    def _name(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    # -- what the ledger says ----------------------------------------------------------------------------------------

    @property
    def state(self) -> ProductState:
        return StateView(self.ledger).refresh().products[PRODUCT]

    @property
    def champion(self) -> str | None:
        return None if self.state.champion is None else self.state.champion.version

    @property
    def stage(self) -> str | None:
        return None if self.state.release is None else self.state.release.stage

    def bodies(self, *kinds: type[Body]) -> list[Any]:
        return [event.body for event in self.ledger.events(kinds)]

    def close(self) -> None:
        self._writer.close()
        self.ledger.close()


@pytest.fixture(scope="session")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine() as engine:
        engine.start()
        yield engine


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, engine: LocalEngine) -> Iterator[World]:
    """With SQLite, or the database that the test asks for."""
    server = request.getfixturevalue("postgres") if getattr(request, "param", "sqlite") == "postgres" else None
    world = World(tmp_path / "project", engine, ledger="" if server is None else server.new_url())
    yield world
    world.close()


@pytest.fixture
def up(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    """With SQLite, or the database that the test asks for."""
    server = request.getfixturevalue("postgres") if getattr(request, "param", "sqlite") == "postgres" else None
    project = Up(tmp_path / "project", ledger="" if server is None else server.new_url())
    yield project
    project.close()
