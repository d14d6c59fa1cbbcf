"""What a step costs when it does nothing: `python bench/steps.py [steps]`.

A real ledger, on SQLite and on PostgreSQL, and real files in a temporary folder (TMPDIR decides on which disk; that of
PostgreSQL is always below /tmp). Every step begins with a synced event, writes one small output, syncs it, puts it in
place and ends with another synced event. Prints JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from windlass.clock import WallClock
from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps import files
from windlass.pipeline.steps.progress import silent
from windlass.pipeline.steps.step import Step, StepRunner
from windlass.records.paths import Paths
from windlass.staging import Staging

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer

LIMIT_MS = 10.0


def work(folder: Path) -> dict[str, Any]:
    (folder / "output.json").write_text("{}")
    return {"rows": 0}


@contextmanager
def timed(spent: dict[str, float], owner: Any, name: str) -> Iterator[None]:
    """Add up the seconds spent in `owner.name`."""
    original: Callable[..., Any] = getattr(owner, name)

    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(*arguments, **keywords)
        finally:
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - began

    setattr(owner, name, wrapper)
    try:
        yield
    finally:
        setattr(owner, name, original)


def measure(count: int, database: str) -> dict[str, Any]:
    """`database`: its URL; empty: SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        with Ledger(paths.ledger_url(database)) as ledger:
            fence = ledger.acquire("bench", 3600)
            assert fence is not None
            Staging(paths.artifacts, fence).begin()

            def runner(run: str) -> StepRunner:
                return StepRunner(
                    ledger=ledger,
                    paths=paths,
                    clock=WallClock(),
                    product="bench",
                    run=run,
                    fence=fence,
                    emit=silent,
                    project=Path(folder),
                )

            done, again = runner("run-1"), runner("run-2")
            steps = [Step(name="nothing", parameters={"number": number}) for number in range(count)]
            done.run(Step(name="warm-up"), work)
            spent: dict[str, float] = {}
            with timed(spent, done, "append"), timed(spent, done, "_find"), timed(spent, files, "publish"):
                fresh = [clocked(done, step) for step in steps]
            reused = [clocked(again, step) for step in steps]
    names = {"append": "ledger: begin and end", "publish": "files: sync and rename", "_find": "ledger: done before?"}
    return {
        "steps": count,
        "fresh_ms": figures(fresh),
        "reused_ms": figures(reused),
        "limit_ms": LIMIT_MS,
        "of_a_fresh_step_ms": {label: round(1000 * spent.get(name, 0.0) / count, 3) for name, label in names.items()},
    }


def clocked(runner: StepRunner, step: Step) -> float:
    began = time.perf_counter()
    runner.run(step, work)
    return 1000 * (time.perf_counter() - began)


def figures(durations: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(durations, n=100)
    return {"p50": round(statistics.median(durations), 3), "p99": round(cuts[98], 3)}


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with PostgresServer(durable=True) as server:
        result = {name: measure(steps, url) for name, url in {"SQLite": "", "PostgreSQL": server.new_url()}.items()}
    print(json.dumps(result, indent=2))
    sys.exit(any(found["fresh_ms"]["p50"] > LIMIT_MS for found in result.values()))
