"""What a champion that hangs on some rows costs everybody else: `windlass up`, its workers, HTTP.

    python bench/hanging.py [--workers 1] [--seconds 90] [--rate 100] [--callers 8] [--only NAME]

The champion hangs on rows of one key alone. Callers ask for other rows all the while, and one more sends that row again
and again, as soon as it has an answer. In the last case it is a second version, on probation, that hangs on one row in
256 of everybody's: how long until the first one answers again. Printed is what others were told, how long they waited,
and what the one who sends that row was told, with the settings as they are. A broken connection is tried once more.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lateness import PRODUCT, found_within, free_port, row_of, run, up, write_project, write_source

from windlass.ledger.ledger import Ledger
from windlass.records.decision import Decision
from windlass.records.event import ReleaseFinished
from windlass.records.paths import Paths

SOURCE = """
import ctypes
import sys
import time
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression

import windlass as wl

SERVES = sys.argv[0].endswith("serving/worker.py")


class Lateness(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    estimator = LogisticRegression(C={c})
    release = wl.Release(probation="7d")

    def extract(self, since):
        return pl.read_parquet(Path(__file__).parent / "history.parquet")

    def features(self, rows):
        if SERVES and {when}:
            {hangs}
        return rows.select("wind", "rain")
"""
POISON = '"poison" in rows["id"]'
HANGS = {
    "waits": "time.sleep(1e6)",
    "computes": "while True: pass",
    "keeps the interpreter": "ctypes.PyDLL(None).sleep(1_000_000)",
}
ON_PROBATION = "waits, on probation"


def main() -> None:
    """Let each kind of hanging happen, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second of all callers together")
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--only", help="one of them")
    options = parser.parse_args()
    for name in (*HANGS, ON_PROBATION):
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                Case(Path(folder), options).run(name)


class Case:
    """A project with a champion, its callers, and what they were told."""

    def __init__(self, folder: Path, options: Any) -> None:
        self.folder, self.options, self.port = folder, options, free_port()
        self.over = threading.Event()
        self.told: dict[str, Counter[str]] = {"others": Counter(), "poison": Counter()}
        self.waits: list[float] = []

    def run(self, name: str) -> None:
        hangs = HANGS.get(name, HANGS["waits"])
        first = SOURCE.format(c=1.0, when="False" if name == ON_PROBATION else POISON, hangs=hangs)
        write_project(self.folder, first, port=self.port, workers=self.options.workers)
        with up(self.folder):
            found_within(120, lambda: self.ask("f") == "200 v1")
            callers = [threading.Thread(target=self.call, args=(seed,)) for seed in range(self.options.callers)]
            for caller in callers:
                caller.start()
            if name == ON_PROBATION:
                print(f"{name}: {self.until_rolled_back():.1f} s until the first version answers again", flush=True)
            else:
                self.poison()
            self.over.set()
            for caller in callers:
                caller.join()
        waits = sorted(self.waits)
        print(f"{name}: others {dict(self.told['others'])}, that row {dict(self.told['poison'])}")
        beyond = "  ".join(f"{limit:g} s: {sum(wait > limit for wait in waits)}" for limit in (0.1, 1, 3, 10, 30))
        print(f"    longest {waits[-1]:.1f} s; waited longer than  {beyond}", flush=True)

    def call(self, seed: int) -> None:
        dice, gap = random.Random(seed), self.options.callers / self.options.rate
        while not self.over.wait(gap):
            began = time.monotonic()
            self.told["others"][self.ask(str(row_of(dice)[0]["id"]))] += 1
            self.waits.append(time.monotonic() - began)

    def poison(self) -> None:
        until = time.monotonic() + self.options.seconds
        while time.monotonic() < until:
            self.told["poison"][self.ask("poison")] += 1

    def until_rolled_back(self) -> float:
        """Seconds from the promotion of a version that hangs on one row in 256."""
        write_source(
            self.folder, SOURCE.format(c=0.1, when='rows["id"].str.ends_with("00").any()', hangs="time.sleep(1e6)")
        )
        assert "v2" in run(self.folder, "train").stdout
        found_within(60, lambda: self.ask("f") == "200 v2", every=0.02)
        began = time.monotonic()
        ledger = Ledger(Paths(self.folder / ".windlass").ledger_url(""))
        back = found_within(300, lambda: rolled_back(ledger))
        found_within(60, lambda: self.ask("f") == "200 v1", every=0.02)
        print(f"    {'nothing came of it' if back is None else back.reasons[0]}", flush=True)
        return time.monotonic() - began

    def ask(self, key: str) -> str:
        """The status, and the version that has answered."""
        row = {"id": key, "at": "2026-03-01T10:00:00Z", "wind": 0.5, "rain": 0.1}
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            try:
                body = json.dumps({"rows": [row]})
                connection.request("POST", f"/{PRODUCT}/predict", body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                content = json.loads(reply.read())
                answered = content.get("predictions", [{}])[0].get("version", "")
                return f"{reply.status} {answered}".strip()
            except OSError as error:
                broken = type(error).__name__
                time.sleep(0.05)
            finally:
                connection.close()
        return broken


def rolled_back(ledger: Ledger) -> Decision | None:
    """Why the second version was; None: it has not been."""
    ends = (event.body for event in ledger.events((ReleaseFinished,)) if isinstance(event.body, ReleaseFinished))
    return next((body.decision for body in ends if body.version == "v2" and body.outcome == "rolled_back"), None)


if __name__ == "__main__":
    main()
