"""Requests at a steady rate, whether or not the server keeps up, each timed from the moment it was due.

A caller who waits for his answer before he asks again does not see how long the others would have waited (coordinated
omission). So arrivals are drawn beforehand, as a Poisson process, and a request that finds no free connection waits for
one on its own account.

Whoever sends them takes part of the machine himself, and is seldom awake at the very moment. One thread with plain
sockets keeps the first small; the second is told: `late` says by how much each request went out after it was due
although a connection was free, for which no server can be blamed.
"""

from __future__ import annotations

import gc
import select
import socket
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import urlsplit

import numpy as np

_OK = b"HTTP/1.1 200"
_READ = 65_536


@dataclass(frozen=True, kw_only=True)
class Paced:
    """What came of about `rate * seconds` requests."""

    took: list[float]
    """Milliseconds from the moment it was due to the answer, of each request."""
    late: list[float]
    """Milliseconds of it that passed before the request was sent, where a connection was free."""
    busy: float
    """The part of one processor that sending and reading took."""


def paced(
    url: str,
    bodies: bytes | Sequence[bytes],
    *,
    rate: float,
    seconds: float,
    connections: int = 32,
    seed: int = 0,
    trusted: str | None = None,
) -> Paced:
    """Ask `url` at `rate` requests a second, over TLS if it is https, trusting the certificate in the file `trusted`.

    Of several bodies each request takes the next.

    Raises RuntimeError for an answer that is no success.
    """
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    each_body = [bodies] if isinstance(bodies, bytes) else bodies
    messages = cycle([f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in each_body])
    gaps = np.random.default_rng(seed).exponential(1 / rate, int(rate * seconds))
    calls = [socket.create_connection((parts.hostname, parts.port)) for _ in range(connections)]
    for each in calls:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=trusted)
        calls = [context.wrap_socket(each, server_hostname=parts.hostname) for each in calls]
    gc.disable()  # its pauses would be taken for the server's
    try:
        return _run(calls, messages, np.cumsum(gaps).tolist())
    finally:
        gc.enable()
        for each in calls:
            each.close()


def _run(calls: list[socket.socket], messages: Iterator[bytes], due: list[float]) -> Paced:
    free, waiting, asked = deque(calls), deque[float](), dict[socket.socket, float]()
    parts: dict[socket.socket, bytes] = defaultdict(bytes)
    took, late = list[float](), list[float]()
    used, began, place = time.thread_time(), time.perf_counter() + 0.05, 0
    while len(took) < len(due):
        now = time.perf_counter() - began
        while place < len(due) and due[place] <= now:
            waiting.append(due[place])
            place += 1
            if free and len(waiting) == 1:
                late.append((now - due[place - 1]) * 1000)
            _send(free, waiting, asked, messages)
        pause = max(0.0, due[place] - (time.perf_counter() - began)) if place < len(due) else 30.0
        answered, _, _ = select.select(list(asked), [], [], pause)  # epoll's pauses are whole milliseconds
        if not answered and place == len(due):
            raise RuntimeError(f"{len(asked)} requests got no answer")
        for each in answered:
            parts[each] += each.recv(_READ)
            if not _complete(parts[each]):
                continue
            del parts[each]
            took.append((time.perf_counter() - began - asked.pop(each)) * 1000)
            free.append(each)
        _send(free, waiting, asked, messages)
    return Paced(took=took, late=late, busy=(time.thread_time() - used) / (time.perf_counter() - began))


def _send(
    free: deque[socket.socket], waiting: deque[float], asked: dict[socket.socket, float], messages: Iterator[bytes]
) -> None:
    while free and waiting:
        call = free.popleft()
        asked[call] = waiting.popleft()
        call.sendall(next(messages))


def _complete(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(_OK):
        raise RuntimeError(head.decode("latin-1").partition("\r\n")[0] or "the connection was closed")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
    return length is not None and len(body) == int(length.partition(b":")[2])
