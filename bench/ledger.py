"""What the ledger costs: an append beside the disk's own floor, and reading a ledger of 200,000 events.

    python bench/ledger.py [--events 200000] [--appends 2000] [--folder DIR]

Prints a table. The floor is what the same disk takes to write and sync the bytes that one commit adds to SQLite's
write-ahead file: no durable append on it can be faster.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy

from windlass.ledger.ledger import Ledger
from windlass.ledger.projection import EMPTY, STATE_KINDS, fold
from windlass.ledger.view import StateView
from windlass.records.decision import Decision
from windlass.records.event import (
    Body,
    ChampionChanged,
    GateDecided,
    RetrainDecided,
    RunFinished,
    RunLogged,
    RunStarted,
    StepFinished,
    StepStarted,
    VersionRegistered,
)
from windlass.records.lease import Fence

START = datetime(2013, 1, 1, tzinfo=UTC)
STEPS = ("extract", "check", "features", "split", "train", "evaluate", "gate", "bundle")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--appends", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure; default: the temporary one")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )
    print(f"SQLAlchemy {sqlalchemy.__version__}, load {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = [*appends(Path(folder), options.appends), *reading(Path(folder), options.events)]
    width = max(len(name) for name, _ in rows)
    for name, figure in rows:
        print(f"{name:<{width}}  {figure}")


def appends(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    """Single appends, fenced and not, and the floor under them."""
    with Ledger(f"sqlite:///{folder}/appends.db") as ledger, Ledger("sqlite://") as memory:
        fence = ledger.acquire("bench", 3600)
        size = commit_size(ledger, folder / "appends.db-wal")
        # In turns, so that all of them meet the same neighbours on a machine that is not idle.
        floor, plain, fenced, ten, no_disk = in_turns(
            synced_write(folder / "floor", size),
            lambda n: append(ledger, logged(n)),
            lambda n: append(ledger, logged(n), fence=fence),
            lambda n: append(ledger, *[logged(n)] * 10),
            lambda n: append(memory, logged(n)),
            count=count,
        )
        yield f"floor: write {size:,} bytes in place and sync", spread(floor)
        yield "append one event", spread(plain)
        yield "append one event with a fence", spread(fenced)
        yield "append ten events at once", spread(ten)
        yield "append one event in memory (no disk)", spread(no_disk)
        yield "head (a poll that finds nothing new)", spread(times(lambda _: ledger.head(), count))


def reading(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    """The state, questions and verification on a ledger of `count` events."""
    url = f"sqlite:///{folder}/history.db"
    with Ledger(url) as ledger:
        fence = ledger.acquire("bench", 3600)
        written, run = 0, 0
        while written < count:
            batch = list(run_of_events(run))
            append(ledger, *batch, fence=fence, at=START + timedelta(hours=6 * run))
            written, run = written + len(batch), run + 1
        subject = "v7"
        size = (folder / "history.db").stat().st_size
        yield f"ledger of {written:,} events", f"{size / 2**20:.0f} MiB, {size / written:.0f} bytes an event"
        started = time.perf_counter()
        events = ledger.events(STATE_KINDS)
        read = time.perf_counter() - started
        started = time.perf_counter()
        fold(EMPTY, events)
        folded = time.perf_counter() - started
        yield f"state from nothing ({len(events):,} of them count)", f"{read:.2f} s to read, {folded:.2f} s to fold"
        view = StateView(ledger)
        view.refresh()

        def again(number: int) -> None:
            append(ledger, logged(number))
            view.refresh()

        yield "append one event and refresh the state", spread(times(again, 200))
        yield "events(subject=...)", spread(times(lambda _: ledger.events(subject=subject), 200))
        yield "events(run=...), 64 of them", spread(times(lambda n: ledger.events(run=f"run-{n}"), 200))
        yield "events(newest=20)", spread(times(lambda _: ledger.events(newest=20), 200))
        yield (
            "events(product=..., newest=20)",
            spread(times(lambda _: ledger.events(product="flights", newest=20), 200)),
        )
        kinds = (RunStarted, RunFinished, RunLogged)
        yield "events(three kinds, newest=20)", spread(times(lambda _: ledger.events(kinds, newest=20), 200))
    with Ledger(url) as ledger:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        found = ledger.verify()
        seconds = time.perf_counter() - started
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert found.ok, found.problems
        yield "verify", f"{found.events / seconds:,.0f} events/s, peak memory grew by {grown / 1024:.0f} MiB"


def run_of_events(number: int) -> Iterator[Body]:
    """The 64 events of a training run, as the pipeline writes them."""
    run, version = f"run-{number}", f"v{number}"
    decision = Decision(
        judgement="gate",
        verdict="pass",
        reasons=("It is above the floor.", "It is not worse than the champion."),
        numbers={"roc_auc": 0.71, "champion": 0.70, "p": 0.04, "rows": 20_000},
        at=START,
    )
    yield RetrainDecided(decision=decision, run=run)
    yield RunStarted(run=run, trigger="drift", reason="the carriers changed")
    for step in STEPS:
        yield StepStarted(run=run, step=step, key=f"{number}-{step}")
        outputs = {"rows.arrow": f"{number:064x}"}
        yield StepFinished(run=run, step=step, key=f"{number}-{step}", seconds=0.5, outputs=outputs)
    for epoch in range(42):
        yield RunLogged(run=run, metrics={"loss": 1 / (epoch + 1)}, step=epoch)
    yield GateDecided(run=run, against=None, decision=decision)
    yield VersionRegistered(version=version, digest=f"{number:064x}", run=run, metrics={"roc_auc": 0.71})
    yield ChampionChanged(version=version, digest=f"{number:064x}", previous=None, release=None, reason="it passed")
    yield RunFinished(run=run, outcome="registered", version=version, seconds=12.5)


def logged(number: int) -> RunLogged:
    return RunLogged(run="run-x", metrics={"loss": 1 / (number + 1)}, step=number)


def append(ledger: Ledger, *bodies: Body, fence: Fence | None = None, at: datetime = START) -> None:
    ledger.append(*bodies, at=at, actor="pipeline", product="flights", fence=fence)


def times(work: Callable[[int], Any], count: int) -> list[float]:
    """Seconds of each of `count` calls, after a few that warm up."""
    (taken,) = in_turns(work, count=count)
    return taken


def in_turns(*works: Callable[[int], Any], count: int) -> list[list[float]]:
    """Seconds of each of `count` calls of each work, one after the other, after a few that warm up."""
    taken: list[list[float]] = [[] for _ in works]
    for number in range(-5, count):
        for work, seconds in zip(works, taken, strict=True):
            started = time.perf_counter()
            work(number + 5)
            if number >= 0:
                seconds.append(time.perf_counter() - started)
    return taken


def commit_size(ledger: Ledger, wal: Path) -> int:
    """Bytes that the append of one event adds to the write-ahead file."""
    append(ledger, logged(0))
    before = wal.stat().st_size
    append(ledger, logged(1))
    return wal.stat().st_size - before


def synced_write(path: Path, size: int) -> Callable[[int], None]:
    """A call that writes `size` bytes over old ones and syncs them, as SQLite does with its write-ahead file."""
    room = 100
    path.write_bytes(b"x" * size * room)
    file = os.open(path, os.O_WRONLY)  # closed with the process
    os.fsync(file)

    def write(number: int) -> None:
        os.pwrite(file, b"y" * size, number % room * size)
        os.fdatasync(file)

    return write


def spread(taken: list[float]) -> str:
    ordered = sorted(taken)
    return f"median {statistics.median(ordered) * 1e3:.2f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
