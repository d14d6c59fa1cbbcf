"""Ports for servers that others start: named before anybody listens there."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

FIRST, COUNT = 20_000, 10_000
"""Below those that a system gives by itself (32768 and up on Linux), or one of them might have it by then."""
_held: list[IO[str]] = []


def free_port() -> int:
    """One that nobody listens at, and that no other test is given as long as this process lives."""
    folder = Path(tempfile.gettempdir()) / f"windlass-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for place in range(COUNT):
        port = FIRST + (os.getpid() * 97 + len(_held) + place) % COUNT
        lock = (folder / str(port)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            lock.close()
        else:
            _held.append(lock)
            return port
    raise AssertionError("all ports are taken")
