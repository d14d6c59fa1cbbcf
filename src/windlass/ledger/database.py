"""Opens the ledger's database, whichever it is, and turns its errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from windlass.errors import LedgerError
from windlass.ledger import sqlite
from windlass.ledger.schema import REVISIONS
from windlass.ledger.upgrade import revision_of, upgrade

_DIALECTS = {"sqlite": sqlite}


class Database:
    """Transactions on one database, for reading and for writing; safe to use from several threads."""

    def __init__(self, url: str, *, create: bool) -> None:
        parsed = _parsed(url)
        self._dialect = _DIALECTS[parsed.get_backend_name()]
        self.where = str(self._dialect.file_of(parsed) or parsed.render_as_string(hide_password=True))
        self._reader = self._dialect.open_engine(parsed, create=create)
        self._writer = self._reader.execution_options(**{self._dialect.WRITES: True})
        try:
            self._bring_up_to_date()
        except BaseException:
            self._reader.dispose()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the ledger, however long it takes."""
        with self._translated(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the right to write from its start; committed unless something is raised."""
        with self._translated(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self._reader.dispose()

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            if revision_of(connection, where=self.where) == REVISIONS[-1]:
                return
        with self.writing() as connection:
            # Looked at again under the lock: another process may have done it while this one waited.
            if revision_of(connection, where=self.where) != REVISIONS[-1]:
                upgrade(connection)

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
    try:
        parsed = make_url(url)
        known = parsed.get_backend_name() in _DIALECTS
    except ArgumentError as error:
        raise LedgerError(
            f"{url!r} is not a database URL", where="setting `ledger`", remedy="write sqlite:///PATH"
        ) from error
    if not known:
        raise LedgerError(
            f"this release keeps no ledger in {parsed.get_backend_name()}",
            where="setting `ledger`",
            remedy="write sqlite:///PATH, or leave the setting empty",
        )
    return parsed
