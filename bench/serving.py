"""Requests a second and latency of one serving worker, against a bare ASGI handler on the same uvicorn.

    python bench/serving.py [--seconds 4] [--connections 8]

A logistic regression of ten numeric columns behind a product with `features`; every answer is captured (durability
`process`). The callers run in this process, so on two cores they compete with the worker for one of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from windlass.product.code.loading import load_product
from windlass.product.code.source import read_source
from windlass.product.contract import columns_of
from windlass.records.bundle import Environment, Manifest
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.routing import Routing, Target
from windlass.registry.models import save
from windlass.registry.registry import Registry
from windlass.serving.supervisor import Server
from windlass.settings import Settings
from windlass.staging import Staging

SOURCE = """
import polars as pl
import windlass as wl

class Bench(wl.Product):
    task = wl.BinaryClassification(target="y", time="at", key="key")

    def features(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select([pl.col(f"x{i}") * 2 for i in range(10)])
"""
BARE = """
import sys, socket, uvicorn
async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
server = uvicorn.Server(uvicorn.Config(app, lifespan="off", access_log=False, log_config=None))
server.run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


def publish(paths: Paths) -> None:
    """A trained version in the registry, routed as champion."""
    project = paths.root / "project"
    project.mkdir(parents=True)
    (project / "bench.py").write_text(SOURCE)
    product = load_product("bench:Bench", project)
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({f"x{i}": rng.normal(size=500) for i in range(10)}).with_columns(
        key=pl.int_range(500), at=pl.lit(datetime(2013, 1, 1, tzinfo=UTC))
    )
    features = product().features(rows)
    fence = Fence(holder="bench", token=1)
    Staging(paths.registry, fence).begin()
    registry = Registry(paths, fence)
    staged = registry.stage("bench")
    read_source("bench:Bench", project).write(staged / "source")
    manifest = Manifest(
        product="bench",
        entry="bench:Bench",
        run=None,
        created_at=datetime(2013, 1, 1, tzinfo=UTC),
        task=msgspec.to_builtins(product.task),
        policies={},
        columns=columns_of(product, rows),
        features=tuple(features.columns),
        classes=(0, 1),
        model=save(LogisticRegression().fit(features.to_numpy(), rng.random(500) > 0.5), staged),
        metrics={},
        pin=None,
        environment=Environment(python="", platform="", windlass="", distributions={}),
        files={},
    )
    digest = registry.publish(staged, manifest)
    path = paths.routing("bench")
    path.parent.mkdir(parents=True)
    path.write_bytes(
        msgspec.json.encode(Routing(product="bench", sequence=1, champion=Target(version="v1", digest=digest)))
    )


def request(rows: int) -> bytes:
    row = {**{f"x{i}": i / 7 for i in range(10)}, "key": 1, "at": "2013-01-01T05:00:00Z"}
    body = json.dumps({"rows": [row] * rows}).encode()
    head = f"POST /bench/predict HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def caller(port: int, data: bytes, until: float, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise SystemExit(head.decode())
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        taken.append(time.perf_counter() - started)
    writer.close()


async def load(port: int, data: bytes, *, connections: int, seconds: float) -> list[float]:
    taken: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(caller(port, data, until, taken) for _ in range(connections)))
    return taken


def tell(name: str, port: int, data: bytes, *, connections: int, seconds: float) -> None:
    asyncio.run(load(port, data, connections=connections, seconds=min(1.0, seconds)))  # warm
    taken = np.array(asyncio.run(load(port, data, connections=connections, seconds=seconds))) * 1000
    p50, p99 = np.percentile(taken, [50, 99])
    print(
        f"{name:34} {connections:3} callers {len(taken) / seconds:8.0f} requests/s  p50 {p50:6.2f}  p99 {p99:6.2f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bare = subprocess.Popen([sys.executable, "-c", BARE, str(listener.fileno())], pass_fds=[listener.fileno()])
        port = listener.getsockname()[1]
        for connections in (1, options.connections):
            tell(
                "bare ASGI handler, uvicorn and h11", port, request(1), connections=connections, seconds=options.seconds
            )
        bare.terminate()
        bare.wait()
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        publish(paths)
        for durability in ("process",):
            with Server(Settings(workspace=paths.root, port=0, durability=durability), paths) as server:
                for rows in (1, 50):
                    for connections in (1, options.connections):
                        name = f"predict, {rows} row{'s' * (rows > 1)}, {durability}"
                        tell(name, server.port, request(rows), connections=connections, seconds=options.seconds)


if __name__ == "__main__":
    main()
