"""How many of many harmless releases in a row are withdrawn: `windlass up`, its workers, HTTP.

    python bench/harmless_releases.py [--releases 55] [--callers 2] [--rate 60]

The same model is made again and again, and each goes through shadow, two canary stages and probation beside the one
before it, while callers ask about one row each, some of them again and again, and post what came of it. The first
call of a version in a process takes .4 s, as where much is loaded in it; one call in a thousand pauses. Printed
are the releases, those that were withdrawn and why, and how high the share of such can be (Clopper-Pearson, 95 %). 1
is returned if one was, or a caller got no answer.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from lateness import row_of, run
from scipy.stats import beta
from withdrawn import Harm, Load, Trial

from windlass.ledger.ledger import Ledger
from windlass.records.event import ReleaseFinished

RELEASE = 'wl.Release(shadow=100, canary=[0.1, 0.5], minimum=100, bake="2s", probation="{probation}s")'
NUISANCE = "if not KEPT: KEPT.append(time.sleep(0.4))\n            if random.random() < 0.001: time.sleep(0.3)"


class Ramps(Trial):
    """One project in which the same is released again and again."""

    def __init__(self, folder: Path, *, probation: int, load: Load) -> None:
        super().__init__(folder, Harm(ask=NUISANCE, champion=NUISANCE), load)
        self.release = RELEASE.format(probation=probation)
        self.callers = load.callers
        self.gap = load.callers / load.rate
        self.asked: list[tuple[dict[str, Any], bool]] = []

    def follow(self, releases: int) -> list[ReleaseFinished]:
        """How each release ended."""
        ended: list[ReleaseFinished] = []
        with self.up(), Ledger(self.paths.ledger_url("")) as ledger:
            threads = [threading.Thread(target=self.call, args=(seed, self.gap)) for seed in range(self.callers)]
            for thread in threads:
                thread.start()
            for version in (f"v{number}" for number in range(2, releases + 2)):
                self.write(ask=NUISANCE, c=1.0 + int(version[1:]) / 1e6)  # another source, the same model
                trained = run(self.folder, "train")
                assert version in trained.stdout, trained.stdout + trained.stderr
                ended.append(self.wait_until(partial(over, ledger, version), seconds=900))
                print(f"  {version}: {ended[-1].outcome}: {ended[-1].decision.reasons[0]}", flush=True)
            self.over.set()
            for thread in threads:
                thread.join()
        return ended

    def source(self, **what: Any) -> str:
        """As of any trial, but with a gate that turns down no chance difference: it is the release that is tried."""
        return super().source(**what).replace("at_least=0.6", "at_least=0.6, tolerance=0.1")

    def row(self, dice: random.Random) -> tuple[dict[str, Any], bool]:
        """Of now; every fifth is asked about again, the latest ones most often."""
        asked = self.asked
        if asked and dice.random() < 0.2:
            return asked[-int(len(asked) ** dice.random())]
        row, late = row_of(dice)
        asked.append(({**row, "at": datetime.now(UTC).isoformat()}, late))
        return asked[-1]


def over(ledger: Ledger, version: str) -> ReleaseFinished | None:
    """How the release of `version` ended; None: it has not."""
    ends = [event.body for event in ledger.events((ReleaseFinished,))]
    return next((body for body in ends if isinstance(body, ReleaseFinished) and body.version == version), None)


def main() -> int:
    """Let them happen, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=int, default=55)
    parser.add_argument("--callers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second, of all callers together")
    parser.add_argument("--probation", type=int, default=15, help="seconds")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        load = Load(callers=options.callers, rate=options.rate)
        ramps = Ramps(Path(folder), probation=options.probation, load=load)
        ended = ramps.follow(options.releases)
    withdrawn = [body for body in ended if body.outcome != "promoted"]
    most = beta.ppf(0.95, len(withdrawn) + 1, len(ended) - len(withdrawn))
    print(f"{len(withdrawn)} of {len(ended)} harmless releases withdrawn (with 95 % confidence at most {most:.1%})")
    print(f"{ramps.told:,} requests answered, {ramps.refused} not, the longest wait {ramps.longest:.1f} s")
    print(f"{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f} at the end")
    return int(bool(withdrawn) or ramps.refused > 0)


if __name__ == "__main__":
    raise SystemExit(main())
