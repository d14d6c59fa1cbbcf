"""How often windlass retrains where nothing changes and more rows bring nothing.

Run: python bench/still_streams.py [--streams 8] [--rows 6000]

The default estimator and policy, twenty windows. Of `noise` nothing can be learned: the label is a coin. Of `cells` all
is known at once: two columns of whole numbers, of which one tells. Releases of a stream on average, how many candidates
were judged for that, and how much better than the first model the loop was.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl

from windlass.backtest import replay
from windlass.backtest.file import FileRequest, stream_from_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--rows", type=int, default=6000)
    given = parser.parse_args()
    for kind in ("noise", "cells"):
        found = [_replayed(kind, given.rows, seed) for seed in range(given.streams)]
        releases, judged, gain = np.mean(found, axis=0)
        print(f"{kind:<6} {releases:.2f} releases of {judged:.1f} candidates, AUC {gain:+.4f}", flush=True)


def _replayed(kind: str, rows: int, seed: int) -> tuple[int, int, float]:
    random = np.random.default_rng(seed)
    columns = random.normal(size=(rows, 4))
    label = random.random(rows) < 0.5
    if kind == "cells":
        columns = columns[:, :2].round()
        label = columns[:, 0] + random.normal(size=rows) > 0
    frame = pl.DataFrame({f"column {place}": values for place, values in enumerate(columns.T)})
    path = Path(tempfile.mkdtemp()) / "still.parquet"
    frame.with_columns(at=pl.int_range(rows), label=pl.Series(label.astype(int))).write_parquet(path)
    with patch.object(replay, "NAMES", ("frozen", "windlass")):
        result = replay.run_backtest(stream_from_file(FileRequest(path=path, target="label", time="at")))
    frozen, own = (result.policies[name] for name in ("frozen", "windlass"))
    judged = sum(event.kind == "gate.decided" for event in result.events)
    return own.retrains, judged, (own.metric or np.nan) - (frozen.metric or np.nan)


if __name__ == "__main__":
    main()
