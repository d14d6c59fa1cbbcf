"""Write-ahead segments: where a serving worker puts an answer before it gives it.

A segment is a file of records, and this module is all that a worker needs to write one (no polars, no Delta).

    file    = MAGIC record* [END]
    record  = length u32 | crc32 of the payload u32 | crc32 of the eight bytes before u32 | payload (msgpack)
    END     = a record of length 0: the writer is done with this file

A writer holds an exclusive flock on its segment for as long as it may write to it. The kernel drops the lock with the
process, so a segment without a lock has no writer any more, however that writer ended. A file gets its name only after
it was locked, so no reader ever sees one that is not locked yet, and it is never renamed afterwards.

The name is `<pid>-<random>.<index>.segment`: pid and random make one writer, index counts its files from 0.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Literal

import msgspec

from windlass.errors import LakeError
from windlass.records.capture import Captured, PredictionBatch

MAGIC = b"windseg1"
SUFFIX = ".segment"
UNNAMED = ".new"
"""Of a file that its writer is about to begin, in place of the other; nothing is in it yet."""
PREAMBLE = struct.Struct("<II")
CHECK = struct.Struct("<I")
HEAD = PREAMBLE.size + CHECK.size

_FOLDERS = 4
"""Above a worker's own: the product's, that of all segments, the workspace, the project."""
_encoder = msgspec.msgpack.Encoder()


def frame_record(payload: bytes) -> bytes:
    """`payload` with its length and checksums before it."""
    preamble = PREAMBLE.pack(len(payload), zlib.crc32(payload))
    return b"".join((preamble, CHECK.pack(zlib.crc32(preamble)), payload))


END = frame_record(b"")


class SegmentWriter:
    """Appends captured batches for one worker; may be shared by threads.

    `durability` is what a batch has survived when `append` returns: `process` a crash of this process, `power` also a
    power cut (concurrent callers share one fdatasync). The first file is made by the first batch.
    """

    def __init__(
        self, folder: Path, *, durability: Literal["process", "power"] = "process", rotate_bytes: int = 8 * 2**20
    ) -> None:
        self._folder = folder
        self._power = durability == "power"
        self._rotate_bytes = rotate_bytes
        self._writer = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._index = 0
        self._rooted = False
        """The folders above the segments are on the disk."""
        self._fd: int | None = None
        self._size = 0
        self._path = folder
        # Bytes over all files of this writer: written, known to be on the disk, and given up after a failed sync.
        self._written = 0
        self._synced = 0
        self._given_up = 0
        self._broken = False
        # Taken in this order. Whoever syncs holds only the second, so that others write meanwhile.
        self._writing = threading.Lock()
        self._syncing = threading.Lock()

    def append(self, *batches: Captured) -> None:
        """Keep `batches`, all or none of them; they are durable when this returns.

        Raises LakeError when they could not be kept; the segment stays valid, and later batches may succeed.
        """
        record = b"".join(frame_record(_encode(batch)) for batch in batches)
        with self._writing:
            full = self._size + len(record) > self._rotate_bytes and self._size > len(MAGIC)
            if full or self._broken:
                self._finish()
            ticket = self._write(record)
        if self._power:
            self._sync(ticket)

    def close(self) -> None:
        """Finish the segment; whatever was appended stays. A later `append` begins another one."""
        with self._writing:
            self._finish()

    def forget(self) -> None:
        """For a process that was forked: give back its share of the file, and of the lock on it, without a word."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write(self, record: bytes) -> int:
        fd = self._open() if self._fd is None else self._fd
        try:
            _write_all(fd, record)
        except OSError as error:
            self._cut_back(fd)
            raise LakeError(
                f"the batch could not be written: {error.strerror}",
                where=str(self._path),
                remedy="free space on this disk; the segment holds everything that was written before",
            ) from error
        self._size += len(record)
        self._written += len(record)
        return self._written

    def _cut_back(self, fd: int) -> None:
        """Take half a record away again; if not even that works, leave the file as it is and never touch it again."""
        try:
            os.ftruncate(fd, self._size)
        except OSError:
            self._abandon()

    def _sync(self, ticket: int) -> None:
        """Wait until the first `ticket` bytes are on the disk; one sync serves all who came before it began."""
        with self._syncing:
            if self._given_up < ticket and self._synced < ticket and self._fd is not None:
                self._bring_to_disk(self._fd)
            if ticket <= self._given_up or self._synced < ticket:
                raise LakeError(
                    "the batch could not be synced to the disk",
                    where=str(self._path),
                    remedy="look at the disk (dmesg); what was acknowledged before is safe",
                )

    def _bring_to_disk(self, fd: int) -> None:
        target = self._written
        try:
            _fdatasync(fd)
        except OSError:
            # The kernel may now call the lost pages clean, so a later sync would lie: the file is not used again.
            self._given_up = target
            self._broken = True
        else:
            self._synced = target

    def _open(self) -> int:
        """A new segment, locked before it gets its name."""
        path = self._folder / f"{self._writer}.{self._index:08d}{SUFFIX}"
        hidden = path.with_suffix(UNNAMED)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._cannot_open(path, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(fd, MAGIC)
            hidden.rename(path)
            if self._power:
                os.fsync(fd)
                # The first time up to the project: any of these folders may be as new, whoever has made it.
                for folder in (self._folder, *self._folder.parents[: 0 if self._rooted else _FOLDERS]):
                    sync_file(folder)
                self._rooted = True
        except OSError as error:
            os.close(fd)
            for leftover in (hidden, path):
                with contextlib.suppress(OSError):
                    leftover.unlink(missing_ok=True)
            self._index += 1
            raise self._cannot_open(path, error) from error
        self._path = path
        self._index += 1
        self._size = len(MAGIC)
        self._fd = fd
        return fd

    def _cannot_open(self, path: Path, error: OSError) -> LakeError:
        return LakeError(
            f"a segment could not be made: {error.strerror}",
            where=str(path),
            remedy="the folder must be writable and its disk must have space",
        )

    def _finish(self) -> None:
        """Mark the file as done, bring it to the disk, give the lock back."""
        with self._syncing:
            if self._fd is None:
                return
            # Only a mark: without it the free lock says the same.
            with contextlib.suppress(OSError):
                _write_all(self._fd, END)
            if self._power and not self._broken:
                self._bring_to_disk(self._fd)
            self._let_go()

    def _abandon(self) -> None:
        with self._syncing:
            self._let_go()

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        self._size = 0
        self._broken = False
        if fd is not None:
            os.close(fd)


def sync_file(path: Path) -> None:
    """Make what a file holds (or the names in a folder) survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _encode(batch: Captured) -> bytes:
    """`batch` as msgpack; raises LakeError for what a reader could not take in again."""
    if isinstance(batch, PredictionBatch) and not same_lengths(batch):
        raise LakeError(
            "the columns of the batch differ in length",
            where=f"request {batch.request_id}",
            remedy="ids, keys, event_times, scores and rows need one entry for each row",
        )
    try:
        return _encoder.encode(batch)
    except (TypeError, ValueError, OverflowError) as error:
        raise LakeError(
            f"the batch cannot be written down: {error}",
            where=f"request {batch.request_id}",
            remedy="texts must be valid Unicode, and numbers fit into 64 bits",
        ) from error


def same_lengths(batch: PredictionBatch) -> bool:
    """Whether every sequence has one entry for each row."""
    rows = len(batch.ids)
    return (
        len(batch.keys) == rows
        and len(batch.event_times) == rows
        and len(batch.scores) == rows
        and len(batch.rows) == rows
        and (batch.probabilities is None or len(batch.probabilities) == rows)
        and (batch.features is None or len(batch.features) == rows)
    )


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def _fdatasync(fd: int) -> None:
    getattr(os, "fdatasync", os.fsync)(fd)  # macOS has only fsync
