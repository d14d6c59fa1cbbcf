"""Whether each caller gets its own answer at 80 % of the load, while versions are swapped and workers are killed.

    python bench/serving_holds.py [--requests 100000] [--callers 64] [--workers 2] [--load 0.8] [--swap 1] [--kill 10]
        [--shadow]

A real `windlass up`, with its loop and its committer. Each request carries a number of its own, of which two versions
make two different answers, and the callers work out what the version that is named in an answer must have said. First
they ask as fast as they are answered, which is the capacity; then requests come at `--load` of it, whether or not the
server keeps up, each timed from the moment it was due. Every `--swap` seconds somebody asks for the other version
(`windlass rollback`), every `--kill` seconds a worker is killed with signal 9 (0: never). A connection that breaks is
opened again and its request sent again, which is counted too. With `--shadow` it is `windlass promote`, so that the
version before is asked unseen for as long as its successor is on probation: no caller may hear it, and what is captured
of it must be right.

In the end, when all has come to rest, each answered id must stand in the lake, just once. Ends with 1 if anything was
answered wrongly, not at all or with an error, or if an answer was lost or captured twice.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import psutil
import uvloop
from lateness import PRODUCT, found_within, free_port, run, up, write_project, write_source

from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.records.event import ChampionChanged, CommandName, CommandRequested
from windlass.records.paths import Paths
from windlass.release.routing import read_routing

SLOPES = {"v1": 1.0, "v2": 0.5}
SOURCE = """
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression

import windlass as wl


class Lateness(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")

    def extract(self, since):
        return pl.read_parquet(Path(__file__).parent / "history.parquet")

    def features(self, rows):
        return rows.select("wind")

    def train(self, examples):
        model = LogisticRegression().fit(examples.features.to_numpy(), examples.target)
        model.coef_[:], model.intercept_[:] = {slope}, 0.0
        return model
"""
ALONE_SECONDS = 5.0
"""For so long the capacity is measured."""
LONGEST_SECONDS = 60.0
"""When nobody was answered for so long, nobody will be."""


class Prediction(msgspec.Struct):
    id: str
    version: str
    score: float


class Told(msgspec.Struct):
    version: str
    predictions: list[Prediction]


@dataclass
class Count:
    """What the callers have seen."""

    answered: list[str] = field(default_factory=list)
    wrong: int = 0
    told: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    """Seconds since each request was due."""

    @property
    def failed(self) -> int:
        return sum(times for what, times in self.told.items() if what.startswith("status"))


class Request(msgspec.Struct):
    due: float
    x: float
    message: bytes


class Crowd:
    """Callers that ask what is due, one request each at a time."""

    def __init__(self, port: int, callers: int) -> None:
        self.port, self.count = port, Count()
        self.waiting = deque[Request]()
        self.free = deque[Caller]()
        self.callers = callers
        self.unanswered = 0
        self.silent = 0.0
        """Seconds since somebody was answered, of those in which this process was awake."""
        self.opening = set[asyncio.Task[None]]()

    async def open(self) -> None:
        for _ in range(self.callers):
            await self.connect()

    async def connect(self) -> None:
        """One more caller, once somebody listens."""
        while True:
            try:
                await asyncio.get_running_loop().create_connection(lambda: Caller(self), "127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                return

    async def ask(self, numbers: range, *, rate: float) -> float:
        """Ask about these at so many a second, and give the seconds that it took until all were answered."""
        due = np.cumsum(np.random.default_rng(0).exponential(1 / rate, len(numbers))).tolist()
        began, self.unanswered = time.perf_counter() + 0.05, len(numbers)
        self.silent = 0.0
        for number, after in zip(numbers, due, strict=True):
            while (early := began + after - time.perf_counter()) > 0 or len(self.waiting) > 2 * self.callers:
                await self.rest(max(0.001, early))
            self.waiting.append(request(number, due=began + after))
            self.send()
        while self.unanswered:
            await self.rest(0.01)
        return time.perf_counter() - began

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.silent += seconds  # and not what went by: the whole machine may stand still
        if self.silent > LONGEST_SECONDS:
            raise SystemExit(f"{self.unanswered:,} requests got no answer")

    def send(self) -> None:
        while self.free and self.waiting:
            self.free.popleft().ask(self.waiting.popleft())

    def hear(self, asked: Request, status: int, body: bytes) -> None:
        self.unanswered -= 1
        self.silent = 0.0
        self.count.took.append(time.perf_counter() - asked.due)
        if status != 200:
            self.count.told[f"status {status}"] += 1
            return
        told = msgspec.json.decode(body, type=Told)
        answer = told.predictions[0]
        self.count.told[answer.version] += 1
        self.count.answered.append(answer.id)
        if not right(answer.version, asked.x, answer.score) or told.version != answer.version:
            self.count.wrong += 1

    def broken(self, asked: Request | None) -> None:
        """A connection is gone, maybe with a request that nobody has answered."""
        if asked is not None:
            self.count.told["connections broken"] += 1
            self.waiting.appendleft(asked)
        again = asyncio.get_running_loop().create_task(self.connect())
        self.opening.add(again)
        again.add_done_callback(self.opening.discard)


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.asked: Request | None = None
        self.part = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.crowd.free.append(self)
        self.crowd.send()

    def ask(self, request: Request) -> None:
        self.asked = request
        self.transport.write(request.message)

    def data_received(self, data: bytes) -> None:
        self.part += data
        head, found, body = self.part.partition(b"\r\n\r\n")
        if not found or len(body) < length_of(head) or self.asked is None:
            return
        asked, self.asked, self.part = self.asked, None, b""
        self.crowd.hear(asked, int(head.split(b" ", 2)[1]), body)
        self.crowd.free.append(self)
        self.crowd.send()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (the signature of a protocol)
        if self in self.crowd.free:
            self.crowd.free.remove(self)
        self.crowd.broken(self.asked)


def request(number: int, *, due: float) -> Request:
    x = (number % 60_000 - 30_000) / 10_000
    row = {"id": str(number), "at": "2026-03-01T10:00:00Z", "wind": x, "rain": 0.0}
    body = msgspec.json.encode({"rows": [row]})
    head = f"POST /{PRODUCT}/predict HTTP/1.1\r\nHost: b\r\nContent-Length: {len(body)}\r\n\r\n"
    return Request(due=due, x=x, message=head.encode() + body)


def length_of(head: bytes) -> int:
    return next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))


def right(version: str, x: float, score: float) -> bool:
    """A compiled form rounds to six digits; the nearest other request differs by more than that."""
    return abs(score - 1 / (1 + math.exp(-SLOPES[version] * x))) <= 1e-6


class Trouble:
    """Somebody who swaps versions, and kills workers."""

    def __init__(self, paths: Paths, pid: int, options: Any, count: Count) -> None:
        self.paths, self.options, self.count = paths, options, count
        self.process = psutil.Process(pid)
        self.chance = random.Random(0)

    async def make(self) -> None:
        await asyncio.gather(self.swap(), self.kill())

    async def swap(self) -> None:
        name: CommandName = "promote" if self.options.shadow else "rollback"
        with Ledger(self.paths.ledger_url("")) as ledger:
            for number in itertools.count():
                await asyncio.sleep(self.options.swap)
                version = "v1" if answering(self.paths) == "v2" else "v2"
                asked = CommandRequested(command=f"swap-{number}", name=name, version=version, reason="a bench")
                ledger.append(asked, at=datetime.now(UTC), actor="bench", product=PRODUCT)

    async def kill(self) -> None:
        """One of several that all answer: where the other still starts, nobody would be left."""
        while self.options.kill:
            await asyncio.sleep(self.options.kill)
            begun = self.paths.log.read_text().count(": ready")
            if begun == self.options.workers + self.count.told["workers killed"]:
                os.kill(self.chance.choice(self.workers()), signal.SIGKILL)
                self.count.told["workers killed"] += 1

    def workers(self) -> list[int]:
        return [child.pid for child in self.process.children() if "windlass.serving.worker" in child.cmdline()]


def answering(paths: Paths) -> str | None:
    routing = read_routing(paths.routing(PRODUCT))
    return None if routing is None or routing.champion is None else routing.champion.version


async def play(port: int, paths: Paths, pid: int, options: Any) -> Count:
    """The capacity, then the load with its trouble."""
    crowd = Crowd(port, options.callers)
    await crowd.open()
    capacity = 0.0
    for first in (0, 10_000):  # the first to warm up
        began, before = time.perf_counter(), len(crowd.count.took)
        while time.perf_counter() - began < ALONE_SECONDS:
            await crowd.ask(range(first, first + 2_000), rate=math.inf)
        capacity = (len(crowd.count.took) - before) / (time.perf_counter() - began)
    print(f"{capacity:,.0f} requests a second are answered; {options.load * capacity:,.0f} come now", flush=True)
    crowd.count.took.clear()
    trouble = asyncio.create_task(Trouble(paths, pid, options, crowd.count).make())
    seconds = await crowd.ask(range(options.requests), rate=options.load * capacity)
    trouble.cancel()
    rate, (p50, p99, most) = len(crowd.count.took) / seconds, np.quantile(crowd.count.took, [0.5, 0.99, 1.0]) * 1000
    print(f"{rate:,.0f} a second were answered; p50 {p50:.1f} ms, p99 {p99:.1f}, {most:,.0f} at most", flush=True)
    return crowd.count


def judged(count: Count, paths: Paths) -> bool:
    """Print what was seen, beside the lake; whether all was well."""
    columns = ["prediction_id", "version", "stage", "score", "request", "error"]
    lake = Lake(paths.lake).predictions(PRODUCT, columns=columns).filter(pl.col("error").is_null())
    kept = lake.filter(pl.col("stage").is_in(["champion", "canary"])).get_column("prediction_id")
    answered = pl.Series(count.answered)
    repeated = answered.len() - answered.n_unique()
    lost = answered.unique().is_in(kept.implode()).not_().sum()
    unseen = lake.filter(pl.col("stage").is_in(["champion", "canary"]).not_())
    twice = kept.len() - kept.n_unique() + unseen.height - unseen.n_unique(["prediction_id", "stage"])
    winds = unseen.get_column("request").str.json_path_match("$.wind").cast(pl.Float64)
    said = zip(unseen["version"], winds, unseen["score"], strict=True)
    strange = sum(not right(version, x, math.inf if score is None else score) for version, x, score in said)
    with Ledger(paths.ledger_url("")) as ledger:
        swaps = len(ledger.events((ChampionChanged,))) - 1
    print(f"{answered.len():,} answered; {dict(count.told)}; {swaps} swaps; {unseen.height:,} captured in shadow")
    found = {
        "failed": count.failed,
        "wrong": count.wrong,
        "ids given twice": repeated,
        "answered and not in the lake": lost,
        "captured twice": twice,
        "wrong in shadow": strange,
    }
    print("; ".join(f"{what}: {times}" for what, times in found.items()))
    return not any(found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--load", type=float, default=0.8, help="of what is answered when nobody waits")
    parser.add_argument("--swap", type=float, default=1.0)
    parser.add_argument("--kill", type=float, default=10.0)
    parser.add_argument("--shadow", action="store_true", help="the version before is asked unseen")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder, port = Path(made), free_port()
        paths = Paths(folder / ".windlass")
        write_project(folder, SOURCE.format(slope=SLOPES["v1"]), port=port, workers=options.workers)
        with up(folder) as process:
            if not found_within(60, lambda: answering(paths)):
                sys.exit((folder / "said").read_text())
            write_source(folder, SOURCE.format(slope=SLOPES["v2"]))
            trained = run(folder, "train")
            assert "v2" in trained.stdout, trained.stdout + trained.stderr
            count = uvloop.run(play(port, paths, process.pid, options))
        well = judged(count, paths)
        print(f"load {os.getloadavg()[0]:.1f} at the end")
    return int(not well)


if __name__ == "__main__":
    raise SystemExit(main())
