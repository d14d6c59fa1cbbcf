"""What the lake costs: segments, commits, the join of labels, ingest and pins.

    python bench/lake.py [--rows 1000000] [--commits 1000] [--folder DIR]

Prints a table; takes about a minute on an idle machine. A captured row is 20 numbers as JSON, some 480 bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import deltalake
import numpy as np
import polars as pl

from windlass.lake import segments as segments_of
from windlass.lake.lake import Lake
from windlass.lake.segments import SegmentWriter
from windlass.product.policy import Outcome
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.lease import Fence
from windlass.staging import Staging

START = datetime(2024, 1, 1, tzinfo=UTC)
REQUEST = json.dumps({f"feature_{number}": number * 1.37 for number in range(20)}).encode()
OUTCOME = Outcome(within="7d", absent=0)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="predictions that labels are joined to")
    parser.add_argument("--commits", type=int, default=1_000)
    parser.add_argument("--part", choices=["segments", "floor", "commits", "joins", "sets"], help="this alone")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure; default: the temporary one")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )
    print(f"deltalake {deltalake.__version__}, polars {pl.__version__}, load {os.getloadavg()[0]:.1f} at the start\n")
    for part in (segments, floor, commits, joins, sets):
        if options.part not in (None, part.__name__):
            continue
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for name, figure in part(Path(folder), options):
                print(f"{name:<62}  {figure}", flush=True)


def segments(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """Writing down answers, and bringing a backlog into the lake."""
    durabilities: tuple[Literal["process", "power"], ...] = ("process", "power")
    for durability in durabilities:
        for size, count in ((64, 1_500), (1, 4_000)):
            writer = SegmentWriter(folder / f"{durability}-{size}", durability=durability)
            batches = [answers(number, size) for number in range(count)]
            each = times(writer.append, batches)
            writer.close()
            yield f"append {size} rows, {durability}", f"{size * count / sum(each):>9,.0f} rows/s   {spread(each)}"
    for size, count in ((64, 1_600), (1, 4_000)):
        writer = SegmentWriter(folder / f"threads-{size}", durability="power")
        batches = [answers(number, size) for number in range(count)]
        threads = [threading.Thread(target=times, args=(writer.append, batches[part::16])) for part in range(16)]
        seconds = took(partial(run, threads))
        yield f"append {size} rows, power, from 16 threads", f"{size * count / seconds:>9,.0f} rows/s"
    lake, backlog = new_lake(folder / "lake"), folder / "process-64"
    seconds = took(lambda: lake.commit_segments("bench", backlog, START))
    yield "commit a backlog in batches of 64", f"{96_000 / seconds:>9,.0f} rows/s"


def floor(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """What durability `power` costs one caller above the disk: in turn with the same bytes, written and synced alone.

    The last line is for a file whose blocks were written before, so that a sync need not tell of a longer file.
    """
    count, batches = 600, [answers(number, 64) for number in range(600)]
    record = segments_of.frame_record(segments_of._encode(batches[0]))
    writer = SegmentWriter(folder / "floor", durability="power", rotate_bytes=2 * count * len(record))
    grown = os.open(folder / "grown", os.O_RDWR | os.O_CREAT)
    written = os.open(folder / "written", os.O_RDWR | os.O_CREAT)
    os.pwrite(written, bytes(count * len(record)), 0)
    os.fsync(written)

    def put(file: int, number: int) -> None:
        os.pwrite(file, record, number * len(record))
        os.fdatasync(file)

    each: dict[str, list[float]] = {"the segment": [], "a file that grows": [], "a file that is overwritten": []}
    for number, batch in enumerate(batches):
        works = [partial(writer.append, batch), partial(put, grown, number), partial(put, written, number)]
        for seconds, work in zip(each.values(), works, strict=True):
            seconds.append(took(work))
    for name, seconds in each.items():
        yield (
            f"64 rows ({len(record):,} bytes) into {name}",
            f"{64 * count / sum(seconds):>9,.0f} rows/s   {spread(seconds)}",
        )


def commits(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """A busy day: many commits of a few rows each."""
    lake, writer = new_lake(folder / "lake"), SegmentWriter(folder / "segments")
    each = []
    for number in range(options.commits):
        writer.append(answers(number, 10))
        each.append(took(lambda: lake.commit_segments("bench", folder / "segments", START)))
    yield "commit 10 rows, the first 50 times", spread(each[:50])
    yield f"commit 10 rows, the last 50 of {options.commits:,} times", spread(each[-50:])
    nothing = [took(lambda: lake.commit_segments("bench", folder / "segments", START)) for _ in range(100)]
    yield "commit when there is nothing new", spread(nothing)
    (info,) = lake.tables()
    held = sum(file.stat().st_size for file in lake.root.rglob("*") if file.is_file())
    yield "files that hold the rows; bytes in use, bytes on the disk", f"{info.files}; {info.bytes:,}, {held:,}"
    yield "open and read all after that", f"{took(lambda: Lake(lake.root).predictions('bench')):.3f} s"


def joins(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Labels for a million answers: half by id, a quarter by key with a correction each, a quarter never."""
    lake, rows = new_lake(folder), options.rows
    number = pl.int_range(rows, dtype=pl.Int64)
    predictions = pl.select(
        prediction_id=pl.format("p-{}", number),
        request_id=pl.format("r-{}", number // 64),
        row=number % 64,
        at=pl.lit(START) + pl.duration(seconds=number),
        version=pl.lit("v1"),
        stage=pl.lit("champion"),
        key=pl.format("k-{}", number),
        event_time=pl.lit(START) + pl.duration(seconds=number),
        score=pl.lit(0.5),
        probabilities=pl.lit(None, dtype=pl.List(pl.Float64)),
        latency_ms=pl.lit(1.0),
        batch_rows=pl.lit(64, dtype=pl.Int64),
        request=pl.lit(REQUEST.decode()),
        features=pl.lit(None, dtype=pl.String),
        error=pl.lit(None, dtype=pl.String),
    )
    later = pl.col("at") + timedelta(days=1)
    null = pl.lit(None, dtype=pl.String)
    by_id = predictions[: rows // 2].select("prediction_id", key=null, value=pl.lit("1"), observed_at=later)
    by_key = predictions[rows // 2 : 3 * rows // 4].select(
        prediction_id=null, key="key", value=pl.lit("0"), observed_at=later
    )
    corrected = by_key.with_columns(value=pl.lit("1"), observed_at=pl.col("observed_at") + timedelta(hours=1))
    outcomes = pl.concat([by_id, by_key, corrected]).with_columns(
        received_at=pl.col("observed_at"), request_id=pl.lit("r")
    )
    # Straight into the tables: how rows come there is measured above.
    lake._table("bench", "predictions").append(predictions)
    lake._table("bench", "outcomes").append(outcomes)
    as_of = START + timedelta(days=30)
    few = ["version", "score", "event_time"]
    of = f"of {rows:,} predictions and {outcomes.height:,} outcomes"
    seconds = best(lambda: lake.labelled("bench", outcome=OUTCOME, as_of=as_of, columns=few))
    yield f"labelled, three columns, {of}", f"{seconds:.2f} s"
    yield "labelled, the default columns", f"{best(lambda: lake.labelled('bench', outcome=OUTCOME, as_of=as_of)):.2f} s"
    since = START + timedelta(seconds=rows * 0.99)
    recent = best(lambda: lake.labelled("bench", outcome=OUTCOME, as_of=as_of, since=since))
    yield "labelled, the last hundredth", f"{recent:.2f} s"
    yield "one prediction by its id", f"{best(lambda: lake.predictions('bench', prediction_id='p-77')):.3f} s"
    yield from late(lake, folder)


def late(lake: Lake, folder: Path) -> Iterator[tuple[str, str]]:
    """10,000 labels that come later, by their captured answers' ids, twenty times: written down, and committed."""
    before = data_files(lake)
    writer = SegmentWriter(folder / "late")
    written, committed = [], []
    for number in range(20):
        labels = OutcomeBatch(
            request_id=f"late-{number}",
            received_at=START + timedelta(days=20, seconds=number),
            outcomes=tuple(
                OutcomeRow(prediction_id=f"p-{10_000 * number + row}", value=1, observed_at=START + timedelta(days=20))
                for row in range(10_000)
            ),
        )
        written.append(took(partial(writer.append, labels)))
        committed.append(took(lambda: lake.commit_segments("bench", folder / "late", START)))
    yield "10,000 late labels on them: written down, when it is acknowledged", spread(written)
    yield "and committed to the lake", spread(committed)
    gone = before.keys() - data_files(lake).keys()
    yield "data files of before that were rewritten or removed", f"{len(gone)} of {len(before)}"


def data_files(lake: Lake) -> dict[Path, tuple[int, int]]:
    """The parquet files of all tables, with size and time of the last change."""
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in lake.root.rglob("*.parquet")}


def sets(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """Examples as large as a year of departures from New York, with twenty columns."""
    lake, rows, random = new_lake(folder), 336_776, np.random.default_rng(0)
    number = pl.int_range(rows, dtype=pl.Int64)
    frame = pl.select(flight=number, scheduled=pl.lit(START) + pl.duration(seconds=90 * number)).with_columns(
        *(pl.Series(f"number_{column}", random.normal(size=rows)) for column in range(13)),
        *(pl.Series(f"text_{column}", random.choice(["UA", "AA", "DL", "B6"], rows)) for column in range(5)),
    )

    def ingest(part: pl.DataFrame) -> Any:
        return lake.ingest("bench", "main", part, time="scheduled", key="flight", now=START)

    yield f"ingest {rows:,} rows x 20 columns", f"{took(lambda: ingest(frame)):.2f} s"
    yield "ingest all of them again", f"{took(lambda: ingest(frame)):.2f} s"
    yield "ingest the last 1,000 again", f"{best(lambda: ingest(frame.tail(1_000))):.3f} s"
    outcomes = pl.select(
        prediction_id=pl.lit(None, dtype=pl.String),
        key=pl.int_range(1_000).cast(pl.String),
        value=pl.lit("1"),
        observed_at=pl.lit(START),
    )
    seconds = took(lambda: lake.append_outcomes("bench", outcomes, request_id="r", now=START))
    yield "append 1,000 outcomes", f"{seconds:.3f} s"
    policy: dict[str, Any] = {
        "time": "scheduled",
        "key": "flight",
        "outcome": OUTCOME,
        "as_of": START + timedelta(days=400),
    }
    seconds = best(lambda: lake.pin("bench", **policy))
    yield "pin them", f"{seconds:.2f} s"
    _, pin = lake.pin("bench", **policy)
    yield "read the pin", f"{best(lambda: lake.read(pin)):.2f} s"
    later = frame.with_columns(flight=pl.col("flight") + rows // 2)
    yield "ingest as many new rows, half of them of known keys", f"{took(lambda: ingest(later)):.2f} s"


def answers(number: int, size: int) -> PredictionBatch:
    return PredictionBatch(
        request_id=f"r-{number}",
        at=START + timedelta(seconds=number),
        version="v1",
        stage="champion",
        latency_ms=1.2,
        ids=tuple(f"p-{number:09d}{row:09d}" for row in range(size)),
        keys=tuple(f"k-{number}-{row}" for row in range(size)),
        event_times=(START,) * size,
        scores=(0.25,) * size,
        rows=(REQUEST,) * size,
    )


def run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def new_lake(root: Path) -> Lake:
    """A lake that may be written to."""
    fence = Fence(holder="bench", token=1)
    Staging(root, fence).begin()
    return Lake(root, fence)


def took(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def best(work: Callable[[], Any]) -> float:
    """Of three: the machine may have other things to do."""
    return min(took(work) for _ in range(3))


def times(work: Callable[[Any], Any], arguments: list[Any]) -> list[float]:
    return [took(partial(work, argument)) for argument in arguments]


def spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"median {statistics.median(ordered) * 1e3:.3f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.3f} ms"


if __name__ == "__main__":
    main()
