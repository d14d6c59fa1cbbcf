"""The model of `serving_costs.py` as a product of its own that `windlass up` trains, serves, captures and watches."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import psutil

from served import models

SOURCE = """
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import windlass as wl


class Watched(wl.Product):
    task = wl.BinaryClassification(target="y")
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    retrain = wl.Retrain(every="3650d")

    def extract(self, since):
        return pl.read_parquet(Path(__file__).parent / "history.parquet")
"""
_PATIENCE = 120.0


@contextmanager
def watched(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of its `/predict`, and the process of its worker."""
    folder.mkdir()
    (folder / "watched.py").write_text(SOURCE)
    rows, labels = models.sample()
    columns = {f"x{place}": column for place, column in enumerate(rows.T)}
    pl.DataFrame(columns | {"y": labels.astype(bool)}).write_parquet(folder / "history.parquet")
    told = folder / "told"
    with told.open("w") as output:
        loop = subprocess.Popen(
            [sys.executable, "-m", "windlass", "up", "--port", "0", "--workers", "1", "--project", str(folder)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = _url(told, loop)
        _wait_for_answer(f"{url}/watched/ping")
        (worker,) = (
            child.pid for child in psutil.Process(loop.pid).children() if "windlass.serving.worker" in child.cmdline()
        )
        yield f"{url}/watched/predict", worker
    finally:
        loop.terminate()
        loop.wait()


def _wait_for_answer(url: str) -> None:
    """Until the first version is loaded, which a busy machine takes seconds for."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=_PATIENCE).close()
        except urllib.error.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} is not ready")


def _url(told: Path, loop: subprocess.Popen[bytes]) -> str:
    """Where it serves, as soon as the first version is the champion."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and loop.poll() is None:
        text = told.read_text()
        served = re.search(r"serving on (http://\S+)", text)
        if served and "v1 answers" in text:
            return served[1]
        time.sleep(0.1)
    raise SystemExit(f"windlass up did not answer:\n{told.read_text()}")
