from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from windlass.lake import segments
from windlass.product.code.loading import load_product
from windlass.product.code.source import read_source
from windlass.product.contract import columns_of
from windlass.records.bundle import Environment, Manifest
from windlass.records.capture import Captured, PredictionBatch
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.routing import Routing, Target
from windlass.registry.models import save
from windlass.registry.registry import Registry
from windlass.serving.supervisor import Server, ServingEvent
from windlass.settings import Settings
from windlass.staging import Staging

SOURCE = """
import gc
import polars as pl
import windlass as wl

class Flights(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="flight")

    def features(self, rows: pl.DataFrame) -> pl.DataFrame:
        assert gc.isenabled()  # it rests while a process loads, and must not any more when somebody asks
        {extra}
        return rows.select(a=pl.col("distance") * {factor}, b=pl.col("seats").cast(pl.Float64))
"""
ROWS = pl.DataFrame(
    {
        "flight": [f"f{i}" for i in range(40)],
        "at": [datetime(2013, 1, 1, tzinfo=UTC)] * 40,
        "distance": [i / 10 for i in range(40)],
        "seats": list(range(40)),
        "late": [i % 2 == 0 for i in range(40)],
    }
)
LIMITED = """
import sys
from windlass.serving import limits

vars(limits).update({!r})
from windlass.serving import worker

sys.argv[0] = worker.__file__
worker.main(sys.argv[1])
"""
ROW = {"flight": "f1", "at": "2013-03-01T10:00:00Z", "distance": 0.25, "seats": 3}


@dataclass
class World:
    """A workspace with real bundles, routed by hand, and a server over it."""

    root: Path
    row = ROW
    events: list[ServingEvent] = field(default_factory=list)
    heard: threading.Condition = field(default_factory=threading.Condition)
    sequence: int = 0
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> Paths:
        return Paths(self.root / ".windlass")

    def publish(self, version: str, *, factor: float = 1.0, extra: str = "") -> str:
        """A version of its own source, trained here; its digest."""
        project = self.root / f"project-{version}"
        project.mkdir()
        (project / "flights.py").write_text(SOURCE.format(factor=factor, extra=extra))
        product = load_product("flights:Flights", project)
        features = product().features(ROWS.drop("late"))
        model = LogisticRegression().fit(features.to_numpy(), ROWS["late"].to_numpy())
        fence = Fence(holder="test", token=1)
        if not self.digests:
            Staging(self.paths.registry, fence).begin()
        registry = Registry(self.paths, fence)
        staged = registry.stage("flights")
        read_source("flights:Flights", project).write(staged / "source")
        manifest = Manifest(
            product="flights",
            entry="flights:Flights",
            run=None,
            created_at=datetime(2013, 1, 1, tzinfo=UTC),
            task=msgspec.to_builtins(product.task),
            policies={},
            columns=columns_of(product, ROWS.drop("late")),
            features=tuple(features.columns),
            classes=(False, True),
            model=save(model, staged),
            metrics={},
            pin=None,
            environment=Environment(python="", platform="", windlass="", distributions={}),
            files={},
        )
        self.digests[version] = registry.publish(staged, manifest)
        return self.digests[version]

    def route(self, champion: str | None, challenger: str | None = None, **more: Any) -> None:
        self.sequence += 1
        target = lambda name: None if name is None else Target(version=name, digest=self.digests[name])  # noqa: E731
        record = Routing(
            product="flights",
            sequence=self.sequence,
            champion=target(champion),
            challenger=target(challenger),
            **more,
        )
        path = self.paths.routing("flights")
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(".tmp")
        staged.write_bytes(msgspec.json.encode(record))
        staged.replace(path)

    def settings(self, **more: Any) -> Settings:
        return Settings(workspace=self.paths.root, port=0, **more)

    def server(self, *, guarded: bool = False, limits: dict[str, float] | None = None, **more: Any) -> Server:
        """`limits`: bounds of the worker's that differ, where a busy machine would reach those that it has."""
        given: dict[str, Any] = {} if limits is None else {"command": (sys.executable, "-c", LIMITED.format(limits))}
        return Server(self.settings(**more), self.paths, on_event=self.hear, guarded=guarded, **given)

    def hear(self, event: ServingEvent) -> None:
        with self.heard:
            self.events.append(event)
            self.heard.notify_all()

    def wait_for(self, wanted: Callable[[ServingEvent], bool], count: int = 1) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: sum(map(wanted, self.events)) >= count, 120), self.events

    def captured(self) -> list[PredictionBatch]:
        """Every prediction in the segments, in no particular order."""
        return [batch for batch in self.read_segments() if isinstance(batch, PredictionBatch)]

    def read_segments(self) -> list[Captured]:
        found: list[Captured] = []
        for file in sorted(self.paths.segments("flights").rglob(f"*{segments.SUFFIX}")):
            data = file.read_bytes()[len(segments.MAGIC) :]
            while data:
                length, _ = segments.PREAMBLE.unpack_from(data)
                payload, data = data[segments.HEAD :][:length], data[segments.HEAD + length :]
                if length:
                    found.append(msgspec.msgpack.decode(payload, type=Captured))
        return found


class Caller:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __call__(self, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request("GET" if body is None else "POST", path, data, headers)
        reply = self._connection.getresponse()
        text = reply.read()
        return reply.status, json.loads(text) if reply.headers.get_content_type() == "application/json" else text

    def predict(self, **fields: Any) -> tuple[int, Any]:
        return self("/flights/predict", {"rows": [{**ROW, **fields}]})

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.publish("v1")
    made.route("v1")
    return made


@pytest.fixture
def caller() -> Callable[[int], Caller]:
    return Caller
