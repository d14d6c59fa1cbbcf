"""A project whose processes are run as a user runs them: `windlass up` and commands, real workers, real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.ledger.view import StateView
from windlass.records.event import Body, CommandName, CommandRequested
from windlass.records.paths import Paths
from windlass.records.state import ProductState

from ...commands import run_here
from ...ports import free_port

PRODUCT = "lateness"
SOURCE = """
import time
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression

import windlass as wl


class Lateness(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    estimator = LogisticRegression(C=1.0)
    gate = wl.Gate("roc_auc", at_least=0.6)
    release = wl.Release(shadow=1_000_000, probation="7d")

    def extract(self, since):
        while Path({hold!r}).exists():
            time.sleep(0.01)
        return pl.read_parquet(Path({history!r}))

    def features(self, rows):
        return rows.select("wind", "rain")
"""


class NotAnswered(Exception):
    """A request that was answered otherwise than with 200, and how."""


class Up:
    """A project, and the processes that run it."""

    def __init__(self, folder: Path, *, ledger: str) -> None:
        """`ledger`: its database URL; empty: SQLite in the workspace."""
        self.folder = folder
        self.source = folder / "lateness.py"
        folder.mkdir()
        (folder / "windlass.toml").write_text(f"ledger = {json.dumps(ledger)}\n")
        self.paths = Paths(folder / ".windlass")
        self.ledger_url = self.paths.ledger_url(ledger)
        self.processes: list[subprocess.Popen[str]] = []
        self.said: dict[int, list[str]] = {}
        self.port: int = free_port()
        """Where processes that are started from now on answer."""
        self.more: dict[str, str] = {}
        """Settings of processes that are started from now on, as variables."""
        self._history()

    def _history(self) -> None:
        random = np.random.default_rng(7)
        wind, rain = random.normal(size=(2, 400))
        hours = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 17, 15), "1h", eager=True)
        late = wind + 0.5 * random.normal(size=400) > 0
        frame = pl.DataFrame({"id": range(400), "at": hours, "wind": wind, "rain": rain, "late": late})
        history = self.folder / "history.parquet"
        frame.write_parquet(history)
        self.hold = self.folder / "hold"
        """While this file is there, extracting does not come to an end."""
        self.source.write_text(SOURCE.format(history=str(history), hold=str(self.hold)))

    # -- processes ---------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """Of processes. Nothing of ours writes to the home folder, so there is none that could be written to."""
        return {**os.environ, "HOME": "/proc/no-home", **self._settings}

    @property
    def _settings(self) -> dict[str, str]:
        return {
            "WINDLASS_PORT": str(self.port),
            "WINDLASS_LEASE_SECONDS": "60",  # or whoever asks would act in place of one that a busy machine holds up
            "WINDLASS_POLL_SECONDS": "0.1",
            **self.more,
        }

    def start(self, command: str = "up") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "windlass", command, "--project", str(self.folder)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        lines = self.said[process.pid] = []
        threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True).start()
        return process

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_here(*words, "--project", str(self.folder), at=self.folder.parent, environment=self._settings)

    def ask(self, name: CommandName, *, force: bool = False) -> str:
        """What a command of that name asks for, without waiting for the answer; the request's name."""
        command = f"command-{len(self.events(CommandRequested))}"
        requested = CommandRequested(command=command, name=name, force=force, reason="because")
        self.ledger.append(requested, at=datetime.now(UTC), actor="ada", product=PRODUCT)
        return command

    def wait_until(self, condition: Callable[[], Any], *, seconds: float = 300) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            threading.Event().wait(0.1)
        log = self.paths.log.read_text()[-3000:] if self.paths.log.exists() else ""
        raise AssertionError(f"not within {seconds} s; {self.said}\n{self.events()[-10:]}\n{log}")

    @cached_property
    def ledger(self) -> Ledger:
        """As the test reads it; opened when it is asked for first."""
        return Ledger(self.ledger_url)

    def close(self) -> None:
        if "ledger" in self.__dict__:
            self.ledger.close()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    # -- what is known -----------------------------------------------------------------------------------------------

    def events(self, *kinds: type[Body]) -> list[Any]:
        return [event.body for event in self.ledger.events(kinds)]

    @property
    def state(self) -> ProductState:
        return StateView(self.ledger).refresh().products.get(PRODUCT) or ProductState(name=PRODUCT)

    def champion(self, *, port: int | None = None) -> str | None:
        """Who answers over HTTP now; None while nobody does."""
        try:
            return str(self.predict(1, port=port)[0]["version"])
        except (OSError, http.client.HTTPException, NotAnswered):
            return None

    def predict(self, count: int, *, port: int | None = None) -> list[dict[str, Any]]:
        """The answers of one request. Raises NotAnswered, and OSError where nobody listens."""
        row = {"at": "2026-03-01T10:00:00Z", "wind": 0.5, "rain": 0.1}
        body = json.dumps({"rows": [{"id": number, **row} for number in range(count)]})
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=120)
        connection.request("POST", f"/{PRODUCT}/predict", body, {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            content = response.read()
        if response.status != 200:
            raise NotAnswered(f"{response.status}: {content.decode()}")
        predictions: list[dict[str, Any]] = json.loads(content)["predictions"]
        return predictions

    def captured(self, stage: str = "champion") -> set[str]:
        return set(Lake(self.paths.lake).predictions(PRODUCT, stages=[stage])["prediction_id"])
