"""All that is particular to SQLite: how a connection is set up, how a transaction begins, what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from windlass.errors import LedgerCorrupt, LedgerError
from windlass.ledger.lock_holder import LockHolder, find_lock_holder

_WRITES = "windlass_writes"
READING: Mapping[str, Any] = {}
GLANCING: Mapping[str, Any] = {}
WRITING: Mapping[str, Any] = {_WRITES: True}
"""A transaction that writes takes the write lock at once."""
_BUSY_SECONDS = 60.0
"""How long a writer waits for the others. A transaction holds the lock for under a millisecond."""
_TRY_SECONDS = 0.002
"""How often a waiting writer tries. SQLite's own waiting tries ever more rarely, down to ten times a second, and so
lets those go first who have just written: of eight busy writers some then wait for many seconds."""
_LOOK_SECONDS = 2.0
"""How often it looks meanwhile whether the one that holds the lock can ever give it back."""
_CHECKPOINT_BYTES = 64 * 2**20
"""What the write-ahead file is cut back to after a checkpoint, should a long reader have let it grow."""


class _File:
    """The file that was opened, so that its loss shows.

    An open file that is deleted or replaced can still be written to, and every event would be lost without a word.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def note(self) -> None:
        """Remember the file of the first connection; every later one must be to the same."""
        self._identity = self._identity or self._look()

    def check(self) -> None:
        if self._identity is not None and self._look() != self._identity:
            raise LedgerError(
                "the ledger's file was deleted or replaced while it was open",
                where=str(self._path),
                remedy="put the file back, then start this process anew",
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 (three times as fast, and part of every transaction)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


def place(url: URL) -> str:
    """The file, absolute; the URL of a ledger in memory."""
    return str(_file_of(url) or url)


def open_engine(url: URL, *, create: bool) -> Engine:
    """An engine for a file or, with no path in the URL, for a ledger in this process's memory."""
    path = _file_of(url)
    if path is None:
        # A database in memory belongs to its one connection; threads take turns at it.
        return _prepared(
            create_engine(
                url, poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args={"check_same_thread": False}
            ),
            path,
        )
    if create:
        _make_folder(path)
    elif not path.is_file():
        raise LedgerError(
            "there is no ledger here",
            where=str(path),
            remedy="check the setting `workspace`; `windlass up` and `windlass train` begin one",
        )
    if not (url.database or "").startswith("file:"):
        url = url.set(database=str(path))  # absolute: a later connection must not depend on the folder worked in then
    file = _File(path)
    engine = _prepared(create_engine(url, connect_args={"timeout": _BUSY_SECONDS}), path)
    event.listen(engine, "do_connect", lambda *_: file.check())  # or SQLite would make a new, empty file
    event.listen(engine, "begin", lambda _: file.check(), insert=True)
    event.listen(engine, "connect", lambda *_: file.note())
    return engine


def prepare(connection: Connection) -> None:
    """Nothing: a transaction that writes keeps all others from writing since it began."""


def time(connection: Connection) -> datetime:  # noqa: ARG001 (the signature of every dialect)
    """The time since the machine was started: nobody can set that clock, and it stands while the machine sleeps.

    All processes on the file run on one machine and read the same. After a restart of the machine a lease of before may
    seem good for long; whoever waits for it sees that nobody renews it (`Ledger.acquire`, `silent`).
    """
    return datetime.fromtimestamp(monotonic(), UTC)


def explain(error: DBAPIError | sqlite3.Error, *, where: str) -> LedgerError:
    """What SQLite's error means for the reader."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    text = str(cause)
    if "not a database" in text:
        return LedgerError("this file is not a ledger", where=where, remedy="check the setting `ledger` or `workspace`")
    if any(part in text for part in ("malformed", "disk I/O", "decode to UTF-8")):
        return LedgerCorrupt(
            f"the ledger's file is damaged: {text}",
            where=where,
            remedy="check the disk, put back a copy of the file, and run `windlass ledger verify`",
        )
    remedies = {
        "readonly": "give this user the right to write to the file and its folder",
        "unable to open": "check that the path is a file, and that this user may read and write it and its folder",
        "locked": "find the process that holds the file open (`fuser FILE` names it) and end it",
        "full": "make room on the disk; nothing was written",
        "no such table": "check the setting `ledger`; this database is no whole ledger",
    }
    remedy = next((remedy for part, remedy in remedies.items() if part in text), "run `windlass ledger verify`")
    return LedgerError(f"the ledger cannot be used: {text}", where=where, remedy=remedy)


def _file_of(url: URL) -> Path | None:
    """The database's file, absolute; None for one in memory."""
    name = (url.database or "").removeprefix("file:")
    return None if name in ("", ":memory:") or url.query.get("mode") == "memory" else Path(name).absolute()


def _prepared(engine: Engine, path: Path | None) -> Engine:
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", lambda connection: _begin(connection, path))
    return engine


def _set_up(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's own recipe: we say BEGIN, not the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # a commit that was answered survives a power cut
    cursor.execute(f"PRAGMA journal_size_limit = {_CHECKPOINT_BYTES}")
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Readers never wait for the writer, nor it for them. The mode is kept in the file: it is set once in its life."""
    (mode,) = cursor.execute("PRAGMA journal_mode").fetchone()
    deadline = monotonic() + _BUSY_SECONDS
    while mode not in ("wal", "memory"):
        try:
            (mode,) = cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself here, when another process opens the new file at the same moment.
            if "locked" not in str(error) or monotonic() > deadline:
                raise
            sleep(0.01)


def _begin(connection: Connection, path: Path | None) -> None:
    """A writer locks at once: one that starts as a reader fails when another has written in between."""
    if not connection.get_execution_options().get(_WRITES, False):
        connection.exec_driver_sql("BEGIN")
    elif path is None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # one connection: there is nobody to wait for
    else:
        _take_write_lock(connection.connection.dbapi_connection, path)


def _take_write_lock(session: Any, path: Path) -> None:
    """Wait for the other writers, but not for one that is stopped: nothing can take the lock from a living process."""
    began = looked = monotonic()
    session.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                session.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:  # the rest says why it is busy
                    raise explain(error, where=str(path)) from error
                now = monotonic()
                if now - looked > _LOOK_SECONDS:
                    looked, holder = now, find_lock_holder(path)
                    if (holder is not None and holder.stopped) or now - began > _BUSY_SECONDS:
                        raise _locked(holder, path) from error
            sleep(_TRY_SECONDS)
    finally:
        session.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")


def _locked(holder: LockHolder | None, path: Path) -> LedgerError:
    if holder is None:
        by, remedy = "another process", f"find it (`fuser {path}` names all that have the file open) and end it"
    elif holder.stopped:
        by = f"process {holder.pid} ({holder.command}), which is stopped"
        remedy = f"let it go on (kill -CONT {holder.pid}) or end it (kill -9 {holder.pid}); its write is undone"
    else:
        by, remedy = f"process {holder.pid} ({holder.command})", f"end it: kill {holder.pid}"
    return LedgerError(f"the ledger is locked by {by}", where=str(path), remedy=remedy)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"the folder of the ledger cannot be made: {error.strerror}",
            where=str(path.parent),
            remedy="check the setting `workspace`, and the rights on the folder above it",
        ) from error
