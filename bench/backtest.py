"""What the loop costs on top of fits and predictions, and what the encoding costs one row.

Run: python bench/backtest.py [DATA --target COL --time COL ...], with the options of `windlass backtest`. Without
arguments a stream is made up. `evenly` is `every-window` with as many retrains as windlass, evenly spaced. With
`--shuffle SEED` rows change places while the times stay, so that nothing can drift: what the loop releases then, it
releases for more rows or by chance. Threads are kept at one, so that a busy machine does not distort the shares.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
import polars as pl

from windlass.backtest import replay
from windlass.backtest.file import FileRequest, stream_from_file
from windlass.backtest.policies import Periodic
from windlass.backtest.reading import read_file
from windlass.backtest.replay import run_backtest
from windlass.backtest.result import BacktestResult
from windlass.backtest.stream import Stream, Window
from windlass.backtest.summary import best_fixed, gain_over_frozen
from windlass.backtest.trainer import Trainer
from windlass.product.model.encoder import FrameEncoder

LIMIT = 0.15


def main() -> None:
    request = asked_for(__doc__)
    stream = stream_from_file(request)
    started = perf_counter()
    result = run_backtest(stream)
    result = with_evenly(result, stream)
    print(f"{request.path.name}: {result.rows:,} rows, {result.metric}, {perf_counter() - started:.1f} s in all")
    print(
        f"{'policy':<14}{'metric':>9}{'retrains':>10}{'fits':>6}{'fit s':>8}{'predict s':>11}{'overhead s':>12}  share"
    )
    for name, policy in result.policies.items():
        timing = result.timings[name]
        metric = "-" if policy.metric is None else f"{policy.metric:.4f}"
        print(
            f"{name:<14}{metric:>9}{policy.retrains:>10}{policy.fits:>6}{timing.fit:>8.2f}{timing.predict:>11.2f}"
            f"{timing.overhead:>12.3f}{timing.overhead_share:>8.1%}"
        )
    _share(result)
    released = {event.window for event in result.events if event.detail.startswith("retrained")}
    decided = [event for event in result.events if event.kind == "retrain.decided" and event.window in released]
    triggers = Counter(str(event.decision.numbers["trigger"]) for event in decided if event.decision is not None)
    print(f"releases of windlass: {', '.join(f'{count} for {name}' for name, count in triggers.items()) or 'none'}")
    share = result.timings["windlass"].overhead_share
    print(
        f"overhead of windlass: {share:.1%} of its fits and predictions, the first fit included (at most {LIMIT:.0%})"
    )
    _encoding()


class Evenly(Periodic):
    """Retrains before a few windows on all labels known by then."""

    def __init__(self, *, stream: Stream, trainer: Trainer, first: Any, windows: int, retrains: int) -> None:
        super().__init__(stream=stream, trainer=trainer, first=first, stretch=None)
        self._at = set(np.linspace(0, windows, retrains + 2)[1:-1].round().astype(int).tolist())

    def run(self, index: int, window: Window) -> np.ndarray[Any, Any]:
        return super().run(index if index in self._at else 0, window)


def with_evenly(result: BacktestResult, stream: Stream) -> BacktestResult:
    """The result with one more policy: as many retrains as windlass made, evenly spaced."""
    retrains = result.policies["windlass"].retrains

    def evenly(_name: str, stream: Stream, trainer: Trainer, first: Any, spans: list[Window]) -> Evenly:
        return Evenly(stream=stream, trainer=trainer, first=first, windows=len(spans), retrains=retrains)

    with patch.object(replay, "NAMES", ("evenly",)), patch.object(replay, "_policy", evenly):
        other = run_backtest(stream, windows=len(result.windows))
    return msgspec.structs.replace(
        result, policies=result.policies | other.policies, timings=result.timings | other.timings
    )


def _share(result: BacktestResult) -> None:
    best = best_fixed(result)
    gain = gain_over_frozen(result, best) if best else None
    for name in ("windlass", "evenly"):
        own = gain_over_frozen(result, name)
        if gain and own is not None:
            print(f"share of {name} of what {best} gains over frozen: {own / gain:.2f}")


def asked_for(what: str | None) -> FileRequest:
    """What the arguments ask for; `what` the script does."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("data", nargs="?", type=Path)
    for option in ("--target", "--time", "--label-time", "--label-delay", "--drop"):
        parser.add_argument(option)
    parser.add_argument("--shuffle", type=int)
    given = parser.parse_args()
    if given.shuffle is not None and given.label_time is not None:
        parser.error("--shuffle leaves no label time that fits its row")
    request = _given(given)
    return request if given.shuffle is None else _shuffled(request, given.shuffle)


def _shuffled(request: FileRequest, seed: int) -> FileRequest:
    """The same rows in another order, at the same times."""
    frame = read_file(request.path, [])
    order = np.random.default_rng(seed).permutation(frame.height)
    path = Path(tempfile.mkdtemp()) / "shuffled.parquet"
    frame[order].with_columns(frame[request.time].sort()).write_parquet(path)
    return replace(request, path=path)


def _given(given: argparse.Namespace) -> FileRequest:
    if given.data is None:
        path = Path(tempfile.mkdtemp()) / "made-up.parquet"
        made_up(50_000).write_parquet(path)
        return FileRequest(path=path, target="label", time="when")
    return FileRequest(
        path=given.data,
        target=given.target,
        time=given.time,
        label_time=given.label_time,
        label_delay=given.label_delay,
        drop=tuple((given.drop or "").split(",")) if given.drop else (),
    )


def made_up(rows: int) -> pl.DataFrame:
    """Ten columns, and a relation that turns in the middle."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(6, rows))
    sign = np.where(np.arange(rows) < rows / 2, 1, -1)
    label = (numbers[0] * sign + 0.5 * numbers[1] + random.normal(size=rows) > 0).astype(int)
    return pl.DataFrame(
        {
            "when": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=10 * n) for n in range(rows)],
            **{f"number {place}": values for place, values in enumerate(numbers)},
            **{f"category {size}": [f"c{n}" for n in random.integers(0, size, rows)] for size in (4, 40, 400)},
            "label": label,
        }
    )


def _encoding() -> None:
    frame = made_up(100_000).drop("label")
    for style in ("codes", "trees", "dense"):
        encoder = FrameEncoder(style=style, regression=False).fit(frame.head(20_000), np.arange(20_000) % 2)
        one = frame.head(1)
        single = np.median([_seconds(encoder, one) for _ in range(300)])
        batch = _seconds(encoder, frame)
        print(f"encoding as {style:<6} one row {single * 1e3:.3f} ms, 100,000 rows {batch * 1e3:.0f} ms")


def _seconds(encoder: FrameEncoder, frame: pl.DataFrame) -> float:
    started = perf_counter()
    encoder.transform(frame)
    return perf_counter() - started


if __name__ == "__main__":
    main()
