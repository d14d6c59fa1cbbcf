"""Writers of captured answers and their committer, each a process of its own, killed again and again.

`capture.py write FOLDER NAME DURABILITY`, `capture.py append FOLDER NAME COUNT`, `capture.py commit FOLDER LAKE TOKEN`.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from windlass.lake.segments import SegmentWriter
from windlass.records.capture import PredictionBatch
from windlass.records.lease import Fence

PRODUCT = "flights"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
ROTATE_BYTES = 20_000
"""A new segment every hundred answers or so, so that many are killed as they begin one."""


def main() -> None:
    part, folder, *rest = sys.argv[1:]
    if part == "write":
        write(Path(folder), *rest)
    elif part == "append":
        append(Path(folder), rest[0], int(rest[1]))
    else:
        commit(Path(folder), Path(rest[0]), int(rest[1]))


def write(folder: Path, name: str, durability: str) -> None:
    """Append for ever, one row or several, and say which number is safe and how many rows it has."""
    writer = SegmentWriter(folder / name, durability=durability, rotate_bytes=ROTATE_BYTES)  # type: ignore[arg-type]
    for number in itertools.count():
        writer.append(batch(f"{name}-{number}", rows_of(number)))
        print(number, flush=True)  # noqa: T201 (the parent reads it)


def append(folder: Path, name: str, count: int) -> None:
    """Wait for a line, then append so often; any failure ends it with an error."""
    writer = SegmentWriter(folder / name, rotate_bytes=ROTATE_BYTES)
    sys.stdin.readline()
    for number in range(count):
        writer.append(batch(f"{name}-{number}", 1))


def commit(folder: Path, root: Path, token: int) -> None:
    """Take over the lake, and bring segments into it for ever."""
    from windlass.lake.lake import Lake

    fence = Fence(holder="committer", token=token)
    begin(root, fence)
    lake = Lake(root, fence)
    lake.claim()
    print("acts", flush=True)  # noqa: T201 (the parent reads it)
    while True:
        lake.commit_segments(PRODUCT, folder, NOON)


def begin(root: Path, fence: Fence) -> None:
    """What a take-over does in each store."""
    from windlass.staging import Staging

    root.mkdir(exist_ok=True)
    staging = Staging(root, fence)
    staging.begin()
    staging.retire_predecessors()


def batch(name: str, rows: int) -> PredictionBatch:
    return PredictionBatch(
        request_id=name,
        at=NOON,
        version="v1",
        stage="champion",
        latency_ms=1.0,
        ids=tuple(f"{name}-{row}" for row in range(rows)),
        keys=(None,) * rows,
        event_times=(None,) * rows,
        scores=(0.5,) * rows,
        rows=(b"{}",) * rows,
    )


def rows_of(number: int) -> int:
    return 1 if number % 4 else 16


class Writer:
    """A process that writes until it is killed, and what it has acknowledged."""

    def __init__(self, folder: Path, name: str, durability: str) -> None:
        self.name = name
        self.process = start("write", str(folder), name, durability)
        self.acknowledged = 0
        """Batches."""
        self.wrote = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def kill(self) -> None:
        self.process.kill()
        self._reader.join()
        self.process.wait()

    @property
    def ids(self) -> Iterator[str]:
        """Of every row that is safe by its word."""
        for number in range(self.acknowledged):
            yield from batch(f"{self.name}-{number}", rows_of(number)).ids

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.acknowledged = int(line) + 1
                self.wrote.set()
        self.wrote.set()


@dataclass
class Found:
    """What came of it."""

    writers_killed: int = 0
    committers_killed: int = 0
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    more: int = 0
    """Rows that were written, and whose writer was killed before it could say so."""
    left: list[str] = field(default_factory=list)
    """Files that should have gone; one that was never given its name (`.new`) holds nothing."""


def play(
    folder: Path, *, kills: int, seed: int, writers: int = 2, committer_every: int = 10, durability: str = "process"
) -> Found:
    """Kill so many writers, each after it has written for a random time, and now and then the committer."""
    import polars as pl

    from windlass.lake.lake import Lake

    dice, found, names = random.Random(seed), Found(), itertools.count()
    segments, root = folder / "segments", folder / "lake"
    tokens = itertools.count(1)

    def new_writer() -> Writer:
        return Writer(segments, f"w{next(names)}", durability)

    done: list[Writer] = []
    committer = new_committer(segments, root, next(tokens))
    try:
        while found.writers_killed < kills:
            together = [new_writer() for _ in range(writers)]
            done += together
            for writer in dice.sample(together, writers):
                writer.wrote.wait()
                time.sleep(dice.uniform(0, 0.03))
                writer.kill()
                found.writers_killed += 1
                if found.writers_killed % committer_every == 0:
                    committer.kill()
                    committer.communicate()
                    found.committers_killed += 1
                    committer = new_committer(segments, root, next(tokens))
    finally:
        for writer in done:
            writer.kill()
        committer.kill()
        committer.communicate()
    fence = Fence(holder="last", token=next(tokens))
    begin(root, fence)
    lake = Lake(root, fence)
    lake.claim()
    while lake.commit_segments(PRODUCT, segments, NOON).more:
        pass
    kept = lake.predictions(PRODUCT, columns=["prediction_id"]).get_column("prediction_id")
    safe = pl.Series([name for writer in done for name in writer.ids], dtype=pl.String)
    found.acknowledged = safe.len()
    found.lost = safe.len() - int(safe.is_in(kept.implode()).sum())
    found.twice = kept.len() - kept.n_unique()
    found.more = kept.n_unique() - safe.len() + found.lost
    found.left = [str(path) for path in segments.rglob("*") if path.is_file() and path.suffix != ".new"]
    return found


def new_committer(segments: Path, root: Path, token: int) -> subprocess.Popen[str]:
    """One that acts, in the place of whoever did before."""
    committer = start("commit", str(segments), str(root), str(token))
    assert committer.stdout is not None
    assert committer.stdout.readline() == "acts\n"
    return committer


@contextmanager
def together(folder: Path, *, writers: int, appends: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes that all begin to append at once."""
    processes = [start("append", str(folder), f"w{number}", str(appends)) for number in range(writers)]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


if __name__ == "__main__":
    main()
