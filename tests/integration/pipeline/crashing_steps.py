"""Runs in the worker: three steps that build on each other, or a whole training run, killed at a chosen point."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from windlass.clock import SimulatedClock
from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps.progress import ProgressMessage, silent
from windlass.pipeline.steps.request import TrainingResult
from windlass.pipeline.steps.step import Finished, Step, StepRunner, prune
from windlass.records.event import RunFinished, RunStarted
from windlass.records.lease import Fence
from windlass.records.paths import Paths

NAMES = ("extract", "train", "gate")


class Points:
    """Counts the points and kills the process at the chosen one, before or after what happens there."""

    def __init__(self, chosen: int | None) -> None:
        self.count = 0
        self._chosen = chosen

    def reach(self) -> None:
        self.count += 1
        if self.count == self._chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> Any:
        original = getattr(owner, name)

        def wrapper(*arguments: Any, **keywords: Any) -> Any:
            self.reach()
            result = original(*arguments, **keywords)
            self.reach()
            return result

        setattr(owner, name, wrapper)
        return original


def run_steps(argument: dict[str, Any]) -> dict[str, Any]:
    """Do the steps in `workspace`; returns the outputs, and how many points there are."""
    points = Points(argument["kill_at"])
    watched = [(os, "fsync"), (Path, "rename"), (shutil, "rmtree"), (Ledger, "append")]
    originals = [(owner, name, points.around(owner, name)) for owner, name in watched]
    try:
        return _run(points, Path(argument["workspace"]), argument["run"], argument["fence"])
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _run(points: Points, workspace: Path, run: str, fence: Fence) -> dict[str, Any]:
    paths = Paths(workspace)
    clock = SimulatedClock(datetime(2026, 3, 1, tzinfo=UTC))
    with Ledger(f"sqlite:///{paths.ledger}") as ledger:
        runner = StepRunner(
            ledger=ledger,
            paths=paths,
            clock=clock,
            product="flights",
            run=run,
            fence=fence,
            emit=silent,
            project=workspace,
        )
        runner.append(RunStarted(run=run, trigger="manual", reason="test"))
        before: Finished | None = None
        texts = {}
        for name in NAMES:
            before = runner.run(
                Step(name=name, inputs={} if before is None else {"before": before.digest()}),
                lambda folder, name=name, before=before: _work(points, workspace, name, before, folder),
            )
            texts[name] = (before.folder / "out.txt").read_text()
        runner.append(RunFinished(run=run, outcome="registered", seconds=0.0))
        prune(paths, "flights", runner.used, fence=fence)
    return {"texts": texts, "points": points.count, "reused": runner.reused}


def _work(points: Points, workspace: Path, name: str, before: Finished | None, folder: Path) -> None:
    with (workspace / "worked.txt").open("a") as file:
        file.write(f"{name}\n")
    points.reach()
    text = "" if before is None else (before.folder / "out.txt").read_text()
    (folder / "out.txt").write_text(f"{text}{name};")
    points.reach()


def train(argument: dict[str, Any]) -> TrainingResult:
    """A training run that kills its own process right after it has told the `(step, state)` in `kill_at`."""

    from windlass.pipeline.training import run_training  # heavy, and the steps above do without

    def emit(message: ProgressMessage) -> None:
        if (message.step, message.state) == argument["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    return run_training(argument["request"], emit=emit)
