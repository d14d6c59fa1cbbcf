"""How a step's outputs lie on disk.

Frames are uncompressed Arrow IPC files: written at the disk's pace and mapped when they are read. Every step reads
what the step before has written, also within one run, so that a run that was interrupted goes on with the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
import polars as pl

Record = TypeVar("Record")


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    frame.rechunk().write_ipc(path, compression="uncompressed")


def read_frame(path: Path) -> pl.DataFrame:
    return pl.read_ipc(path)


def write_record(record: object, path: Path) -> None:
    """JSON with dicts in their own order, which may mean something: the columns of a pin, say."""
    path.write_bytes(msgspec.json.encode(record))


def read_record(path: Path, kind: type[Record]) -> Record:
    return msgspec.json.decode(path.read_bytes(), type=kind)
