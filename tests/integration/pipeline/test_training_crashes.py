"""kill -9 of the process that trains, inside the user's code and between any two steps; then the run is taken up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import windlass
from windlass.clock import SharedClock
from windlass.engines.local import LocalEngine
from windlass.errors import EngineError
from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps.request import TrainingRequest, TrainingResult
from windlass.pipeline.steps.resume import beginning
from windlass.records.event import RunFinished, StepFinished, VersionRegistered
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.settings import load_settings
from windlass.staging import Staging

STEPS = ("extract", "pin", "check", "features", "train", "evaluate", "gate", "refit", "bundle")

PRODUCT = """
import os, signal
from datetime import datetime, timedelta
from pathlib import Path
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
import windlass as wl

HERE = Path({folder!r})

def note(what):
    with (HERE / "calls.txt").open("a") as file:
        file.write(what + "\\n")
    kill = HERE / f"kill-{what}"
    if kill.exists():
        kill.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

class Flights(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    estimator = LogisticRegression()

    def extract(self, since):
        note("extract")
        random = np.random.default_rng(1)
        wind = random.normal(size=300)
        at = [datetime(2026, 1, 1) + timedelta(hours=hour) for hour in range(300)]
        late = (wind + random.normal(size=300)) > 0
        return pl.DataFrame({"id": np.arange(300), "at": at, "wind": wind, "late": late})

    def features(self, rows):
        if rows.height == 300:
            note("features")
        return rows.select("wind")

    def train(self, examples):
        note("train")
        return super().train(examples)
"""


class Trainings:
    """A project whose runs take place in the engine's process."""

    def __init__(self, engine: LocalEngine, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "flights.py").write_text(PRODUCT.replace("{folder!r}", repr(str(folder))))
        self.engine = engine
        self.folder = folder
        self.clock = SharedClock.create(folder / "clock", datetime(2026, 3, 1, tzinfo=UTC))
        self.settings = load_settings(directory=folder, environment={}, flags={"clock": f"shared:{folder / 'clock'}"})
        self.paths = Paths(self.settings.workspace)
        self.ledger = Ledger(f"sqlite:///{self.paths.ledger}")
        fence = self.ledger.acquire("test", 3600)
        assert fence is not None
        for store in self.paths.stores:
            Staging(store, fence).begin()
        self._fence = fence
        self._runs = 0

    def run(self, *, kill_at: tuple[str, str] | None = None, force: bool = False) -> TrainingResult:
        """Train; the worker dies after it has told the step and state in `kill_at`. Raises EngineError then."""
        self._runs += 1
        self.clock.move_to(self.clock.now() + timedelta(minutes=1))
        request = TrainingRequest(
            settings=self.settings,
            product="flights",
            entry="flights:Flights",
            run=f"run-{self._runs}",
            fence=self._fence,
        )
        now = self.clock.now()
        began = beginning(
            self.ledger, "flights", run=request.run, trigger="manual", reason="test", now=now, force=force
        )
        self.ledger.append(began, at=now, actor="test", product="flights", fence=self._fence)
        argument = {"request": request, "kill_at": kill_at}
        result: TrainingResult = self.engine.submit("crashing_steps:train", argument).result()
        return result

    def calls(self) -> Counter[str]:
        file = self.folder / "calls.txt"
        return Counter(file.read_text().split() if file.exists() else [])

    def finished(self) -> list[StepFinished]:
        return [event.body for event in self.ledger.events([StepFinished]) if isinstance(event.body, StepFinished)]

    def check_whole(self, result: TrainingResult, expected: dict[str, float]) -> None:
        """One version, whole, with the figures of a run that nobody interrupted; no step was finished twice."""
        assert result.outcome == "registered"
        assert result.metrics == expected
        done = Counter(body.step for body in self.finished() if body.reused is None)
        assert done == Counter(STEPS)
        assert [event.body.subject for event in self.ledger.events([VersionRegistered])] == ["v1"]
        assert len(self.ledger.events([RunFinished])) == 1
        assert result.digest is not None
        assert Registry(self.paths).open("flights", result.digest).manifest.product == "flights"
        assert self.ledger.verify().ok


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    # This very windlass, whichever is installed.
    folders = [str(Path(__file__).parent), str(Path(windlass.__file__).parents[1]), os.environ["PYTHONPATH"]]
    path = {"PYTHONPATH": os.pathsep.join(folders)}
    with LocalEngine(preload=("windlass.pipeline.training", "sklearn.linear_model"), environment=path) as engine:
        yield engine


@pytest.fixture(scope="module")
def expected(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The figures of a run that nobody interrupts."""
    return Trainings(engine, tmp_path_factory.mktemp("calm") / "project").run().metrics


@pytest.mark.parametrize("method", ["extract", "features", "train"])
def test_killed_inside_the_users_code(
    engine: LocalEngine, tmp_path: Path, expected: dict[str, float], method: str
) -> None:
    trainings = Trainings(engine, tmp_path / "project")
    (trainings.folder / f"kill-{method}").touch()
    with pytest.raises(EngineError, match="SIGKILL"):
        trainings.run()
    trainings.check_whole(trainings.run(), expected)
    order = ["extract", "features", "train"]
    calls = {name: 2 if name == method else 1 for name in order}
    calls["train"] += 1  # the refit
    assert trainings.calls() == calls


# Between the bundle's last word and the registration lies the narrowest gap of all.
KILLS = [
    ("pin", "finished"),
    ("features", "started"),
    ("train", "finished"),
    ("gate", "started"),
    ("refit", "finished"),
    ("bundle", "finished"),
]


def test_killed_life_after_life(engine: LocalEngine, tmp_path: Path, expected: dict[str, float]) -> None:
    trainings = Trainings(engine, tmp_path / "project")
    for kill_at in KILLS:
        with pytest.raises(EngineError, match="SIGKILL"):
            trainings.run(kill_at=kill_at)
    result = trainings.run()
    assert result.reused == STEPS
    trainings.check_whole(result, expected)
    assert trainings.calls() == {"extract": 1, "features": 1, "train": 2}


def test_a_forced_run_that_is_killed_is_taken_up_and_does_again_only_what_it_had_not(
    engine: LocalEngine, tmp_path: Path
) -> None:
    trainings = Trainings(engine, tmp_path / "project")
    first = trainings.run()
    with pytest.raises(EngineError, match="SIGKILL"):
        trainings.run(kill_at=("features", "finished"), force=True)
    result = trainings.run(force=True)  # as the controller has it, which knows that the one before was forced
    assert result.reused == STEPS[: STEPS.index("features") + 1]
    assert trainings.calls() == {"extract": 2, "features": 2, "train": 4}
    assert result.metrics == first.metrics


def test_the_run_after_a_finished_one_is_new(engine: LocalEngine, tmp_path: Path) -> None:
    trainings = Trainings(engine, tmp_path / "project")
    assert trainings.run().outcome == "registered"
    assert trainings.run().outcome == "unchanged"
    assert trainings.calls() == {"extract": 2, "features": 1, "train": 2}


def test_an_edited_file_is_seen_by_the_warm_process(engine: LocalEngine, tmp_path: Path) -> None:
    trainings = Trainings(engine, tmp_path / "project")
    first = trainings.run()
    pid = engine.pid
    file = trainings.folder / "flights.py"
    file.write_text(file.read_text().replace("LogisticRegression()", "LogisticRegression(C=1e-6)"))
    second = trainings.run()
    assert engine.pid == pid
    assert second.outcome == "registered"
    assert second.metrics != first.metrics
