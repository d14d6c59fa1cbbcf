"""From how many more labels on is it worth asking whether those that came early help? A backtest for each threshold.

    python bench/early_labels.py DATA --target COL --time COL (--label-time COL | --slow PARTS) [--every N]

`--label-time` names when each label came. With `--slow 0.03,0.1` labels of two classes are made late: one of the class
that is coded 1 takes this part of the stream's length on average, one of the other a tenth of that (exponential,
seeded). `--every` takes each Nth row. Told are what frozen and every-window make of it, and for each threshold the
metric of windlass and at how many of its releases labels that came early were learned from. A threshold that would
have answered every question as the one before did is not run again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl

from windlass.backtest import challenger, replay
from windlass.backtest.file import FileRequest, stream_from_file
from windlass.backtest.reading import read_file
from windlass.backtest.timeline import read_time
from windlass.decisions.earliness import early_labels_help

THRESHOLDS = (0.0, 0.1, 0.25, float("inf"))
_KNOWN = "label known at"


class Asked:
    """Stands in for the two judgements of `decisions.earliness`, under another threshold, and keeps what was asked."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.helped: list[float] = []
        """How many more labels there were, of each time that they were learned from."""
        self._more = 0.0

    def worth_asking(self, *, known: int, standing: int) -> bool:
        self._more = known / standing - 1
        return self._more > 0 and self._more >= self.threshold

    def helps(self, *given: object, **named: object) -> bool:
        found = early_labels_help(*given, **named)  # type: ignore[arg-type]
        if found:
            self.helped.append(self._more)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    for option in ("--target", "--time"):
        parser.add_argument(option, required=True)
    for option in ("--label-time", "--slow", "--drop"):
        parser.add_argument(option)
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    if (given.label_time is None) == (given.slow is None):
        parser.error("give --label-time or --slow")
    frame = read_file(given.data, [])
    request = FileRequest(
        path=given.data,
        target=given.target,
        time=given.time,
        label_time=given.label_time or _KNOWN,
        drop=tuple((given.drop or "").split(",")) if given.drop else (),
    )
    for slow in (given.slow or "nan").split(","):
        late = frame if given.label_time else _late(frame, request, float(slow))
        path = Path(tempfile.mkdtemp()) / "late.parquet"
        late.gather_every(given.every).write_parquet(path)
        told = "labels as they came" if given.label_time else f"slow class {float(slow):.0%} of the time"
        print(f"{given.data.name}, {told}: {_compared(replace(request, path=path))}", flush=True)


def _late(frame: pl.DataFrame, request: FileRequest, slow: float) -> pl.DataFrame:
    order = read_time(frame[request.time])
    at = (
        order.cast(pl.Float64) if order.dtype.is_numeric() else order.cast(pl.Datetime("us")).to_physical()
    ).to_numpy()
    classes = frame[request.target].cast(pl.Float64).to_numpy()
    mean = np.where(classes == 1, slow, slow / 10) * float(at.max() - at.min())
    known = pl.Series(_KNOWN, at + np.random.default_rng(0).exponential(mean))
    return frame.with_columns(known if order.dtype.is_numeric() else known.cast(pl.Int64).cast(pl.Datetime("us")))


def _compared(request: FileRequest) -> str:
    stream = stream_from_file(request)
    with patch.object(replay, "NAMES", ("frozen", "every-window")):
        fixed = replay.run_backtest(stream).policies
    parts = [f"{name} {policy.metric:.4f}" for name, policy in fixed.items()]
    last: tuple[str, list[float]] | None = None
    for threshold in THRESHOLDS:
        if last is None or any(more < threshold for more in last[1]):
            asked = Asked(threshold)
            with (
                patch.object(replay, "NAMES", ("windlass",)),
                patch.object(challenger, "worth_asking", asked.worth_asking),
                patch.object(challenger, "early_labels_help", asked.helps),
            ):
                policy = replay.run_backtest(stream).policies["windlass"]
            last = f"{policy.metric:.4f} ({len(asked.helped)} of {policy.retrains})", asked.helped
        parts.append(f"{'off' if threshold == float('inf') else f'{threshold:.0%}'} {last[0]}")
    return "; ".join(parts)


if __name__ == "__main__":
    main()
