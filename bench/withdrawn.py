"""After how many requests a harmful version is withdrawn from a real canary: `windlass up`, its workers, HTTP.

    python bench/withdrawn.py [--share 0.25] [--callers 2] [--only NAME]

`bench/ramps.py` plays the same by chance; here they happen. A first version answers; then the code of the project is
changed, a second version is trained, passes the gate and goes into a canary that it could only leave after a million
rows. It does its harm in serving alone, where no gate sees it. Callers ask one row each and post its outcome at once,
until the ledger says that the release is over; of two that do no harm, for a minute, in which it must not be. Printed
are the rows that the second version was asked until two seconds before (what came then had to be captured and looked
at) and until then, beside the limit stated in
docs/explanation/decisions.md; how many requests were answered and how many not; and the reason of the Decision.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.records.event import ReleaseFinished
from windlass.records.paths import Paths

PRODUCT = "lateness"
SOURCE = """
import random
import sys
import time
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression

import windlass as wl

SERVES = sys.argv[0].endswith("serving/worker.py")
KEPT = []


class Model(LogisticRegression):
    def predict_proba(self, rows):
        scores = super().predict_proba(rows)
        if SERVES:
            {answer}
        return scores


class Lateness(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    estimator = Model(C={c})
    gate = wl.Gate("roc_auc", at_least=0.6)
    release = {release}
    retrain = wl.Retrain(every="3650d")

    def extract(self, since):
        return pl.read_parquet(Path(__file__).parent / "history.parquet")

    def features(self, rows):
        if SERVES:
            {ask}
        return rows.select("wind", "rain")
"""


class Harm(NamedTuple):
    """What the second version does, the first does in its place, and the stated limit in rows."""

    ask: str = "pass"
    answer: str = "pass"
    champion: str = "pass"
    limit: int | None = None
    unanswered: float = 0.0
    """The part of the requests that may stay without an answer, since the first version fails as well."""
    pause: float = 0.0
    """Seconds between two requests of a caller."""
    harmless: bool = False


FAILS = "if random.random() < {}: raise RuntimeError('the service that it asks is away')"
PAUSES = "if random.random() < 0.001: time.sleep(1.5)"
HARMS = {
    "fails on 2 % in place of 1 %": Harm(
        ask=FAILS.format(0.02), champion=FAILS.format(0.01), limit=10_000, unanswered=0.02
    ),
    "3 times slower": Harm(ask="time.sleep(0.015)", champion="time.sleep(0.005)", limit=400),
    "answers NaN": Harm(answer="scores[:] = float('nan')", limit=20),
    "answers a constant": Harm(answer="scores[:] = 0.5", limit=25),
    "worse on outcomes": Harm(answer="if random.random() < 0.15: scores = scores[:, ::-1]", limit=1_500),
    "leaks 1 MB a request": Harm(ask="KEPT.append(bytearray(b'x' * 2**20))", limit=None, pause=0.05),
    "hangs on one in ten": Harm(ask="if random.random() < 0.1: time.sleep(1e6)", limit=None),
    "loads for 2.5 s in its first call": Harm(ask="if not KEPT: KEPT.append(time.sleep(2.5))", harmless=True),
    "pauses once in 1,000 calls, as the first": Harm(ask=PAUSES, champion=PAUSES, harmless=True),
}


def main() -> int:
    """Let each harm happen, and print the table; 1 if one was beyond its limit, or anybody was not answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--callers", type=int, default=2)
    parser.add_argument("--only", choices=HARMS, action="append")
    options = parser.parse_args()
    print(
        f"canary on {options.share:.0%} of the keys, {options.callers} callers; rows that it was asked until withdrawn"
    )
    release = f'wl.Release(canary=[{options.share}], minimum=1_000_000, probation="7d")'
    wrong = 0
    for name in options.only or HARMS:
        with tempfile.TemporaryDirectory() as folder:
            wrong += Trial(Path(folder), HARMS[name], release=release, callers=options.callers).run(name)
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    return int(wrong > 0)


class Trial:
    """One project with one harm."""

    def __init__(self, folder: Path, harm: Harm, *, release: str, callers: int = 1) -> None:
        self.folder, self.harm, self.release, self.callers = folder, harm, release, callers
        self.paths = Paths(folder / ".windlass")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.over = threading.Event()
        self.told = self.refused = 0
        self.longest = 0.0

    def run(self, name: str) -> bool:
        """Whether something was wrong."""
        with self.up():
            self.write(ask=self.harm.ask, answer=self.harm.answer, c=0.1)
            self.train()
            threads = [threading.Thread(target=self.call, args=(seed,)) for seed in range(self.callers)]
            for thread in threads:
                thread.start()
            began = time.monotonic()
            with Ledger(self.paths.ledger_url("")) as ledger:
                if self.harm.harmless:
                    finished = found_within(60, lambda: withdrawn(ledger))
                else:
                    finished = self.wait_until(lambda: withdrawn(ledger), seconds=600)
            seconds = time.monotonic() - began
            self.over.set()
            for thread in threads:
                thread.join()
        rows = Lake(self.paths.lake).predictions(PRODUCT, stages=["canary"]).filter(pl.col("version") == "v2")
        left = self.refused > self.harm.unanswered * self.told
        callers = f"{self.told:,} answered, {self.refused} not, the longest wait {self.longest:.1f} s"
        if finished is None:
            print(f"  {name}: not withdrawn after {rows.height:,} rows in {seconds:.0f} s; {callers}.", flush=True)
            return left
        before = rows.filter(pl.col("at") < finished.at - timedelta(seconds=2)).height
        limit, release = self.harm.limit, finished.body
        stated = "" if limit is None else f" (at most {limit:,})"
        print(f"  {name}: {before:,}{stated}, {rows.height:,} in {seconds:.0f} s; {callers}.", flush=True)
        print(f"    {release.decision.reasons[0]}", flush=True)
        return before > (limit or rows.height) or left or self.harm.harmless or release.outcome != "rolled_back"

    def write(self, *, ask: str, answer: str = "pass", c: float) -> None:
        source = SOURCE.format(ask=ask, answer=answer, c=c, release=self.release)
        (self.folder / "lateness.py").write_text(source)

    @contextmanager
    def up(self) -> Iterator[None]:
        """`windlass up`, once the first version answers."""
        made_up_rows(400).write_parquet(self.folder / "history.parquet")
        (self.folder / "windlass.toml").write_text(f"port = {self.port}\n")
        self.write(ask=self.harm.champion, c=1.0)
        command = [sys.executable, "-m", "windlass", "up", "--project", str(self.folder)]
        with (self.folder / "said").open("w") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
            try:
                self.wait_until(self.version)
                yield
            finally:
                self.over.set()
                process.terminate()
                process.wait()

    def train(self) -> None:
        """Make the second version of what the source is now."""
        trained = self.command("train")
        assert "v2" in trained.stdout, trained.stdout + trained.stderr

    def version(self) -> str | None:
        """Who answers."""
        told = self.post(self.connect(), "predict", {"rows": [row_of(random.Random())[0]]})
        return None if told is None else str(told["predictions"][0]["version"])

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "windlass", *words, "--project", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, seed: int) -> None:
        """Ask for one row after the other, and say how each turned out."""
        dice, connection = random.Random(seed), self.connect()
        while not self.over.is_set():
            row, late = row_of(dice)
            began = time.monotonic()
            told = self.post(connection, "predict", {"rows": [row]})
            self.longest = max(self.longest, time.monotonic() - began)
            if told is None:
                self.refused += 1
                continue
            self.told += 1
            outcome = {"prediction_id": told["predictions"][0]["id"], "value": late}
            self.post(connection, "outcomes", {"outcomes": [outcome]})
            time.sleep(self.harm.pause)

    def post(self, connection: http.client.HTTPConnection, what: str, body: Any) -> Any:
        """What the answer says; None if there is none."""
        try:
            connection.request("POST", f"/{what}", json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            content = reply.read()
        except OSError:
            connection.close()
            time.sleep(0.1)
            return None
        return json.loads(content) if reply.status in {200, 202} else None

    def wait_until(self, found: Any, *, seconds: float = 120) -> Any:
        if value := found_within(seconds, found):
            return value
        raise SystemExit((self.folder / "said").read_text()[-3000:] + f"\nnothing came of it in {seconds:.0f} s")


def found_within(seconds: float, found: Any) -> Any:
    """What `found` gives as soon as it gives anything; None if it does not in so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.1)
    return None


def withdrawn(ledger: Ledger) -> Any:
    """The event that ends the release of the second version."""
    events = ledger.events((ReleaseFinished,))
    return next((each for each in events if isinstance(each.body, ReleaseFinished) and each.body.version == "v2"), None)


def row_of(dice: random.Random) -> tuple[dict[str, Any], bool]:
    """A row with a key of its own, and how it turns out."""
    wind, rain = dice.gauss(0, 1), dice.gauss(0, 1)
    row = {"id": f"{dice.getrandbits(60):x}", "at": "2026-03-01T10:00:00Z", "wind": wind, "rain": rain}
    return row, wind + 0.5 * dice.gauss(0, 1) > 0


def made_up_rows(count: int) -> pl.DataFrame:
    random = np.random.default_rng(7)
    wind, rain = random.normal(size=(2, count))
    hours = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2027, 1, 1), "1h", eager=True).head(count)
    late = wind + 0.5 * random.normal(size=count) > 0
    return pl.DataFrame({"id": map(str, range(count)), "at": hours, "wind": wind, "rain": rain, "late": late})


if __name__ == "__main__":
    raise SystemExit(main())
