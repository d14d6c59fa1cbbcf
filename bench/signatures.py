"""What it costs to sign the ledger, to check what was signed, and to prune it.

    python bench/signatures.py [--events 200000]

Fills a ledger on each database with training runs of 72 events, as the pipeline writes them, signs it, verifies it, and
removes what the last ten versions do not need. Prints a table for each.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from history import EVENTS_OF_A_RUN, fill
from ledger import append, in_turns, logged, show, spread, times

from windlass.ledger.ledger import Ledger
from windlass.ledger.notary import Notary
from windlass.ledger.retention import kept_for
from windlass.ledger.verification import Verification
from windlass.ledger.view import StateView
from windlass.records.paths import Paths

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import PostgresServer


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory() as folder, PostgresServer(durable=True) as server:
        for database, url in (("SQLite", f"sqlite:///{folder}/ledger.db"), ("PostgreSQL", server.new_url())):
            workspace = Path(folder, database)
            workspace.mkdir()
            show(database, measure(workspace, url, options.events))


def measure(folder: Path, url: str, count: int) -> Iterator[tuple[str, str]]:
    with Ledger(url) as ledger:
        runs = fill(ledger, product="flights", events=count) // EVENTS_OF_A_RUN
        now = ledger.events(newest=1)[0].at
        notary = Notary(ledger, Paths(folder))
        fence = ledger.acquire("bench", 36_000)
        assert fence is not None

        def sign(number: int) -> None:
            append(ledger, logged(number))
            notary.sign(at=now, actor="bench", fence=fence)

        alone, together = in_turns(lambda number: append(ledger, logged(number)), sign, count=200)
        yield "append one event", spread(alone)
        yield "append one event and sign it", spread(together)
        yield "look whether there is something to sign", spread(times(lambda _: ledger.head(), 200))
        yield "verify the chain alone", told(*timed(ledger.verify))
        yield "verify chain and signatures", told(*timed(notary.verify))
        versions = {"flights": [f"v{number}" for number in range(runs - 9, runs + 1)]}
        kept = kept_for(StateView(ledger).refresh(), versions, before=now)
        started, worked = time.perf_counter(), time.process_time()
        pruned = notary.prune(kept, at=now, actor="bench", fence=fence)
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        yield (
            f"prune: {pruned.removed:,} events removed, {pruned.gaps:,} gaps",
            f"{seconds:.1f} s with verifying it, {cpu:.1f} s of them this process",
        )
        yield "verify after that", told(*timed(notary.verify))
        yield "peak memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"


def timed(verify: Callable[[], Verification]) -> tuple[Verification, float, float]:
    """What was found, and the seconds on the clock and of this process."""
    started, worked = time.perf_counter(), time.process_time()
    found = verify()
    return found, time.perf_counter() - started, time.process_time() - worked


def told(found: Verification, seconds: float, cpu: float) -> str:
    assert found.ok, found.problems
    signed = f", {found.checkpoints} checkpoints" if found.signed_upto else ""
    return f"{seconds:.2f} s for {found.events:,} events{signed}, {cpu:.2f} s of them this process"


if __name__ == "__main__":
    main()
