from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from windlass.clock import SharedClock, SimulatedClock
from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps.progress import ProgressMessage
from windlass.pipeline.steps.request import TrainingRequest, TrainingResult
from windlass.pipeline.steps.resume import beginning
from windlass.pipeline.steps.step import StepRunner
from windlass.pipeline.training import run_training
from windlass.records.event import Body, StepFinished
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.settings import Settings, load_settings
from windlass.staging import Staging

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PRODUCT = "flights"


def take_the_lease(ledger: Ledger, paths: Paths) -> Fence:
    fence = ledger.acquire("test", 3600)
    assert fence is not None
    for store in paths.stores:
        Staging(store, fence).begin()
    return fence


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "workspace")


@pytest.fixture
def ledger(paths: Paths) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{paths.ledger}") as ledger:
        yield ledger


@pytest.fixture
def fence(ledger: Ledger, paths: Paths) -> Fence:
    return take_the_lease(ledger, paths)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW)


@pytest.fixture
def messages() -> list[ProgressMessage]:
    return []


@pytest.fixture
def runner(  # noqa: PLR0917 (fixtures)
    tmp_path: Path,
    ledger: Ledger,
    paths: Paths,
    fence: Fence,
    clock: SimulatedClock,
    messages: list[ProgressMessage],
) -> Callable[..., StepRunner]:
    def make(run: str = "run-1", *, trusted: Collection[str] | None = None, fence: Fence = fence) -> StepRunner:
        return StepRunner(
            ledger=ledger,
            paths=paths,
            clock=clock,
            product=PRODUCT,
            run=run,
            fence=fence,
            emit=messages.append,
            project=tmp_path / "project",
            trusted=trusted,
        )

    return make


# -- a product in a folder, trained for real in this process

HEAD = """
from datetime import datetime, timedelta
from pathlib import Path
import numpy as np
import polars as pl
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor
import windlass as wl

# Written out: a source is loaded once in a process, wherever it lies, so folders must make sources differ.
HERE = Path({folder!r})

def note(what):
    with (HERE / "calls.txt").open("a") as file:
        file.write(what + "\\n")

def flights(count=300, seed=1):
    random = np.random.default_rng(seed)
    wind = random.normal(size=count)
    return pl.DataFrame({
        "id": np.arange(count),
        "at": [datetime(2026, 1, 1) + timedelta(hours=int(hour)) for hour in range(count)],
        "wind": wind,
        "carrier": random.choice(["A", "B"], count),
        "late": (wind + random.normal(size=count)) > 0,
    })
"""

FLIGHTS = """
class Flights(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    estimator = LogisticRegression()

    def extract(self, since):
        note("extract")
        return flights()

    def features(self, rows):
        return rows.select("wind", "carrier")

    def train(self, examples):
        note("train")
        return super().train(examples)
"""


class Project:
    """A folder with one product, and a workspace in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock = SharedClock.create(folder / "clock", NOW)
        self.settings: Settings = load_settings(
            directory=folder, environment={}, flags={"clock": f"shared:{folder / 'clock'}"}
        )
        self.paths = Paths(self.settings.workspace)
        self.ledger = Ledger(f"sqlite:///{self.paths.ledger}")
        self.fence = take_the_lease(self.ledger, self.paths)
        self.registry = Registry(self.paths, self.fence)
        self.messages: list[ProgressMessage] = []
        self.runs = 0
        self.write(FLIGHTS)

    def write(self, text: str) -> None:
        (self.folder / "flights.py").write_text(HEAD.replace("{folder!r}", repr(str(self.folder))) + text)

    def edit(self, old: str, new: str) -> None:
        text = (self.folder / "flights.py").read_text()
        assert old in text
        (self.folder / "flights.py").write_text(text.replace(old, new))

    def request(self, **changes: Any) -> TrainingRequest:
        self.runs += 1
        request = TrainingRequest(
            settings=self.settings,
            product="flights",
            entry="flights:Flights",
            run=f"run-{self.runs}",
            fence=self.fence,
        )
        return msgspec.structs.replace(request, **changes)

    def train(self, *, force: bool = False, **changes: Any) -> TrainingResult:
        self.clock.move_to(self.clock.now() + timedelta(minutes=1))
        self.messages.clear()
        request = self.request(**changes)
        now = self.clock.now()
        began = beginning(
            self.ledger, request.product, run=request.run, trigger="manual", reason="test", now=now, force=force
        )
        self.ledger.append(began, at=now, actor="test", product=request.product, fence=self.fence)
        return run_training(request, emit=self.messages.append)

    def bodies(self, *kinds: type[Body], run: str | None = None) -> list[Any]:
        return [event.body for event in self.ledger.events(kinds, run=run)]

    def steps(self, run: str, *, reused: bool | None = None) -> list[str]:
        """The steps of a run in their order; `reused` asks for those that were, or were not, taken over."""
        found = self.bodies(StepFinished, run=run)
        return [body.step for body in found if reused is None or (body.reused is not None) == reused]

    def calls(self) -> list[str]:
        file = self.folder / "calls.txt"
        return file.read_text().split() if file.exists() else []

    def log(self, run: str, step: str) -> str:
        return (self.paths.run("flights", run) / f"{step}.log").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path / "project")
    yield project
    project.ledger.close()
