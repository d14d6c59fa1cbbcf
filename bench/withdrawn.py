"""After how many requests a harmful version is withdrawn from a real canary: `windlass up`, its workers, HTTP.

    python bench/withdrawn.py [--share 0.25] [--rate 200] [--callers 8] [--only NAME]

`bench/ramps.py` plays the same by chance; here they happen. A first version answers; then the code of the project is
changed, a second version is trained, passes the gate and goes into a canary that it could only leave after a million
rows. It does its harm in serving alone, where no gate sees it. Callers ask one row each and post its outcome at once,
until the second version is asked no more; of two that do no harm, for a minute, in which it must not be withdrawn.
Printed are all rows that the second version was asked, beside what docs/explanation/decisions.md states: so many until
the evidence is there, and what comes in one second more, until it has reached the lake, the judge and the workers. Ends
with 1 if one was asked more, if a harmless one went, or if anybody was not answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from lateness import PRODUCT, found_within, free_port, row_of, run, up, write_project, write_source

from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.records.event import ReleaseFinished
from windlass.records.paths import Paths

REACHES_SECONDS = 1.0
"""In which evidence is captured, brought into the lake and judged, and the verdict reaches the workers."""
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


def fails(rows, part, unit):
    # In passing: not when such a row is asked about alone once more.
    for wind in rows["wind"]:
        if wind / unit % 1 < part and (len(rows) > 1 or wind not in KEPT):
            if len(rows) == 1:
                KEPT.append(wind)
            raise RuntimeError("the service that it asks is away")


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
    """What the second version does, what the first does in its place, and the stated limit in rows."""

    ask: str = "pass"
    answer: str = "pass"
    champion: str = "pass"
    limit: int | None = None
    """Rows that the evidence may take; None: it does no harm, and stays."""
    unanswered: float = 0.0
    """The part of the requests that may stay without an answer, since the first version fails as well."""
    rate: float | None = None
    """Requests a second, in place of the bench's own."""


PAUSES = "if random.random() < 0.001: time.sleep(1.5)"
HARMS = {
    "fails on 2 % in place of 1 %": Harm(
        ask="fails(rows, 0.02, 1e-6)", champion="fails(rows, 0.01, 1e-7)", limit=10_000, unanswered=0.02
    ),
    "3 times slower": Harm(ask="time.sleep(0.015)", champion="time.sleep(0.005)", limit=400),
    "answers NaN": Harm(answer="scores[:] = float('nan')", limit=20),
    "answers a constant": Harm(answer="scores[:] = 0.5", limit=25),
    "worse on outcomes": Harm(answer="if random.random() < 0.15: scores = scores[:, ::-1]", limit=1_500),
    "leaks 1 MB a request": Harm(ask="KEPT.append(bytearray(b'x' * 2**20))", limit=375, rate=28.0),
    "hangs on one in ten": Harm(ask="if random.random() < 0.1: time.sleep(1e6)", limit=150),
    "loads for 2.5 s in its first call": Harm(ask="if not KEPT: KEPT.append(time.sleep(2.5))"),
    "pauses once in 1,000 calls, as the first": Harm(ask=PAUSES, champion=PAUSES),
}


def main() -> int:
    """Let each harm happen, and print the table; 1 if a stated number was passed, or anybody was not answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second, of all callers together")
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--only", choices=HARMS, action="append")
    options = parser.parse_args()
    print(f"canary on {options.share:.0%} of the keys; rows that it was asked, and how many at most by what is stated")
    wrong = []
    for name in options.only or HARMS:
        harm = HARMS[name]
        load = Load(callers=options.callers, rate=harm.rate or options.rate, share=options.share)
        with tempfile.TemporaryDirectory() as folder:
            if not Trial(Path(folder), harm, load).run(name):
                wrong.append(name)
    print(f"load {os.getloadavg()[0]:.1f} at the end; not as stated: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


class Load(NamedTuple):
    """Who asks, and how much of it the second version gets."""

    callers: int = 1
    rate: float = math.inf
    share: float = 0.25

    @property
    def on_top(self) -> int:
        """What the canary is asked in the time that the withdrawal may take to reach the workers."""
        return math.ceil(self.rate * self.share * REACHES_SECONDS)


class Trial:
    """One project with one harm."""

    def __init__(self, folder: Path, harm: Harm, load: Load | None = None) -> None:
        self.folder, self.harm, self.load = folder, harm, load
        canary = "" if load is None else f'canary=[{load.share}], minimum=1_000_000, probation="7d"'
        self.release = f"wl.Release({canary})"
        self.paths = Paths(folder / ".windlass")
        self.port = free_port()
        self.over = threading.Event()
        self.told = self.refused = self.again = 0
        self.longest = 0.0
        self.said = Counter[str]()
        """What those were told who got no answer."""

    def run(self, name: str) -> bool:
        """Whether all was as stated."""
        assert self.load is not None
        with self.up():
            self.write(ask=self.harm.ask, answer=self.harm.answer, c=0.1)
            self.train()
            self.said.clear()  # of who asked before
            self.again = 0
            gap = self.load.callers / self.load.rate
            threads = [threading.Thread(target=self.call, args=(seed, gap)) for seed in range(self.load.callers)]
            for thread in threads:
                thread.start()
            began = time.monotonic()
            with Ledger(self.paths.ledger_url("")) as ledger:
                if self.harm.limit is None:
                    finished = found_within(60, lambda: withdrawn(ledger))
                else:
                    finished = self.wait_until(lambda: withdrawn(ledger), seconds=600)
            seconds = time.monotonic() - began
            self.over.wait(REACHES_SECONDS)  # what still reaches it counts
            self.over.set()
            for thread in threads:
                thread.join()
        rows = Lake(self.paths.lake).predictions(PRODUCT, stages=["canary"]).filter(pl.col("version") == "v2").height
        answered = self.refused <= self.harm.unanswered * self.told
        callers = (
            f"{self.told:,} answered, {self.refused} not, {self.again} sent again, {self.longest:.1f} s the longest"
        )
        for told, times in self.said.most_common(3):
            print(f"    {times} times: {told}", flush=True)
        if finished is None or self.harm.limit is None:
            stayed = finished is None
            print(f"  {name}: {'stayed' if stayed else 'WITHDRAWN'}, {rows:,} rows in {seconds:.0f} s; {callers}.")
            return answered and stayed
        most, decision = self.harm.limit + self.load.on_top, finished.body.decision
        print(f"  {name}: {rows:,} (at most {self.harm.limit:,} + {self.load.on_top}) in {seconds:.0f} s; {callers}.")
        print(f"    judged by {decision.numbers.get('requests', 'none')} of them: {decision.reasons[0]}", flush=True)
        return answered and rows <= most and finished.body.outcome == "rolled_back"

    def write(self, *, ask: str, answer: str = "pass", c: float) -> None:
        write_source(self.folder, self.source(ask=ask, answer=answer, c=c))

    def source(self, *, ask: str, answer: str = "pass", c: float) -> str:
        return SOURCE.format(ask=ask, answer=answer, c=c, release=self.release)

    @contextmanager
    def up(self) -> Iterator[None]:
        """`windlass up`, once the first version answers."""
        write_project(self.folder, self.source(ask=self.harm.champion, c=1.0), port=self.port)
        try:
            with up(self.folder):
                self.wait_until(self.version)
                yield
        finally:
            self.over.set()

    def train(self) -> None:
        """Make the second version of what the source is now."""
        trained = run(self.folder, "train")
        assert "v2" in trained.stdout, trained.stdout + trained.stderr

    def version(self) -> str | None:
        """Who answers."""
        told = self.post(self.connect(), "predict", {"rows": [row_of(random.Random())[0]]})
        return None if told is None else str(told["predictions"][0]["version"])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, seed: int, gap: float) -> None:
        """Ask for one row every `gap` seconds, or as soon as there is an answer, and say how each turned out."""
        assert self.load is not None
        dice, connection = random.Random(seed), self.connect()
        due = time.monotonic() + gap * seed / self.load.callers  # or all would ask at once, and share a call
        while not self.over.wait(max(0.0, due - time.monotonic())):
            began = time.monotonic()
            due = max(due + gap, began)
            row, late = self.row(dice)
            told = self.post(connection, "predict", {"rows": [row]})
            self.longest = max(self.longest, time.monotonic() - began)
            if told is None:
                self.refused += 1
                continue
            self.told += 1
            outcome = {"prediction_id": told["predictions"][0]["id"], "value": late}
            self.post(connection, "outcomes", {"outcomes": [outcome]})

    def row(self, dice: random.Random) -> tuple[dict[str, Any], bool]:
        return row_of(dice)

    def post(self, connection: http.client.HTTPConnection, what: str, body: Any) -> Any:
        """What the answer says; None if there is none. What met a worker's end is sent again."""
        message = json.dumps(body)
        try:
            try:
                reply, content = self.exchange(connection, what, message)
            except ConnectionError:
                connection.close()
                self.again += 1
                reply, content = self.exchange(connection, what, message)
        except OSError:
            connection.close()
            time.sleep(0.1)
            return None
        if reply.status not in {200, 202}:
            self.said[content.decode()] += 1
            return None
        return json.loads(content)

    def exchange(
        self, connection: http.client.HTTPConnection, what: str, message: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection.request("POST", f"/{what}", message, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply, reply.read()

    def wait_until(self, found: Any, *, seconds: float = 120) -> Any:
        if value := found_within(seconds, found):
            return value
        raise SystemExit((self.folder / "said").read_text()[-3000:] + f"\nnothing came of it in {seconds:.0f} s")


def withdrawn(ledger: Ledger) -> Any:
    """The event that ends the release of the second version."""
    events = ledger.events((ReleaseFinished,))
    return next((each for each in events if isinstance(each.body, ReleaseFinished) and each.body.version == "v2"), None)


if __name__ == "__main__":
    raise SystemExit(main())
