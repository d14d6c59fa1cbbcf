from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from threadpoolctl import threadpool_limits

from windlass.backtest.file import FileRequest, stream_from_file

START = datetime(2024, 1, 1, tzinfo=UTC)


def drifting(rows: int = 3000, *, change: float | None = 0.5, seed: int = 0, kind: str = "binary") -> pl.DataFrame:
    """Hourly rows; at `change` of them the relation of features and label turns round, and `regime` says so."""
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(2, rows))
    sign = np.where(np.arange(rows) < rows * (1 if change is None else change), 1.0, -1.0)
    signal = 2 * sign * first + 0.5 * second
    if kind == "regression":
        label = signal + random.normal(size=rows)
    elif kind == "multiclass":
        label = np.digitize(signal + random.normal(size=rows), [-1.0, 1.0])
    else:
        label = (random.random(rows) < 1 / (1 + np.exp(-signal))).astype(np.int64)
    return pl.DataFrame(
        {
            "when": [START + timedelta(hours=n) for n in range(rows)],
            "first": first,
            "second": second,
            "regime": sign + random.normal(size=rows) / 10,
            "place": [f"place {n}" for n in random.integers(0, 5, rows)],
            "label": label,
        }
    )


@pytest.fixture(autouse=True)
def _one_thread():
    """Models this small only wait for each other's threads."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def make_stream(tmp_path: Path):
    """A stream of a frame, written to a file and read as a user's would be."""

    def make(frame: pl.DataFrame, **request):
        path = tmp_path / "data.parquet"
        frame.write_parquet(path)
        numeric = request.get("task") == "regression"
        given = {
            "target": "label",
            "time": "when",
            "estimator": LinearRegression() if numeric else LogisticRegression(),
        }
        return stream_from_file(FileRequest(path=path, **(given | request)))

    return make
