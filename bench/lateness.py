"""A project with one product, its made-up past and requests, and the commands on it."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

T = TypeVar("T")
PRODUCT = "lateness"
HISTORY = "history.parquet"
SOURCE = """
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression

import windlass as wl


class Lateness(wl.Product):
    task = wl.BinaryClassification(target="late", time="at", key="id")
    estimator = LogisticRegression()

    def extract(self, since):
        return pl.read_parquet(Path(__file__).parent / "history.parquet")

    def features(self, rows):
        return rows.select("wind", "rain")
"""


def write_project(folder: Path, source: str = SOURCE, **settings: Any) -> None:
    """The product, 400 rows of its past, and the settings."""
    folder.mkdir(exist_ok=True)
    made_up_rows(400).write_parquet(folder / HISTORY)
    write_source(folder, source)
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    (folder / "windlass.toml").write_text("".join(lines))


def write_source(folder: Path, source: str) -> None:
    (folder / f"{PRODUCT}.py").write_text(source)


def made_up_rows(count: int) -> pl.DataFrame:
    random = np.random.default_rng(7)
    wind, rain = random.normal(size=(2, count))
    hours = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2027, 1, 1), "1h", eager=True).head(count)
    late = wind + 0.5 * random.normal(size=count) > 0
    return pl.DataFrame({"id": map(str, range(count)), "at": hours, "wind": wind, "rain": rain, "late": late})


def row_of(dice: random.Random) -> tuple[dict[str, Any], bool]:
    """A row with a key of its own, and how it turns out."""
    wind, rain = dice.gauss(0, 1), dice.gauss(0, 1)
    row = {"id": f"{dice.getrandbits(60):x}", "at": "2026-03-01T10:00:00Z", "wind": wind, "rain": rain}
    return row, wind + 0.5 * dice.gauss(0, 1) > 0


def line(folder: Path, *words: str) -> list[str]:
    """A `windlass` command on the project."""
    return [sys.executable, "-m", "windlass", *words, "--project", str(folder)]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line(folder, *words), capture_output=True, text=True, check=False)


@contextmanager
def up(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`windlass up`, which says what it says in the file `said`."""
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(line(folder, "up"), stdout=said, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def found_within(seconds: float, look: Callable[[], T | None], *, every: float = 0.1) -> T | None:
    """What `look` gives as soon as it gives anything; None if it does not in so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(every)
    return None
