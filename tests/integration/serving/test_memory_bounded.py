"""What hostile bodies take of a worker's memory, at the worst of it, is what docs/explanation/serving.md says."""

from __future__ import annotations

import http.client
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from windlass.serving.limits import MOST_BYTES, MOST_BYTES_HELD, THREADS

TIMES_ITS_SIZE = 12
"""What a body takes while it is read, beside itself."""
BOUND_MB = (MOST_BYTES_HELD + THREADS * TIMES_ITS_SIZE * MOST_BYTES) / 2**20
CALLERS = 8
FULL = MOST_BYTES - 1000
BODIES = {
    "numbers": '{"rows":[{"distance":[' + "0.1," * (FULL // 4) + "0.1]}]}",
    "texts": '{"rows":[{"distance":[' + '"ab",' * (FULL // 5) + '""]}]}',
    "empty rows": '{"rows":[' + "{}," * (FULL // 3) + "{}]}",
}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is reset by a file of Linux")
@pytest.mark.parametrize(
    ("route", "kind"),
    [
        ("/flights/predict", "numbers"),
        ("/flights/predict", "empty rows"),
        ("/flights/invocations", "texts"),
        ("/flights/invocations", "empty rows"),
    ],
)
def test_eight_hostile_bodies_at_once_stay_below_the_bound(world: Any, route: str, kind: str) -> None:
    body = BODIES[kind].encode()
    assert 0.9 * MOST_BYTES < len(body) <= MOST_BYTES
    with world.server() as server, ThreadPoolExecutor(CALLERS) as callers:
        (worker,) = server.pids
        at_rest = megabytes(worker, "VmRSS")
        Path(f"/proc/{worker}/clear_refs").write_text("5")
        statuses = list(callers.map(lambda _: status_of(server.port, route, body), range(CALLERS)))
        assert set(statuses) <= {400, 413, 422, 503}
        assert server.pids == (worker,)
        assert megabytes(worker, "VmHWM") - at_rest < BOUND_MB


def status_of(port: int, route: str, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", route, body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status


def megabytes(process: int, what: str) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))
