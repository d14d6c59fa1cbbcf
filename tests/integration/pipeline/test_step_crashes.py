"""kill -9 at every point of three steps, then the same steps again: nothing is done twice, nothing is half."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import windlass
from windlass.engines.local import LocalEngine
from windlass.errors import EngineError
from windlass.ledger.ledger import Ledger
from windlass.records.event import RunFinished, StepFinished
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.staging import Staging

POINTS = 48
TEXTS = {"extract": "extract;", "train": "extract;train;", "gate": "extract;train;gate;"}


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    # This very windlass, whichever is installed.
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(windlass.__file__).parents[1])])
    with LocalEngine(preload=("windlass.pipeline.steps.step",), environment={"PYTHONPATH": path}) as engine:
        yield engine


class Crashes:
    """One workspace, worked on by one process after the other."""

    def __init__(self, engine: LocalEngine, workspace: Path) -> None:
        self._engine = engine
        self.workspace = workspace
        self.paths = Paths(workspace)
        with Ledger(f"sqlite:///{self.paths.ledger}") as ledger:
            fence = ledger.acquire("test", 3600)
        assert fence is not None
        Staging(self.paths.artifacts, fence).begin()
        self._fence: Fence = fence

    def run(self, run: str, *, kill_at: int | None = None) -> dict[str, Any]:
        argument = {"workspace": str(self.workspace), "run": run, "fence": self._fence, "kill_at": kill_at}
        result: dict[str, Any] = self._engine.submit("crashing_steps:run_steps", argument).result()
        return result

    def worked(self) -> list[str]:
        file = self.workspace / "worked.txt"
        return file.read_text().split() if file.exists() else []

    def finished(self) -> list[StepFinished]:
        with Ledger(f"sqlite:///{self.paths.ledger}") as ledger:
            return [event.body for event in ledger.events([StepFinished]) if isinstance(event.body, StepFinished)]


@pytest.fixture
def crashes(engine: LocalEngine, tmp_path: Path) -> Crashes:
    return Crashes(engine, tmp_path / "workspace")


def test_how_many_points_there_are(crashes: Crashes) -> None:
    assert crashes.run("run-1")["points"] == POINTS


# A kill after one thing is mostly a kill before the next: every second point covers them all. Each costs a process.
@pytest.mark.parametrize("start", range(1, 9, 2))
def test_killed_anywhere(engine: LocalEngine, tmp_path: Path, start: int) -> None:
    for kill_at in range(start, POINTS + 1, 8):
        here = Crashes(engine, tmp_path / f"killed-at-{kill_at}")
        with pytest.raises(EngineError, match="SIGKILL"):
            here.run("run-1", kill_at=kill_at)
        counted = [body.step for body in here.finished()]
        result = here.run("run-2")
        assert result["texts"] == TEXTS
        # What counted was taken over, all else was done, and only the step that was cut short was begun twice.
        assert list(result["reused"]) == counted
        assert [body.step for body in here.finished() if body.reused is None] == list(TEXTS)
        assert all(here.worked().count(step) == 1 for step in counted)
        assert len(here.worked()) <= len(TEXTS) + 1
        left = here.paths.step("flights", "x").parent
        assert {path.name for path in left.iterdir()} == {body.key for body in here.finished()}
        with Ledger(f"sqlite:///{here.paths.ledger}") as ledger:
            assert ledger.verify().ok
            assert any(event.body.run == "run-2" for event in ledger.events([RunFinished]))


def test_killed_again_and_again(crashes: Crashes) -> None:
    """Each life gets a little further; the work that counted is never lost."""
    for life in range(20):
        try:
            result = crashes.run(f"run-{life}", kill_at=22)
        except EngineError:
            continue
        break
    else:
        raise AssertionError("it never came to its end")
    assert result["texts"] == TEXTS
    assert all(crashes.worked().count(step) <= 2 for step in TEXTS)
