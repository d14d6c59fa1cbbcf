"""What it costs to sign the ledger, to check what was signed, and to prune it.

    python bench/signatures.py [--events 200000] [--url sqlite:///PATH]

Fills a ledger with training runs of 64 events, as the pipeline writes them, signs it, verifies it, and removes what the
last ten versions do not need. Prints a table.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from ledger import START, append, logged, run_of_events, spread, times

from windlass.ledger.ledger import Ledger
from windlass.ledger.notary import Notary
from windlass.ledger.retention import kept_for
from windlass.ledger.verification import Verification
from windlass.ledger.view import StateView
from windlass.records.paths import Paths


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--url", default="", help="an empty database; default: a file in the temporary folder")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory() as folder:
        rows = list(measure(Path(folder), options.url or f"sqlite:///{folder}/ledger.db", options.events))
    width = max(len(name) for name, _ in rows)
    for name, figure in rows:
        print(f"{name:<{width}}  {figure}")


def measure(folder: Path, url: str, count: int) -> Iterator[tuple[str, str]]:
    with Ledger(url) as ledger:
        notary = Notary(ledger, Paths(folder))
        fence = ledger.acquire("bench", 36_000)
        assert fence is not None
        written = run = 0
        while written < count:
            batch = list(run_of_events(run))
            append(ledger, *batch, fence=fence, at=START + timedelta(hours=6 * run))
            written, run = written + len(batch), run + 1
        now = START + timedelta(hours=6 * run)

        def sign(number: int) -> None:
            append(ledger, logged(number))
            notary.sign(at=now, actor="bench", fence=fence)

        alone = times(lambda number: append(ledger, logged(number)), 200)
        together = times(sign, 200)
        yield "append one event", spread(alone)
        yield "append one event and sign it", spread(together)
        yield "look whether there is something to sign", spread(times(lambda _: ledger.head(), 200))
        yield "verify the chain alone", told(*timed(ledger.verify))
        yield "verify chain and signatures", told(*timed(notary.verify))
        kept = kept_for(
            StateView(ledger).refresh(), {"flights": [f"v{number}" for number in range(run - 10, run)]}, before=now
        )
        started = time.perf_counter()
        pruned = notary.prune(kept, at=now, actor="bench", fence=fence)
        seconds = time.perf_counter() - started
        yield f"prune: {pruned.removed:,} events removed, {pruned.gaps:,} gaps", f"{seconds:.1f} s, with verifying it"
        yield "verify after that", told(*timed(notary.verify))
        yield "peak memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"


def timed(verify: Callable[[], Verification]) -> tuple[Verification, float]:
    started = time.perf_counter()
    found = verify()
    return found, time.perf_counter() - started


def told(found: Verification, seconds: float) -> str:
    assert found.ok, found.problems
    signed = f", signed up to {found.signed_upto:,}" if found.signed_upto else ""
    return f"{seconds:.2f} s for {found.events:,} events{signed}"


if __name__ == "__main__":
    sys.exit(main())
