"""Requests at a steady rate, whether or not the server keeps up, each timed from the moment it was due.

A caller who waits for his answer before he asks again does not see how long the others would have waited (coordinated
omission). So arrivals are drawn beforehand, as a Poisson process, and a request that finds no free connection waits for
one on its own account.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np


def latencies(
    url: str, body: bytes, *, rate: float, seconds: float, connections: int = 32, seed: int = 0
) -> list[float]:
    """Milliseconds of each of about `rate * seconds` requests. Raises RuntimeError for an answer that is no success."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, int(rate * seconds))
    return asyncio.run(_run(url, body, np.cumsum(gaps).tolist(), connections))


async def _run(url: str, body: bytes, due: Sequence[float], connections: int) -> list[float]:
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection(parts.hostname, parts.port))
    began, took = time.perf_counter() + 0.1, list[float]()

    async def ask(at: float) -> None:
        connection = await free.get()
        reader, writer = connection
        writer.write(head + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode().partition("\r\n")[0])
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        took.append((time.perf_counter() - began - at) * 1000)
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        for at in due:
            with contextlib.suppress(TimeoutError):
                await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
            group.create_task(ask(at))
    while not free.empty():
        free.get_nowait()[1].close()
    return took
