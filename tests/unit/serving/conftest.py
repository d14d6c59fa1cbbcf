from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from starlette.testclient import TestClient

from windlass.clock import SimulatedClock
from windlass.errors import LakeError
from windlass.records.bundle import Column, Environment, Manifest, ModelFile
from windlass.records.capture import Captured, OutcomeBatch, PredictionBatch
from windlass.records.paths import Paths
from windlass.records.routing import Routing, Target
from windlass.serving.answers.capture import Capture
from windlass.serving.answers.latency import Latency
from windlass.serving.app import Application, Parts
from windlass.serving.metrics import Metrics
from windlass.serving.versions.lineup import Board
from windlass.serving.versions.watching import Watcher

NOW = datetime(2013, 3, 1, 12, tzinfo=UTC)
COLUMNS = (
    Column(name="flight", dtype="str", required=False),
    Column(name="at", dtype="datetime"),
    Column(name="distance", dtype="float", nullable=False, exact="Float64"),
    Column(name="seats", dtype="int"),
    Column(name="carrier", dtype="str"),
)
ROW = {"flight": "f1", "at": "2013-03-01T10:00:00Z", "distance": 0.25, "seats": 3, "carrier": "AA"}
FLIGHTS = {"task": "binary", "target": "late", "time": "at", "key": "flight"}


@dataclass
class Said:
    features: pl.DataFrame
    scores: Any


@dataclass
class FakeBundle:
    """A bundle whose model gives the column `distance` back as its score, or whatever `model` makes of the rows."""

    manifest: Manifest
    model: Callable[[pl.DataFrame], Any] = lambda rows: rows["distance"].to_numpy()
    features: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows.drop("flight", "at", strict=False)
    product: Any = None
    computes_features: bool = True
    runs_user_code: bool = False
    takes_matrix: bool = False

    @property
    def answering(self) -> Any:
        return self.model

    folder: Path = Path("/nowhere")

    def predict(self, rows: pl.DataFrame) -> Said:
        return Said(self.features(rows), self.model(rows))

    def scores(self, features: pl.DataFrame) -> Any:
        return self.model(features)


def manifest(
    task: dict[str, Any] | None = None,
    *,
    columns: tuple[Column, ...] = COLUMNS,
    classes: tuple[Any, ...] = (False, True),
) -> Manifest:
    return Manifest(
        product="flights",
        entry="",
        run=None,
        created_at=NOW,
        task=task or FLIGHTS,
        policies={},
        columns=columns,
        features=tuple(column.name for column in columns),
        classes=classes,
        model=ModelFile(format="skops", file="model.skops", kind="Fake"),
        metrics={},
        pin=None,
        environment=Environment(python="", platform="", windlass="", distributions={}),
        files={},
    )


@dataclass
class ListSink:
    batches: list[Captured] = field(default_factory=list)
    broken: bool = False
    refuses: str = ""
    """The id of a request that cannot be written down."""

    def append(self, *batches: Captured) -> None:
        if self.broken or any(batch.request_id == self.refuses for batch in batches):
            raise LakeError("No space left on device", where="segment", remedy="make room")
        self.batches.extend(batches)

    def close(self) -> None:
        pass

    def forget(self) -> None:
        pass


class Learned(Latency):
    """What batches take, and how many rows there were in those that it was learned from."""

    rows = 0

    def took(self, seconds: float, rows: int) -> None:
        self.rows += rows
        super().took(seconds, rows)


class Stage:
    """A worker's parts with bundles made up by the test, and its application over a test client."""

    row = ROW
    now = NOW
    fake = FakeBundle
    manifest = staticmethod(manifest)

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.clock = SimulatedClock(NOW)
        self.sink = ListSink()
        self.metrics = Metrics()
        self.board = Board()
        self.bundles: dict[str, Any] = {}
        self.opened: list[str] = []
        self.reports: list[tuple[str, str, str]] = []
        self.parts = Parts.of(
            board=self.board,
            clock=self.clock,
            capture=Capture(open_sink=lambda _product: self.sink, metrics=self.metrics),
            metrics=self.metrics,
        )
        self.watcher = Watcher(
            paths=self.paths,
            board=self.board,
            open_bundle=self._open,
            metrics=self.metrics,
            report=lambda *told: self.reports.append(told),
        )
        self.client = TestClient(Application(self.parts), raise_server_exceptions=False)
        self._sequence = 0

    def _open(self, product: str, digest: str) -> Any:
        self.opened.append(digest)
        found = self.bundles[digest]
        if isinstance(found, Exception):
            raise found
        return found

    def route(
        self,
        champion: str | None,
        challenger: str | None = None,
        *,
        product: str = "flights",
        sequence: int | None = None,
        refresh: bool = True,
        **more: Any,
    ) -> None:
        """Write the routing record (a version's digest is `d-<version>`) and let the worker follow it."""
        self._sequence = sequence if sequence is not None else self._sequence + 1
        target = lambda name: None if name is None else Target(version=name, digest=f"d-{name}")  # noqa: E731
        record = Routing(
            product=product,
            sequence=self._sequence,
            champion=target(champion),
            challenger=target(challenger),
            **more,
        )
        path = self.paths.routing(product)
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(".tmp")
        staged.write_bytes(msgspec.json.encode(record))
        staged.replace(path)
        if refresh:
            self.watcher.refresh()

    def add(self, version: str, bundle: Any = None, *, also: tuple[Column, ...] = (), **more: Any) -> None:
        """`also`: columns that this version demands beside the usual ones."""
        made = FakeBundle(manifest(columns=(*COLUMNS, *also)), **more) if bundle is None else bundle
        self.bundles[f"d-{version}"] = made

    @property
    def captured(self) -> list[PredictionBatch]:
        return [batch for batch in self.sink.batches if isinstance(batch, PredictionBatch)]

    @property
    def outcomes(self) -> list[OutcomeBatch]:
        return [batch for batch in self.sink.batches if isinstance(batch, OutcomeBatch)]

    def predict(self, *rows: dict[str, Any], **more: Any) -> Any:
        return self.client.post("/flights/predict", json={"rows": rows or [ROW], **more})

    def learning(self) -> Learned:
        """What the worker learns from now on of how long batches of the flights take."""
        learned = self.parts.batcher._latencies["flights"] = Learned(2.0)
        return learned

    def metric(self, name: str) -> float:
        """The value of one line of `/metrics`, 0 if it is not there."""
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")), 0.0)

    def drain_shadow(self) -> None:
        """Let the shadow work off what it has, and end."""
        assert self.parts.shadow.close(10)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    with made.client:  # one event loop for all threads of a test, as in a worker
        yield made
    made.parts.batcher.close()


@pytest.fixture
def flights(stage: Stage) -> Stage:
    """`v1` answers for `flights` with the row's distance."""
    stage.add("v1")
    stage.route("v1")
    return stage
