from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from windlass.clock import SimulatedClock
from windlass.controller.context import LoopContext
from windlass.controller.takeover import take_over
from windlass.engines import wire
from windlass.engines.job import Job
from windlass.errors import WindlassError
from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.ledger.ledger import Ledger
from windlass.ledger.view import StateView
from windlass.monitoring import reference as references
from windlass.monitoring.estimating import FOLDER, learn_estimator
from windlass.monitoring.reference import make_reference
from windlass.product.policy import Gate, Outcome, Policies, Release, Retrain, to_plain
from windlass.records.bundle import Environment, Manifest
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.event import (
    Body,
    CommandName,
    CommandRequested,
    ProductDeclared,
    RunFinished,
    RunStarted,
    VersionRegistered,
)
from windlass.records.paths import Paths
from windlass.records.state import ProductState
from windlass.registry.models import save
from windlass.registry.registry import Registry
from windlass.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRODUCT = "p"
POLICIES = Policies(
    outcome=Outcome(within="2d"),
    gate=Gate("roc_auc"),
    release=Release(shadow=40, canary=[0.5], bake="1h", minimum=20, probation="6h"),
    retrain=Retrain(every="30d", on_decay=True, cooldown="1h"),
)


class HandEngine:
    """An engine whose jobs end when the test says so; the jobs are real."""

    def __init__(self) -> None:
        self.submitted: list[tuple[str, Any]] = []
        self.jobs: list[Job] = []
        self.cancelled: list[Job] = []
        self.others: list[HandEngine] = []
        self.closed = 0

    def another(self, *, seconds: float) -> HandEngine:
        assert seconds > 0
        self.others.append(HandEngine())
        return self.others[-1]

    def close(self) -> None:
        self.closed += 1

    def submit(self, function: str, argument: Any = None) -> Job:
        job = Job(number=len(self.jobs), function=function, cancel=self.cancelled.append)
        self.submitted.append((function, argument))
        self.jobs.append(job)
        return job

    def finish(self, result: Any = None) -> None:
        self.jobs[-1].take(wire.Done(number=self.jobs[-1].number, result=pickle.dumps(result)))

    def fail(self, error: WindlassError) -> None:
        self.jobs[-1].fail(error)

    def say(self, message: Any) -> None:
        self.jobs[-1].take(wire.Message(number=self.jobs[-1].number, content=pickle.dumps(message)))

    @property
    def request(self) -> Any:
        return self.submitted[-1][1]


class Desk:
    """A workspace with a product that was declared, and the hand of whoever plays the world."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(workspace=folder, watch_rows=100)
        self.clock = SimulatedClock(NOON)
        self.ledger = self.open_ledger()
        self.lake = Lake(self.paths.lake)
        self.engine = HandEngine()
        self.random = np.random.default_rng(3)
        self._numbers = itertools.count(1)
        self._writer = SegmentWriter(self.paths.segments(PRODUCT) / "w0")
        self.context = self.new_context()
        self.registry = Registry(self.paths, self.context.fence)

    def open_ledger(self) -> Ledger:
        """One whose leases last: a machine that was suspended, or whose clock is set, must not end them."""
        return Ledger(f"sqlite:///{self.paths.ledger}", now=lambda: NOON)

    def new_context(self, *, seconds: float = 3600) -> LoopContext:
        """What a controller that has just started would have; the lease is taken if it is free."""
        ledger = self.open_ledger()
        acquired = ledger.acquire(f"controller-{next(self._numbers)}", seconds)
        fence = acquired or self.context.held()
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
        if acquired is not None:
            take_over(context)
        return context

    # -- the ledger --------------------------------------------------------------------------------------------------

    def write(self, *bodies: Body, product: str | None = PRODUCT, actor: str = "test") -> None:
        at = self.clock.now()
        self.ledger.append(*bodies, at=at, actor=actor, product=product, fence=self.context.fence)

    def declare(self, policies: Policies = POLICIES, *, trains: bool = True) -> None:
        task = {"task": "binary", "target": "late", "time": "at", "key": "id"}
        plain = to_plain(policies)
        self.write(ProductDeclared(entry="m:P", source="s", task=task, policies=plain, trains=trains))

    def ask(self, name: CommandName, version: str | None = None, *, product: str | None = PRODUCT) -> str:
        command = f"command-{next(self._numbers)}"
        requested = CommandRequested(command=command, name=name, version=version, reason="because")
        self.write(requested, product=product, actor="ada")
        return command

    def register(self, name: str, **bundle: Any) -> str:
        """A version that exists: a real bundle, as `publish` makes it, registered by a run that has ended."""
        digest = self.publish(name, **bundle)
        run = f"run of {name}"
        self.write(
            RunStarted(run=run, trigger="manual", reason="test"),
            VersionRegistered(version=name, digest=digest, run=run, metrics={}),
            RunFinished(run=run, outcome="registered", version=name, seconds=1.0),
        )
        return digest

    def publish(
        self, name: str, *, kind: Any = "binary", reference: bool = True, estimated: bool = False, models: int = 1
    ) -> str:
        rows = self.random.normal(size=(400, 2))
        truth = (rows[:, 0] + 0.3 * self.random.normal(size=400) > 0).astype(int)
        model = LogisticRegression().fit(rows, truth)
        staged = self.registry.stage(PRODUCT)
        features = pl.DataFrame({"wind": rows[:, 0], "rain": rows[:, 1]})
        predictions = model.predict_proba(rows)[:, 1]
        if kind == "multiclass":
            predictions = np.column_stack([1 - predictions, predictions / 2, predictions / 2])
        if reference:
            references.save(make_reference(features, kind=kind, predictions=predictions, truth=truth), staged)
            if estimated:
                learn_estimator(features, predictions, truth, kind=kind).save(staged / FOLDER)
        manifest = Manifest(
            product=PRODUCT,
            entry="",
            run=f"run of {name}",
            created_at=NOON,
            task={"task": kind, "target": "late", "time": "at", "key": "id"},
            policies={},
            columns=(),
            features=("wind", "rain"),
            classes={"binary": (False, True), "multiclass": ("a", "b", "c"), "regression": ()}[kind],
            model=save(model, staged),
            models=models,
            metrics={"name": float(hash(name) % 1000)},
            pin=None,
            environment=Environment(python="", platform="", windlass="", distributions={}),
            files={},
        )
        return self.registry.publish(staged, manifest)

    @property
    def state(self) -> ProductState:
        return self.context.product(PRODUCT)

    def bodies(self, *kinds: type[Body]) -> list[Any]:
        return [event.body for event in self.ledger.events(kinds)]

    # -- what was captured -------------------------------------------------------------------------------------------

    def answer(
        self,
        count: int,
        *,
        version: str = "v1",
        stage: Any = "champion",
        ids: Sequence[str] | None = None,
        scores: Sequence[float] | None = None,
        error: str | None = None,
        shift: float = 0.0,
        rows: Sequence[bytes] | None = None,
        classes: int | None = None,
        latency_ms: float = 1.0,
    ) -> list[str]:
        """`count` requests of one row, answered now by twenty calls at the most; the ids of the predictions."""
        names = list(ids) if ids is not None else [f"p{next(self._numbers)}-0" for _ in range(count)]
        inputs = self.random.normal(size=(count, 2)) + shift
        given = 1 / (1 + np.exp(-3 * inputs[:, 0])) if scores is None else np.asarray(scores)
        texts = [json.dumps({"wind": wind, "rain": rain}).encode() for wind, rain in inputs.tolist()]
        written = texts if rows is None else rows
        for call, part in enumerate(np.array_split(np.arange(count), min(count, 20) or 1)):
            self._writer.append(
                PredictionBatch(
                    request_id=f"r-{next(self._numbers)}",
                    at=self.clock.now(),
                    version=version,
                    stage=stage,
                    latency_ms=latency_ms + call * 1e-6,  # each call has a time of its own
                    ids=tuple(names[place] for place in part),
                    keys=tuple(f"key of {names[place]}" for place in part),
                    event_times=(None,) * len(part),
                    scores=(None,) * len(part) if error is not None else tuple(float(given[place]) for place in part),
                    probabilities=None if classes is None else tuple((1 / classes,) * classes for _ in part),
                    rows=tuple(written[place] for place in part),
                    error=error,
                )
            )
        return names

    def observe(self, ids: Sequence[str], values: Sequence[Any] | Any) -> None:
        """The outcomes of predictions become known now."""
        now = self.clock.now()
        given = values if isinstance(values, (list, tuple)) else [values] * len(ids)
        rows = tuple(
            OutcomeRow(prediction_id=name, value=value, observed_at=now) for name, value in zip(ids, given, strict=True)
        )
        self._writer.append(OutcomeBatch(request_id=f"o-{next(self._numbers)}", received_at=now, outcomes=rows))

    def commit(self, *listeners: Any, context: LoopContext | None = None) -> None:
        """What the intake does, for the parts under test."""
        lake = (context or self.context).lake
        committed = lake.commit_segments(PRODUCT, self.paths.segments(PRODUCT), self.clock.now())
        for listener in listeners:
            listener.take(PRODUCT, committed.predictions, committed.outcomes)

    def damage_segment(self) -> Path:
        """Flip a byte in the middle of the segment that is being written."""
        (segment,) = self.paths.segments(PRODUCT).rglob("*.segment")
        self._writer.close()
        content = bytearray(segment.read_bytes())
        content[len(content) // 2] ^= 0xFF
        segment.write_bytes(content)
        return segment

    def wait(self, **duration: float) -> None:
        self.clock.advance(timedelta(**duration))

    def close(self) -> None:
        self._writer.close()
        self.ledger.close()
        self.context.ledger.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "workspace")
    desk.declare()
    yield desk
    desk.close()


def encoded(row: dict[str, Any]) -> bytes:
    return msgspec.json.encode(row)
