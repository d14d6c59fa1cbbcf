"""Tasks of nothing with Prefect and its server beside it: prints JSON. Run by bench/peers.py."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from report import report

FOLDER = Path(tempfile.mkdtemp())
os.environ |= {
    "PREFECT_HOME": str(FOLDER),
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}
from prefect import flow, task  # noqa: E402 (the settings above are read when it is imported)

ENDS: list[float] = []


@task(persist_result=True)
def nothing(number: int) -> str:
    path = FOLDER / f"{number}.json"
    path.write_text("{}")
    return str(path)


@flow
def steps(count: int) -> None:
    ENDS[:] = [time.perf_counter()]
    for number in range(count):
        nothing(number)
        ENDS.append(time.perf_counter())


steps(3)
steps(int(sys.argv[1]))
report(ENDS)
