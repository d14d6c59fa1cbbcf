"""Processes that the tests start and kill.

`child.py write|fill FOLDER`, `child.py commit FOLDER LAKE`, `child.py crash FOLDER LAKE POINT`, `child.py grow LAKE`.
"""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from windlass.errors import LakeError
from windlass.lake.segments import SegmentWriter
from windlass.records.capture import PredictionBatch
from windlass.records.lease import Fence

FENCE = Fence(holder="test", token=1)


def batch(name: str) -> PredictionBatch:
    return PredictionBatch(
        request_id="r",
        at=datetime(2024, 3, 1, 12, tzinfo=UTC),
        version="v1",
        stage="champion",
        latency_ms=1.0,
        ids=(name,),
        keys=(None,),
        event_times=(None,),
        scores=(0.5,),
        rows=(b"{}",),
    )


def write(folder: Path) -> None:
    """Append for ever; print a number once its batch is safe."""
    writer = SegmentWriter(folder, rotate_bytes=20_000)
    for number in itertools.count():
        writer.append(batch(f"p{number}"))
        print(number, flush=True)  # noqa: T201 (the parent reads it)


def fill(folder: Path) -> None:
    """Write until the disk is full. A limit on the size of files stands for it: the kernel takes half a record."""
    writer = SegmentWriter(folder)
    writer.append(batch("p1"))
    (path,) = folder.iterdir()
    size = path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
    try:
        writer.append(batch("p2"))
    except LakeError as error:
        print("refused:", error.what)  # noqa: T201
    assert path.stat().st_size == size
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    writer.append(batch("p3"))


def commit(folder: Path, root: str) -> None:
    """Bring segments into the lake for ever; print how many rows each call took."""
    from windlass.lake.lake import Lake

    lake = Lake(Path(root), FENCE)
    while True:
        committed = lake.commit_segments("flights", folder, datetime(2024, 3, 1, tzinfo=UTC))
        print(committed.predictions.height, flush=True)  # noqa: T201


def crash(folder: Path, root: str, point: str) -> None:
    """Commit once, and die by SIGKILL at `point`: a place in the code, before or after it has run."""
    from windlass.lake import commit as module
    from windlass.lake.lake import Lake
    from windlass.lake.table import Table

    moment, _, place = point.partition(" ")
    owner, name = {
        "predictions": (Table, "append"),
        "outcomes": (Table, "append"),
        "compaction": (Table, "tidy"),
        "settle": (Table, "settle"),
        "deletion": (module.Path, "unlink"),  # type: ignore[attr-defined]
        "setting aside": (module, "set_aside"),
    }[place]
    _die(owner, name, before=moment == "before", only="outcomes" if place == "outcomes" else None)
    Lake(Path(root), FENCE).commit_segments("flights", folder, datetime(2024, 3, 1, tzinfo=UTC))


def grow(root: Path) -> None:
    """Bring in rows, then as many that are known as are new, and print how many MB more that took at its peak."""
    import polars as pl

    from windlass.lake.lake import Lake

    lake = Lake(root, FENCE)

    def bring(rows: int) -> int:
        number = pl.int_range(rows, dtype=pl.Int64)
        frame = pl.select(flight=number, scheduled=pl.lit(datetime(2024, 3, 1)) + pl.duration(seconds=number))  # noqa: DTZ001
        lake.ingest("flights", "main", frame, time="scheduled", key="flight", now=datetime(2024, 4, 1, tzinfo=UTC))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = bring(15_000)
    print((bring(30_000) - before) // 1_024)  # noqa: T201


def _die(owner: Any, name: str, *, before: bool, only: str | None) -> None:
    real: Callable[..., Any] = getattr(owner, name)

    def deadly(*arguments: Any, **keywords: Any) -> Any:
        if only is not None and arguments[0].path.name != only:
            return real(*arguments, **keywords)
        if not before:
            real(*arguments, **keywords)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(owner, name, deadly)


if __name__ == "__main__":
    parts: dict[str, Callable[..., None]] = {
        "write": write,
        "fill": fill,
        "commit": commit,
        "crash": crash,
        "grow": grow,
    }
    parts[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
