"""Steps of nothing with Windlass, on SQLite or the database that is given: prints JSON. Run by bench/peers.py."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import report

from windlass.clock import WallClock
from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps.progress import silent
from windlass.pipeline.steps.step import Step, StepRunner
from windlass.records.paths import Paths
from windlass.staging import Staging


def work(folder: Path) -> dict[str, Any]:
    (folder / "output.json").write_text("{}")
    return {}


def main(count: int, database: str) -> None:
    paths = Paths(Path(tempfile.mkdtemp()))
    with Ledger(paths.ledger_url(database)) as ledger:
        fence = ledger.acquire("bench", 3600)
        assert fence is not None
        Staging(paths.artifacts, fence).begin()
        runner = StepRunner(
            ledger=ledger,
            paths=paths,
            clock=WallClock(),
            product="bench",
            run="run-1",
            fence=fence,
            emit=silent,
            project=paths.root,
        )
        runner.run(Step(name="warm-up"), work)
        ends = [time.perf_counter()]
        for number in range(count):
            runner.run(Step(name="nothing", parameters={"number": number}), work)
            ends.append(time.perf_counter())
    report(ends)


main(int(sys.argv[1]), sys.argv[2])
