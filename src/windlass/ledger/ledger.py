"""What happened: one append-only, ordered, hash-chained log of events per workspace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, bindparam, insert, select, update

from windlass.errors import LedgerCorrupt, LedgerError
from windlass.ledger import leases, query
from windlass.ledger.chain import Link, decode, encode_body, seal, to_text
from windlass.ledger.copying import copy_tables
from windlass.ledger.database import Database
from windlass.ledger.schema import events as events_table
from windlass.ledger.schema import head as head_table
from windlass.ledger.verification import Verification, verify_rows
from windlass.records.event import Body, Event
from windlass.records.lease import Fence, Lease

_HEAD = select(head_table.c.sequence, head_table.c.hash)
_LOCK_HEAD = _HEAD.with_for_update()  # where rows are locked one by one, this puts the writers in a row
_INSERT = insert(events_table)
_MOVE_HEAD = update(head_table).values(sequence=bindparam("new_sequence"), hash=bindparam("new_hash"))


class Ledger:
    """The ledger of one workspace; safe to use from many threads and many processes at once.

    Opening one that is not there begins it (`create=False`: raises LedgerError instead), opening an older one brings
    its schema up to date. Whatever cannot be read or written is a LedgerError that names the place and the remedy.
    """

    def __init__(self, url: str, *, create: bool = True, now: Callable[[], datetime] | None = None) -> None:
        """`url` is a database URL: `sqlite:///PATH`, `sqlite://` for memory, or `postgresql://USER@HOST/DATABASE`, with
        `?schema=NAME` to keep workspaces apart that share a database.

        `now` is the real time of leases; without it, it is the one clock that all who use the database share: the
        server's, or the machine's under SQLite. Raises MissingExtra when the database's driver is not installed.
        """
        self.url = url
        self._database = Database(url, create=create)
        self._time: leases.Time = self._database.time if now is None else lambda _: now()

    def append(
        self,
        *bodies: Body,
        at: datetime,
        actor: str,
        product: str | None = None,
        run: str | None = None,
        fence: Fence | None = None,
    ) -> tuple[Event, ...]:
        """Write all `bodies`, in order, or none; when this returns they are on disk.

        `at` is event time. Without `run`, an event belongs to the run that its body names, if it names one. Returns
        the events exactly as they will be read again.

        Raises LeaseLost, with nothing written, when `fence` is not the last one given out; LedgerError when a body
        is of a fenced kind and there is no fence, or holds what cannot be written down.
        """
        self._need_fence(bodies, fence)
        moment = to_text(at)
        encoded = [encode_body(body) for body in bodies]
        if not encoded:
            return ()
        with self._database.writing() as connection:
            head = self._head(connection, lock=True)
            if fence is not None:
                leases.check(connection, fence, where=self._database.where)
            rows = []
            for text, body in encoded:
                belongs = run if run is not None else getattr(body, "run", None)
                row = seal(head, body=body, text=text, at=moment, actor=actor, product=product, run=belongs)
                rows.append(row)
                head = Link(row.sequence, row.hash)
            connection.execute(_INSERT, [row._asdict() for row in rows])
            connection.execute(_MOVE_HEAD, {"new_sequence": head.sequence, "new_hash": head.hash})
        return tuple(decode(row) for row in rows)

    def events(
        self,
        kinds: Sequence[type[Body]] = (),
        *,
        product: str | None = None,
        subject: str | None = None,
        run: str | None = None,
        after: int = 0,
        newest: int | None = None,
    ) -> list[Event]:
        """The events that fit all that is given, in their order; `newest=20` the last 20 of them.

        Raises LedgerError for an event of a kind that only a newer release knows.
        """
        with self._database.reading() as connection:
            rows = query.rows(
                connection, kinds=kinds, product=product, subject=subject, run=run, after=after, newest=newest
            )
        return [decode(row) for row in rows]

    def head(self) -> int:
        """The sequence of the last event; 0 when there is none."""
        with self._database.reading() as connection:
            return self._head(connection).sequence

    def news(self, kinds: Sequence[type[Body]], *, after: int) -> tuple[Link, list[Event]]:
        """The last event, and those of `kinds` that came after the event `after`: one moment of the ledger."""
        with self._database.reading() as connection:
            head = self._head(connection)
            rows = query.rows(connection, kinds=kinds, after=after) if head.sequence > after else []
        return head, [decode(row) for row in rows]

    def holds(self, link: Link) -> bool:
        """Whether the event at that place has that hash, so that all events up to it are the ones they were."""
        with self._database.reading() as connection:
            return query.hash_at(connection, link.sequence) == link.hash

    def acquire(self, holder: str, seconds: float, *, above: int = 0) -> Fence | None:
        """Take the lease for `seconds` of real time; None while somebody has it, even under the same name.

        So a lease is renewed by its fence, never by its holder's name. `above` is a token that was seen elsewhere: the
        new one is higher, also in a ledger that was put back from a copy or begun anew.
        """
        if not holder or seconds <= 0:
            raise LedgerError(
                f"a lease cannot be held by {holder!r} for {seconds} seconds",
                where=self._database.where,
                remedy="name the process, and give a time above 0",
            )
        if self.lease() is not None:  # without the write lock: a standby asks often
            return None
        with self._database.writing() as connection:
            return leases.acquire(connection, holder=holder, seconds=seconds, above=above, time=self._time)

    def renew(self, fence: Fence, seconds: float) -> None:
        """Hold the lease for `seconds` from now. Raises LeaseLost when somebody else took it over."""
        with self._database.writing() as connection:
            leases.renew(connection, fence, seconds=seconds, time=self._time, where=self._database.where)

    def release(self, fence: Fence) -> None:
        """Give the lease back, so that the next one need not wait; nothing happens if it was lost already."""
        with self._database.writing() as connection:
            leases.release(connection, fence)

    def lease(self) -> Lease | None:
        """Who holds the lease; None when it is free or has expired."""
        with self._database.reading() as connection:
            return leases.current(connection, time=self._time)

    def verify(self) -> Verification:
        """Read the whole ledger and say what was changed, dropped, inserted or reordered behind its back.

        Memory stays flat; others may go on appending. Somebody who rewrites everything from some event on, the head
        included, goes unnoticed, unless a `head` of an earlier verification was noted elsewhere.
        """
        with self._database.reading() as connection:
            head = self._head(connection)
            return verify_rows(query.stream(connection), head=head)

    def copy_to(self, other: Ledger) -> Link:
        """Copy all there is at one moment into `other`, which may be in another database: for backups.

        Returns the last event. Raises LedgerError when `other` holds events already.
        """
        with self._database.reading() as source, other._database.writing() as target:
            head = other._head(target, lock=True)
            if head.sequence:
                raise LedgerError(
                    f"this ledger holds {head.sequence} events already",
                    where=other._database.where,
                    remedy="copy into an empty one: name another with the setting `ledger`",
                )
            copy_tables(source, target)
            return self._head(source)

    def close(self) -> None:
        """Close the connections; the ledger cannot be used after."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _head(self, connection: Connection, *, lock: bool = False) -> Link:
        row = connection.execute(_LOCK_HEAD if lock else _HEAD).first()
        if row is None:
            raise LedgerCorrupt(
                "the ledger has no head: the row that names its last event was deleted",
                where=self._database.where,
                remedy="put back a copy of the ledger",
            )
        return Link(row.sequence, row.hash)

    def _need_fence(self, bodies: Sequence[Body], fence: Fence | None) -> None:
        fenced: list[Any] = [body.kind() for body in bodies if body.fenced]
        if fenced and fence is None:
            raise LedgerError(
                f"only the holder of the lease may write {', '.join(fenced)}",
                where=self._database.where,
                remedy="acquire the lease and pass its fence to append",
            )
