"""A chain of ops that do nothing with Dagster, in one process: prints JSON. Run by bench/peers.py."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from report import report

FOLDER = Path(tempfile.mkdtemp())
os.environ |= {"DAGSTER_HOME": str(FOLDER), "DAGSTER_DISABLE_TELEMETRY": "1"}
from dagster import DagsterInstance, job, op  # noqa: E402 (as above)

ENDS: list[float] = []


@op
def begin() -> int:
    return 0


# Without postponed annotations Dagster would not see the types.
def _nothing(number):  # type: ignore[no-untyped-def]
    (FOLDER / f"{number}.json").write_text("{}")
    ENDS.append(time.perf_counter())
    return number + 1


nothing = op(name="nothing")(_nothing)


def chain(name: str, count: int):  # type: ignore[no-untyped-def]
    @job(name=name)
    def made() -> None:
        last = begin()
        for number in range(count):
            last = nothing.alias(f"nothing_{number}")(last)

    return made


with DagsterInstance.get() as instance:
    logging.disable(logging.CRITICAL)
    chain("warm_up", 3).execute_in_process(instance=instance)
    ENDS.clear()
    chain("steps", int(sys.argv[1])).execute_in_process(instance=instance)
    report(ENDS)
