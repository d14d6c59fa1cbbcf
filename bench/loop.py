"""What a whole retrain costs, from the signal to the new champion: `python bench/loop.py [loops]`.

For each database a real ledger, lake and registry in a temporary folder, the warm training process, a serving worker
over real HTTP, and a product whose own code does next to nothing. Each loop: the schedule says that it is time, the run
does its steps, the gate compares with the champion, the version is registered, released and answers. Prints JSON:
medians of the whole and of its parts, in milliseconds; fails when the whole is above the bar.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windlass.app.lease import acquire
from windlass.app.workspace import Workspace
from windlass.clock import SharedClock
from windlass.controller.controller import Controller
from windlass.records.event import ChampionChanged, RunFailed, RunFinished, StepFinished
from windlass.serving.supervisor import Server
from windlass.settings import load_settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer

LIMIT_MS = 500.0
START = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCT = "trivial"
SOURCE = """
from pathlib import Path

import polars as pl
from sklearn.naive_bayes import GaussianNB

import windlass as wl

HISTORY = Path({history!r})


class Trivial(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    estimator = GaussianNB()
    release = wl.Release(probation="0s")
    retrain = wl.Retrain(every="6h", cooldown="1h", per_week=1000)

    def extract(self, since):
        return pl.read_parquet(HISTORY)

    def features(self, rows):
        return rows.select("x")
"""
OWN = ("extract", "features", "train")
"""Steps that run the user's code; the rest is ours alone."""


class Bench:
    """A loop that is turned by hand."""

    def __init__(self, folder: Path, database: str) -> None:
        """`database`: its URL; empty: SQLite."""
        self.folder = folder
        self.history = folder / "history.parquet"
        self.clock = SharedClock.create(folder / "clock", START)
        self.random = np.random.default_rng(1)
        (folder / "trivial.py").write_text(SOURCE.format(history=str(self.history)))
        self.rows = self._rows(300)
        flags = {"clock": f"shared:{folder / 'clock'}", "port": 0, "ledger": database}
        self.settings = load_settings(directory=folder, environment={}, flags=flags)
        self.stopping = threading.Event()
        self.seen = 0

    def _rows(self, count: int) -> pl.DataFrame:
        first = 0 if not hasattr(self, "rows") else self.rows.height
        late = np.arange(count) % 2 == 0
        frame = pl.DataFrame(
            {
                "id": np.arange(first, first + count),
                "at": [self.clock.now() - timedelta(seconds=count - place) for place in range(count)],
                "x": late + 0.1 * self.random.normal(size=count),
                "late": late,
            }
        )
        every = frame if first == 0 else pl.concat([self.rows, frame])
        every.write_parquet(self.history)
        return every

    @contextmanager
    def running(self) -> Iterator[None]:
        with Workspace.open(self.settings, create=True) as workspace:
            self.workspace = workspace
            context = acquire(workspace)
            assert context is not None
            self.controller = Controller(
                context=context,
                engine=workspace.engine,
                entries={PRODUCT: "trivial:Trivial"},
            )
            with Server(self.settings, workspace.paths, log=workspace.paths.log) as server:
                self.port = server.port
                self.controller.start()
                yield
                self.controller.stop("the bench is over")

    def turn(self) -> dict[str, float] | None:
        """One loop; None when the gate rejected what chance had brought."""
        self.clock.move_to(self.clock.now() + timedelta(hours=7))
        self.rows = self._rows(50)
        self.seen = self.workspace.ledger.head()
        began = time.perf_counter()
        self.controller.tick()
        signal = time.perf_counter()
        self._until_ended()
        trained = time.perf_counter()
        changed = [event.body for event in self._events(ChampionChanged)]
        if not changed:
            return None
        version: str = changed[-1].version
        while self._answers() != version:
            time.sleep(0.002)
        answered = time.perf_counter()
        steps = {body.step: 1000 * body.seconds for body in self._bodies(StepFinished)}
        (run,) = self._bodies(RunFinished)
        whole = 1000 * (trained - began)
        own = sum(steps.get(name, 0.0) for name in OWN)
        parts = {
            "whole": whole,
            "until a worker answers with it": 1000 * (answered - began),
            "look and decide": 1000 * (signal - began),
            "run": 1000 * run.seconds,
            "of the run, between its steps": 1000 * run.seconds - sum(steps.values()),
            "hear of it, release, route": whole - 1000 * (signal - began) - 1000 * run.seconds,
            "steps with the user's code": own,
        }
        return parts | {f"step {name}": value for name, value in steps.items()}

    def _until_ended(self) -> None:
        """As `windlass up` does: look, rest, look."""
        while not self._events(RunFinished, RunFailed) or not self.controller._training.idle:
            self.controller.rest(self.stopping, self.settings.poll_seconds)
            self.controller.tick()
        failed = self._bodies(RunFailed)
        if failed:
            raise SystemExit(f"the run failed: {failed[0].message}")

    def _answers(self) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = json.dumps({"rows": [{"id": 1, "at": "2026-01-01T00:00:00Z", "x": 0.5}]})
        connection.request("POST", f"/{PRODUCT}/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = json.loads(response.read())
        return content["predictions"][0]["version"] if response.status == 200 else None

    def _events(self, *kinds: Any) -> list[Any]:
        return list(self.workspace.ledger.events(kinds, after=self.seen))

    def _bodies(self, kind: Any) -> list[Any]:
        return [event.body for event in self._events(kind)]


def measure(loops: int, database: str, *, say: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), database)
        with bench.running():
            bench.turn()  # the first version: the training process imports, everything is made
            bench.turn()
            turns = [found for _ in range(loops) if (found := bench.turn()) is not None]
    say(f"{len(turns)} of {loops} loops brought a new champion")
    names = dict.fromkeys(name for turn in turns for name in turn)
    medians = {name: round(statistics.median(turn[name] for turn in turns if name in turn), 1) for name in names}
    return {"loops": len(turns), "limit_ms": LIMIT_MS, "median_ms": medians}


def say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    loops = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with PostgresServer(durable=True) as server:
        databases = {"SQLite": "", "PostgreSQL": server.new_url()}
        result = {name: measure(loops, url, say=say) for name, url in databases.items()}
    print(json.dumps(result, indent=2))
    sys.exit(any(found["median_ms"]["whole"] > LIMIT_MS for found in result.values()))
