"""What the ledger costs on both databases: appends, questions to 200,000 events, eight processes that write at once.

    python bench/ledger.py [--events 200000] [--appends 2000] [--seconds 60] [--folder DIR]

Prints a table. The floor is what the same disk takes to write and sync the bytes that one commit adds to SQLite's
write-ahead file: no durable append on it can be faster. The server is one of its own, on the same disk, and syncs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from history import EVENTS_OF_A_RUN, START, fill

from windlass.errors import LedgerError
from windlass.ledger.ledger import Ledger
from windlass.ledger.projection import EMPTY, STATE_KINDS, fold
from windlass.ledger.view import StateView
from windlass.records.event import Body, RunFinished, RunLogged, RunStarted
from windlass.records.lease import Fence

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer

WRITERS = 8


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--appends", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the eight processes write")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure; default: the temporary one")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )
    print(f"SQLAlchemy {sqlalchemy.__version__}, load {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as name, PostgresServer(durable=True) as server:
        folder = Path(name)
        databases: dict[str, Callable[[str], str]] = {
            "SQLite": lambda file: f"sqlite:///{folder}/{file}.db",
            "PostgreSQL": lambda _: server.new_url(),
        }
        show("one writer", one_writer(folder, options.appends, {name: url("one") for name, url in databases.items()}))
        for database, url in databases.items():
            show(f"{database}, a long ledger", reading(url("long"), options.events))
            show(f"{database}, {WRITERS} processes write", many_writers(url("many"), options.seconds))


def one_writer(folder: Path, count: int, urls: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Single appends on both databases, fenced and not, and the floor under them."""
    with Ledger(urls["SQLite"]) as file, Ledger(urls["PostgreSQL"]) as server, Ledger("sqlite://") as memory:
        size = commit_size(file, Path(f"{urls['SQLite'].removeprefix('sqlite:///')}-wal"))
        works: dict[str, Callable[[int], Any]] = {
            f"floor: write {size:,} bytes in place and sync": synced_write(folder / "floor", size),
            "SQLite in memory: append one event": lambda n: append(memory, logged(n)),
        }
        for name, ledger in {"SQLite": file, "PostgreSQL": server}.items():
            works |= works_on(name, ledger)
        # In turns, so that all of them meet the same neighbours on a machine that is not idle.
        for name, taken in zip(works, in_turns(*works.values(), count=count), strict=True):
            yield name, spread(taken)


def works_on(name: str, ledger: Ledger) -> dict[str, Callable[[int], Any]]:
    fence = ledger.acquire("bench", 3600)
    return {
        f"{name}: append one event": lambda n: append(ledger, logged(n)),
        f"{name}: append one event with a fence": lambda n: append(ledger, logged(n), fence=fence),
        f"{name}: append ten events at once": lambda n: append(ledger, *[logged(n)] * 10),
        f"{name}: a look that finds nothing new": lambda _: ledger.head(),
    }


def reading(url: str, count: int) -> Iterator[tuple[str, str]]:
    """The state, questions and verification on a ledger of `count` events."""
    with Ledger(url) as ledger:
        written = fill(ledger, product="flights", events=count)
        started = time.perf_counter()
        events = ledger.events(STATE_KINDS)
        read = time.perf_counter() - started
        started = time.perf_counter()
        fold(EMPTY, events)
        folded = time.perf_counter() - started
        yield f"state of {written:,} events ({len(events):,} count)", f"{read:.2f} s to read, {folded:.2f} s to fold"
        view = StateView(ledger)
        view.refresh()

        def again(number: int) -> None:
            append(ledger, logged(number))
            view.refresh()

        kinds = (RunStarted, RunFinished, RunLogged)
        questions: dict[str, Callable[[int], Any]] = {
            "append one event and refresh the state": again,
            "events(subject=...)": lambda _: ledger.events(subject="v7"),
            f"events(run=...), {EVENTS_OF_A_RUN} of them": lambda n: ledger.events(run=f"run-{n + 1}"),
            "events(newest=20)": lambda _: ledger.events(newest=20),
            "events(product=..., newest=20)": lambda _: ledger.events(product="flights", newest=20),
            "events(three kinds, newest=20)": lambda _: ledger.events(kinds, newest=20),
        }
        for name, question in questions.items():
            yield name, spread(times(question, 200))
    with Ledger(url) as ledger:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        found = ledger.verify()
        seconds = time.perf_counter() - started
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert found.ok, found.problems
        yield "verify", f"{found.events / seconds:,.0f} events/s, peak memory grew by {grown / 1024:.0f} MiB"


def many_writers(url: str, seconds: float) -> Iterator[tuple[str, str]]:
    """Eight processes that append one event after the other, as fast as they can."""
    Ledger(url).close()
    spawn = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[tuple[list[float], list[str]]] = spawn.Queue()
    together = spawn.Barrier(WRITERS)
    writers = [
        spawn.Process(target=write_for, args=(url, f"writer-{number}", seconds, together, answers))
        for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    found = [answers.get() for _ in writers]
    for writer in writers:
        writer.join()
    waits = sorted(wait for taken, _ in found for wait in taken)
    errors = [error for _, told in found for error in told]
    with Ledger(url) as ledger:
        checked = ledger.verify()
    assert (checked.ok, checked.events) == (True, len(waits)), checked.problems
    yield f"events a second, together, for {seconds:.0f} s", f"{len(waits) / seconds:,.0f}"
    yield "each append", f"{spread(waits)}, longest {waits[-1]:.2f} s"
    yield "errors", f"{len(errors)}{': ' + errors[0] if errors else ''}"


def write_for(url: str, name: str, seconds: float, together: Any, answers: Any) -> None:
    """One of the processes: how long each of its appends took, and what went wrong."""
    taken: list[float] = []
    errors: list[str] = []
    with Ledger(url) as ledger:
        together.wait()
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            try:
                ledger.append(logged(len(taken)), at=START, actor=name)
            except LedgerError as error:
                errors.append(str(error))
            else:
                taken.append(time.perf_counter() - began)
    answers.put((taken, errors))


def show(title: str, rows: Iterator[tuple[str, str]]) -> None:
    print(title, flush=True)
    for name, figure in rows:
        print(f"  {name:<52}  {figure}", flush=True)


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
    main()
