"""A project whose controller is killed again and again, and the world around it, which is not."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

import windlass
from windlass.clock import SharedClock
from windlass.crashpoints import VARIABLE
from windlass.lake.segments import SegmentWriter
from windlass.ledger.ledger import Ledger
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.event import CommandName, CommandRequested
from windlass.records.paths import Paths

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRODUCT = "lateness"
ROWS = 240
_LONGEST = 600.0  # seconds that a life may take on a machine with much else to do
SOURCE = """
import polars as pl
from sklearn.linear_model import LogisticRegression

import windlass as wl


class Lateness(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    outcome = wl.Outcome(within="2d")
    estimator = LogisticRegression(C=1.0)
    gate = wl.Gate("roc_auc", at_least=0.0, tolerance=1.0)  # whatever is learned passes: crashes are what is tested
    release = wl.Release(probation="0s")

    def extract(self, since):
        return pl.read_parquet({history!r})

    def features(self, rows):
        return rows.select("wind", "rain")
"""


class Nursery:
    """The program `lives`, which makes a process for each life."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where points are armed."""
        self.points = folder
        folder.mkdir(parents=True, exist_ok=True)
        source = str(Path(windlass.__file__).parents[1])
        path = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("lives.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **one_thread, "PYTHONPATH": path, VARIABLE: str(folder)},
        )
        assert self._heard() == "ready"

    def live(self, project: Path, champion: str, *, seconds: float | None = None) -> int:
        """The exit code of one life, negative for a signal that ended it; killed after `seconds`, if it still runs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"project": str(project), "champion": champion}) + "\n")
        self._process.stdin.flush()
        child = int(self._heard())
        if not select.select([self._process.stdout], [], [], seconds or _LONGEST)[0]:
            os.kill(child, signal.SIGKILL)
            assert seconds is not None, f"a life hung for {_LONGEST:.0f} s"
        return int(self._heard())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _heard(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the program that makes lives has ended; its message is above"
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class World:
    """One project, with what was promised to callers and people; all of it is known here and nowhere else."""

    def __init__(self, folder: Path, *, ledger: str = "") -> None:
        """`ledger`: its database URL; empty: SQLite in the workspace."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.clock = SharedClock.create(folder / "clock", NOON)
        self.paths = Paths(folder / ".windlass")
        self.ledger_url = self.paths.ledger_url(ledger)
        self.acknowledged: list[str] = []
        """The ids of all answers that were given."""
        self.reported: list[str] = []
        """The ids of all outcomes that were accepted."""
        self.asked: list[str] = []
        """The commands of people."""
        self._numbers = itertools.count(1)
        self._writers: list[SegmentWriter] = []
        settings = {"ledger": ledger, "clock": f"shared:{folder / 'clock'}", "lease_seconds": 0.15}
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        (folder / "windlass.toml").write_text("\n".join(lines) + "\n")
        self._write_product()

    def copy(self, folder: Path, *, ledger: str) -> World:
        """Another like this one as it stands; its ledger is `ledger`, or in its workspace."""
        other = World(folder, ledger=ledger)
        other.clock.move_to(self.clock.now())
        other._numbers = itertools.count(1_000_000)  # names of its own
        other.acknowledged, other.reported, other.asked = [*self.acknowledged], [*self.reported], [*self.asked]
        left_out = shutil.ignore_patterns("ledger.db*", "state.json")
        shutil.copytree(self.paths.root, other.paths.root, ignore=left_out)
        with Ledger(self.ledger_url) as source, Ledger(other.ledger_url) as target:
            source.copy_to(target)
        return other

    def _write_product(self) -> None:
        random = np.random.default_rng(7)
        wind, rain = random.normal(size=(2, ROWS))
        hours = [NOON - timedelta(days=20) + timedelta(hours=hour) for hour in range(ROWS)]
        late = wind + 0.5 * random.normal(size=ROWS) > 0
        history = self.folder / "history.parquet"
        columns = {"id": [f"f{row}" for row in range(ROWS)], "at": hours, "wind": wind, "rain": rain, "late": late}
        pl.DataFrame(columns).write_parquet(history)
        (self.folder / "lateness.py").write_text(SOURCE.format(history=str(history)))

    def edit(self, old: str, new: str) -> None:
        """Change the product's source."""
        source = (self.folder / "lateness.py").read_text()
        assert old in source
        (self.folder / "lateness.py").write_text(source.replace(old, new))

    def ask(self, name: CommandName, version: str | None = None) -> None:
        """What a person types."""
        command = f"command-{next(self._numbers)}"
        requested = CommandRequested(command=command, name=name, version=version, reason="because")
        with Ledger(self.ledger_url) as ledger:
            ledger.append(requested, at=self.clock.now(), actor="ada", product=PRODUCT)
        self.asked.append(command)

    def answer(self, count: int = 3, *, version: str = "v1") -> None:
        """As a serving worker does: a segment of its own, and in it answers and their outcomes; the one before ends."""
        writer = SegmentWriter(self.paths.segments(PRODUCT) / "w0")
        numbers = list(itertools.islice(self._numbers, count))
        ids = [f"p{number}-0" for number in numbers]
        row = json.dumps({"id": "x", "wind": 0.5, "rain": 0.1}).encode()
        writer.append(
            PredictionBatch(
                request_id=f"r{next(self._numbers)}",
                at=self.clock.now(),
                version=version,
                stage="champion",
                latency_ms=1.0,
                ids=tuple(ids),
                keys=tuple(ids),
                event_times=(None,) * count,
                scores=(0.5,) * count,
                rows=(row,) * count,
            )
        )
        now = self.clock.now()
        known = tuple(
            OutcomeRow(prediction_id=name, value=number % 2 == 0, observed_at=now)
            for name, number in zip(ids, numbers, strict=True)
        )
        outcomes = OutcomeBatch(request_id=f"o{next(self._numbers)}", received_at=self.clock.now(), outcomes=known)
        writer.append(outcomes)
        self.acknowledged += ids
        self.reported += ids
        self._writers.append(writer)
        if len(self._writers) > 1:
            self._writers.pop(0).close()

    def retire(self) -> None:
        """No more answers: every segment is finished."""
        while self._writers:
            self._writers.pop().close()

    def arm(self, points: Iterable[str], nursery: Nursery) -> None:
        """Kill whoever reaches one of `points` next, once for each."""
        for point in points:
            (nursery.points / point).touch()
