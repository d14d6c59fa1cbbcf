"""Reading segments back: which there are, whether their writer still lives, and the records in them."""

from __future__ import annotations

import fcntl
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from windlass.errors import LakeError
from windlass.lake.segments import CHECK, HEAD, MAGIC, PREAMBLE, SUFFIX, same_lengths
from windlass.records.capture import Captured, PredictionBatch

_NAME = re.compile(rf"(?P<writer>\d+-[0-9a-f]+)\.(?P<index>\d{{8,}}){re.escape(SUFFIX)}")
_decoder = msgspec.msgpack.Decoder(Captured)


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one writer."""

    path: Path
    writer: str
    """Unique to one run of one worker, also when a pid comes again."""
    index: int
    """0, 1, ...: the files of a writer in the order they were written."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a segment from some offset on."""

    records: list[tuple[int, Captured]]
    """Each batch with the offset of its end."""
    end: int
    """Where reading stopped: up to here everything is whole."""
    stop: Literal["end", "finished", "torn", "corrupt"]
    """Why: end of the file, the writer's own mark, half a record at the end, or bytes that no writer wrote."""


def list_segments(folder: Path) -> dict[str, list[Segment]]:
    """The segments of all workers below `folder`, by writer, in order and without a gap.

    A listing that runs while files are made may show a later file and miss an earlier one. So only files up to the
    last one of a first listing are taken from a second: whatever came before those was there when it began.
    """
    last: dict[str, int] = {}
    for segment in _listing(folder):
        last[segment.writer] = max(segment.index, last.get(segment.writer, -1))
    found: dict[str, list[Segment]] = {}
    for segment in sorted(_listing(folder), key=lambda each: (each.writer, each.index)):
        if segment.index <= last.get(segment.writer, -1):
            found.setdefault(segment.writer, []).append(segment)
    return found


def _listing(folder: Path) -> Iterator[Segment]:
    for path in folder.rglob(f"*{SUFFIX}"):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            yield Segment(path=path, writer=match["writer"], index=int(match["index"]))


def has_writer(path: Path) -> bool:
    """Whether a process still holds the segment and may append to it.

    Raises FileNotFoundError when it is gone, and LakeError when that cannot be told.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    return False


def read_segment(path: Path, start: int = 0) -> Reading:
    """Every whole record from the offset `start` (0, or the end of a record) on.

    Raises FileNotFoundError when the file is gone, and LakeError when it cannot be read at all.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    if start == 0:
        if data[: len(MAGIC)] != MAGIC:
            return Reading(records=[], end=0, stop="torn" if MAGIC.startswith(data) else "corrupt")
        return _read(data, position=len(MAGIC), shift=0)
    return _read(data, position=0, shift=start)


def _read(data: bytes, *, position: int, shift: int) -> Reading:
    records: list[tuple[int, Captured]] = []
    stop: Literal["end", "finished", "torn", "corrupt"] = "end"
    view = memoryview(data)
    while position < len(data):
        if len(data) - position < HEAD:
            stop = "torn"
            break
        preamble = view[position : position + PREAMBLE.size]
        length, checksum = PREAMBLE.unpack(preamble)
        if CHECK.unpack_from(data, position + PREAMBLE.size) != (zlib.crc32(preamble),):
            stop = "corrupt" if any(view[position:]) else "torn"  # a power cut may leave a tail of zeros
            break
        end = position + HEAD + length
        if length == 0:
            stop = "finished" if end == len(data) else "corrupt"
            break
        if end > len(data):
            stop = "torn"
            break
        batch = _decode(view[position + HEAD : end], checksum)
        if batch is None:
            stop = "corrupt"
            break
        records.append((shift + end, batch))
        position = end
    return Reading(records=records, end=shift + position, stop=stop)


def _decode(payload: memoryview, checksum: int) -> Captured | None:
    """The batch, or None when the bytes are not what was written."""
    if zlib.crc32(payload) != checksum:
        return None
    try:
        batch: Captured = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if isinstance(batch, PredictionBatch) and not same_lengths(batch):
        return None
    return batch


def _unreadable(path: Path, error: OSError) -> LakeError:
    return LakeError(
        f"a segment cannot be read: {error.strerror}",
        where=str(path),
        remedy="the user who runs the controller must be able to read what the serving workers write",
    )


def set_aside(segment: Segment) -> Path:
    """Take a damaged segment out of the way, kept for a person to look at."""
    aside = segment.path.with_name(segment.path.name + ".corrupt")
    segment.path.replace(aside)
    return aside
