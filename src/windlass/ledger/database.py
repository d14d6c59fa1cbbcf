"""Opens the ledger's database, whichever it is, and turns its errors into ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from windlass.crashpoints import crashpoint
from windlass.errors import LedgerError
from windlass.ledger import postgres, sqlite
from windlass.ledger.schema import REVISIONS, make
from windlass.ledger.upgrade import revision_of, upgrade


class Dialect(Protocol):
    """What differs between databases; each has a module of this shape."""

    READING: Mapping[str, Any]
    """Execution options of a transaction that sees one moment."""
    GLANCING: Mapping[str, Any]
    """Execution options of a single statement that reads."""
    WRITING: Mapping[str, Any]
    """Execution options of a transaction that others' writes wait for."""

    def place(self, url: URL) -> str:
        """What messages call the database; without a password."""
        ...

    def open_engine(self, url: URL, *, create: bool) -> Engine:
        """Connections that are set up; raises LedgerError when there is nothing to connect to and not `create`."""
        ...

    def prepare(self, connection: Connection) -> None:
        """In a writing transaction, before the tables are made or changed: from here on one process at a time."""
        ...

    def time(self, connection: Connection) -> datetime:
        """Real time, the same for all who use the database; in UTC."""
        ...

    def explain(self, error: DBAPIError, *, where: str) -> LedgerError:
        """What an error of the driver means for the reader."""
        ...


_DIALECTS: dict[str, Dialect] = {"sqlite": sqlite, "postgresql": postgres}


class Database:
    """Transactions on one database, for reading and for writing; safe to use from several threads."""

    def __init__(self, url: str, *, create: bool) -> None:
        parsed = _parsed(url)
        self._dialect = _DIALECTS[parsed.get_backend_name()]
        self.where = self._dialect.place(parsed)
        self._engine = self._dialect.open_engine(parsed, create=create)
        self._reader = self._engine.execution_options(**self._dialect.READING)
        self._glancer = self._engine.execution_options(**self._dialect.GLANCING)
        self._writer = self._engine.execution_options(**self._dialect.WRITING)
        try:
            self._bring_up_to_date(create=create)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the ledger, however long it takes."""
        with self._translated(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def glancing(self) -> Iterator[Connection]:
        """For one statement, which sees the moment in which it runs: cheaper than `reading` where a server is asked."""
        with self._translated(), self._glancer.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write; committed unless something is raised.

        Writers come one after the other: on SQLite from its start, elsewhere from when it locks the head's row.
        """
        with self._translated(), self._writer.begin() as connection:
            yield connection

    def time(self, connection: Connection) -> datetime:
        """Real time by the one clock that all who use this database share."""
        return self._dialect.time(connection)

    def close(self) -> None:
        self._engine.dispose()

    def _bring_up_to_date(self, *, create: bool) -> None:
        with self.reading() as connection:
            found = revision_of(connection, where=self.where)
        if found == REVISIONS[-1]:
            return
        if found is None and not create:
            raise LedgerError(
                "there is no ledger here",
                where=self.where,
                remedy="check the setting `ledger`; `windlass up` and `windlass train` begin one",
            )
        with self.writing() as connection:
            self._dialect.prepare(connection)
            # Looked at again under the lock: another process may have done it while this one waited.
            crashpoint("migration.before")
            found = revision_of(connection, where=self.where)
            if found is None:
                make(connection)
            elif found != REVISIONS[-1]:
                upgrade(connection)
            crashpoint("migration.inside")
        crashpoint("migration.after")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._dialect.explain(error, where=self.where) from error
        except SQLAlchemyError as error:
            raise LedgerError(
                f"the ledger cannot be used: {error}", where=self.where, remedy="run `windlass ledger verify`"
            ) from error


def _parsed(url: str) -> URL:
    remedy = "write sqlite:///PATH or postgresql://USER@HOST/DATABASE, or leave the setting empty"
    try:
        parsed = make_url(url)
        known = parsed.get_backend_name() in _DIALECTS
    except (ArgumentError, ValueError) as error:  # the latter for a port that is no number
        shown = f"...@{url.rpartition('@')[2]}" if "@" in url else url  # a password may stand before it
        raise LedgerError(f"{shown!r} is not a database URL", where="setting `ledger`", remedy=remedy) from error
    if not known:
        raise LedgerError(
            f"this release keeps no ledger in {parsed.get_backend_name()}", where="setting `ledger`", remedy=remedy
        )
    return parsed
