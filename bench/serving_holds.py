"""Whether each caller gets its own answer while versions are swapped and workers are killed.

    python bench/serving_holds.py [--requests 100000] [--callers 64] [--workers 2] [--swap 0.5] [--kill 3] [--shadow]

Each request carries a number of its own, of which two versions make two different answers. The callers work out what
the version that is named in an answer must have said, and count what is wrong. Every `--swap` seconds the champion
changes, every `--kill` seconds a worker is killed with signal 9 (0: never). A connection that breaks is opened again
and its request sent again, which is counted too. In the end each answered id must stand in the segments, just once.
With `--shadow` a third version is asked unseen: no caller may hear it, and what is captured of it must be right, each
id once.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parent))
from served import versions

from windlass.lake import segments
from windlass.records.capture import Captured, PredictionBatch
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.serving.supervisor import Server
from windlass.settings import Settings
from windlass.staging import Staging

SLOPES = {"v1": 1.0, "v2": -0.5, "shadow": 0.7}
NAME = "holds"


@dataclass
class Count:
    answered: set[str] = field(default_factory=set)
    repeated: int = 0
    """Answers whose id came before."""
    told: Counter[str] = field(default_factory=Counter)


def publish(paths: Paths) -> dict[str, str]:
    """The digests of versions that answer each row differently."""
    fence = Fence(holder="bench", token=1)
    paths.registry.mkdir(parents=True, exist_ok=True)
    Staging(paths.registry, fence).begin()
    registry, digests = Registry(paths, fence), {}
    frame = pl.DataFrame({"x": np.linspace(-3, 3, 50)})
    for version, slope in SLOPES.items():
        model = LogisticRegression().fit(frame.to_numpy(), frame["x"].to_numpy() > 0)
        model.coef_, model.intercept_ = np.array([[slope]]), np.array([0.0])
        source = versions.PLAIN.format(name=NAME.title())
        digests[version] = versions.publish_one(
            paths, registry, name=NAME, source=source, frame=frame, fit=lambda _, model=model: model
        )
    return digests


async def caller(port: int, numbers: Any, count: Count) -> None:
    streams = None
    for number in numbers:
        x = (number % 60_000 - 30_000) / 10_000
        body = json.dumps({"rows": [{"x": x}]}).encode()
        head = f"POST /{NAME}/predict HTTP/1.1\r\nHost: b\r\nContent-Length: {len(body)}"
        while True:
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", port)
                status, told = await _ask(*streams, head.encode() + b"\r\n\r\n" + body)
                break
            except (ConnectionError, asyncio.IncompleteReadError):
                count.told["connections broken"] += 1
                streams = None
        if status != 200:
            count.told[f"status {status}"] += 1
            continue
        answer = told["predictions"][0]
        count.told[answer["version"]] += 1
        if not right(answer["version"], x, answer["score"]) or told["version"] != answer["version"]:
            count.told["WRONG ANSWERS"] += 1
        if answer["id"] in count.answered:
            count.repeated += 1
        count.answered.add(answer["id"])


def right(version: str, x: float, score: float) -> bool:
    """A compiled form rounds to six digits; the nearest other request differs by more than that."""
    return abs(score - 1 / (1 + math.exp(-SLOPES[version] * x))) <= 1e-6


async def _ask(reader: Any, writer: Any, data: bytes) -> tuple[int, Any]:
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head.split(b" ", 2)[1]), json.loads(await reader.readexactly(length))


async def trouble(server: Server, paths: Paths, digests: dict[str, str], options: Any, count: Count) -> None:
    chance = random.Random(0)

    async def swap() -> None:
        for sequence in itertools.count(2):
            await asyncio.sleep(options.swap)
            version = "v1" if sequence % 2 else "v2"
            shadow = digests["shadow"] if options.shadow else None
            versions.route(paths, NAME, digests[version], version=version, sequence=sequence, shadow=shadow)
            count.told["swaps"] += 1

    async def kill() -> None:
        while options.kill:
            await asyncio.sleep(options.kill)
            if len(server.pids) > 1:
                os.kill(chance.choice(server.pids), signal.SIGKILL)
                count.told["workers killed"] += 1

    await asyncio.gather(swap(), kill())


async def run(server: Server, paths: Paths, digests: dict[str, str], options: Any) -> Count:
    count = Count()
    busy = asyncio.create_task(trouble(server, paths, digests, options, count))
    shares = (range(first, options.requests, options.callers) for first in range(options.callers))
    await asyncio.gather(*(caller(server.port, share, count) for share in shares))
    busy.cancel()
    return count


def captured(paths: Paths) -> tuple[Counter[str], Counter[str], int]:
    """How often each id is captured, how often in shadow, and how many rows of that are wrong."""
    found, unseen, wrong = Counter[str](), Counter[str](), 0
    for file in paths.segments(NAME).rglob(f"*{segments.SUFFIX}"):
        data, at = file.read_bytes(), len(segments.MAGIC)
        while at + segments.HEAD <= len(data):
            length, _ = segments.PREAMBLE.unpack_from(data, at)
            at += segments.HEAD
            if at + length > len(data):
                break  # torn by a kill, and never acknowledged
            if length:
                batch: Captured = msgspec.msgpack.decode(data[at : at + length], type=Captured)
                if isinstance(batch, PredictionBatch) and batch.stage == "shadow":
                    unseen.update(batch.ids)
                    rows = [json.loads(row)["x"] for row in batch.rows]
                    wrong += sum(
                        not right("shadow", x, score or 0.0) for x, score in zip(rows, batch.scores, strict=True)
                    )
                elif isinstance(batch, PredictionBatch):
                    found.update(batch.ids)
            at += length
    return found, unseen, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--swap", type=float, default=0.5)
    parser.add_argument("--kill", type=float, default=3.0)
    parser.add_argument("--shadow", action="store_true", help="a third version is asked unseen")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        paths = Paths(Path(made))
        digests = publish(paths)
        versions.route(paths, NAME, digests["v1"], shadow=digests["shadow"] if options.shadow else None)
        settings = Settings(workspace=paths.root, port=0, workers=options.workers)
        with Server(settings, paths, log=Path(made) / "log") as server:
            count = asyncio.run(run(server, paths, digests, options))
        kept, unseen, wrong = captured(paths)
    print(f"{len(count.answered):,} answered of {options.requests:,}; {dict(count.told)}")
    lost = sum(1 for name in count.answered if kept[name] == 0)
    print(f"answered and not captured: {lost}; captured twice: {sum(1 for times in kept.values() if times > 1)}")
    print(f"ids that came twice: {count.repeated}")
    twice = sum(1 for times in unseen.values() if times > 1)
    strange = len(unseen.keys() - kept.keys())
    print(f"in shadow: {len(unseen):,} captured, {twice} twice, {wrong} wrong, {strange} that no champion answered")


if __name__ == "__main__":
    main()
