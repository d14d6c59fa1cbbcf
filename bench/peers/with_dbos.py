"""Steps of nothing with DBOS, on SQLite or the database that is given: prints JSON. Run by bench/peers.py."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from dbos import DBOS
from report import report

FOLDER = Path(tempfile.mkdtemp())
ENDS: list[float] = []
DBOS(
    config={
        "name": "bench",
        "system_database_url": sys.argv[2] or f"sqlite:///{FOLDER / 'dbos.sqlite'}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
def nothing(number: int) -> str:
    path = FOLDER / f"{number}.json"
    path.write_text("{}")
    return str(path)


@DBOS.workflow()
def steps(count: int) -> None:
    for number in range(count):
        nothing(number)
        ENDS.append(time.perf_counter())


DBOS.launch()
steps(3)
ENDS[:] = [time.perf_counter()]
steps(int(sys.argv[1]))
report(ENDS)
DBOS.destroy()
