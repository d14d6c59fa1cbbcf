"""What happened: one append-only, ordered, hash-chained log of events per workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection

from windlass.crashpoints import crashpoint
from windlass.errors import LedgerError
from windlass.ledger import checkpoints, heads, leases, pruning, query
from windlass.ledger.anchoring import Anchor
from windlass.ledger.chain import Link, decode, encode_body, to_text
from windlass.ledger.copying import copy_tables
from windlass.ledger.database import Database
from windlass.ledger.keys import Keys, SigningKey
from windlass.ledger.pruning import Pruned
from windlass.ledger.retention import Kept
from windlass.ledger.verification import Verification, verify
from windlass.records.checkpoint import Checkpoint
from windlass.records.event import Body, Event, KeyRotated
from windlass.records.lease import Fence, Lease


class Ledger:
    """The ledger of one workspace; safe to use from many threads and many processes at once.

    Opening one that is not there begins it (`create=False`: raises LedgerError instead), opening an older one brings
    its schema up to date. Whatever cannot be read or written is a LedgerError that names the place and the remedy.
    """

    def __init__(self, url: str, *, create: bool = True, now: Callable[[], datetime] | None = None) -> None:
        """`url` is a database URL: `sqlite:///PATH`, `sqlite://` for memory, or `postgresql://USER@HOST/DATABASE`, with
        `?schema=NAME` to keep workspaces apart that share a database.

        `now` is the real time of leases; without it, it is the one clock that all who use the database share: the
        server's, or that of the machine's running time under SQLite. Raises MissingExtra when the database's driver is
        not installed.
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
        _reach(bodies, "before")
        with self._writing(fence) as (connection, head):
            rows = heads.append(connection, head, encoded, at=moment, actor=actor, product=product, run=run)
            _reach(bodies, "inside")
        _reach(bodies, "after")
        return tuple(decode(row) for row in rows)

    def begin(self, body: Body, *, at: datetime, actor: str) -> bool:
        """Write `body` as the first event of all; False, with nothing written, when there is one already."""
        self._need_fence([body], None)
        with self._writing(None) as (connection, head):
            if head.sequence:
                return False
            heads.append(connection, head, [encode_body(body)], at=to_text(at), actor=actor)
        return True

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
            return heads.read(connection, where=self._database.where).sequence

    def news(self, kinds: Sequence[type[Body]], *, after: int) -> tuple[Link, list[Event]]:
        """The last event, and those of `kinds` that came after the event `after`: one moment of the ledger."""
        with self._database.glancing() as connection:
            head = heads.read(connection, where=self._database.where)
        if head.sequence <= after:
            return head, []
        with self._database.reading() as connection:
            head = heads.read(connection, where=self._database.where)
            rows = query.rows(connection, kinds=kinds, after=after)
        return head, [decode(row) for row in rows]

    def holds(self, link: Link) -> bool:
        """Whether the event at that place has that hash, so that all events up to it are the ones they were."""
        with self._database.reading() as connection:
            return query.hash_at(connection, link.sequence) == link.hash

    def acquire(self, holder: str, seconds: float, *, above: int = 0, silent: Lease | None = None) -> Fence | None:
        """Take the lease for `seconds` of real time; None while somebody has it, even under the same name.

        So a lease is renewed by its fence, never by its holder's name. `above` is a token that was seen elsewhere: the
        new one is higher, also in a ledger that was put back from a copy or begun anew. `silent` is a lease that the
        caller has seen unchanged for longer than it was given for, by a clock that nobody sets: it counts as expired,
        unless it was renewed meanwhile.
        """
        if not holder or seconds <= 0:
            raise LedgerError(
                f"a lease cannot be held by {holder!r} for {seconds} seconds",
                where=self._database.where,
                remedy="name the process, and give a time above 0",
            )
        held = self.lease()
        if held is not None and held != silent:  # without the write lock: a standby asks often
            return None
        with self._database.writing() as connection:
            return leases.acquire(
                connection, holder=holder, seconds=seconds, above=above, silent=silent, time=self._time
            )

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

    def verify(self, anchor: Anchor | None = None, *, between: Callable[[], None] = lambda: None) -> Verification:
        """Read the whole ledger and say what was changed, dropped, inserted or reordered behind its back.

        Memory stays flat; others may go on appending, and `between` is called every few thousand events. With an
        `anchor` signatures are checked too: without one, somebody who rewrites everything from some event on, the head
        included, goes unnoticed.
        """
        with self._database.reading() as connection:
            return verify(connection, anchor, where=self._database.where, between=between)

    def key(self) -> KeyRotated | None:
        """The key that signs checkpoints, as it came into force; None when nothing was ever signed."""
        with self._database.reading() as connection:
            return checkpoints.key_in_force(connection)

    def last_checkpoint(self) -> Checkpoint | None:
        """The newest signature; None when nothing was ever signed."""
        with self._database.reading() as connection:
            return checkpoints.last(connection)

    def checkpoint(
        self,
        keys: Keys,
        *,
        at: datetime,
        actor: str,
        fence: Fence | None = None,
        outside: Checkpoint | None = None,
    ) -> Checkpoint:
        """Sign everything up to now; the last checkpoint when nothing has happened since.

        Needs no fence, since it changes nothing that anybody acts on; one that is given is checked. Raises SigningError
        when the key cannot be used, or when the ledger does not hold `outside`, the last one that was kept elsewhere.
        """
        with self._writing(fence) as (connection, head):
            checkpoints.check_continues(connection, outside)
            return checkpoints.sign(connection, head, keys, at=at, actor=actor)

    def rotate_key(self, change: KeyRotated, *, old: SigningKey | None, at: datetime, actor: str) -> None:
        """Let another key sign from now on; without `old`, the one in force, nobody vouches for it.

        Raises SigningError when the change is from a key that is not in force any more.
        """
        with self._writing(None) as (connection, head):
            checkpoints.rotate(connection, head, change, old=old, at=at, actor=actor)

    def prune(
        self,
        kept: Kept,
        *,
        upto: int,
        keys: Keys,
        at: datetime,
        actor: str,
        fence: Fence,
        between: Callable[[], None] = lambda: None,
    ) -> Pruned:
        """Remove the events up to `upto` that nothing kept needs, a batch in each transaction.

        A later event must have been signed, and all verified: `windlass.ledger.notary.Notary.prune` sees to that.
        Killed in the middle, whole batches are gone and the next call goes on. `between` is called after each, and
        while events are read. Raises LeaseLost as `append` does.
        """
        with self._database.reading() as connection:
            doomed = pruning.choose(connection, kept, upto=upto, between=between)
        pruned = Pruned()
        for batch in pruning.batches(doomed):
            with self._writing(fence) as (connection, head):
                one = pruning.remove(connection, head, batch, before=kept.before, keys=keys, at=at, actor=actor)
            pruned = pruned.and_then(one)
            between()
        return pruned

    def prunable(self, kept: Kept) -> int:
        """How many events `prune` would remove if all were signed."""
        with self._database.reading() as connection:
            upto = heads.read(connection, where=self._database.where).sequence
            doomed = pruning.choose(connection, kept, upto=upto, between=lambda: None)
        return sum(stretch.length for stretch in doomed)

    def copy_to(self, other: Ledger) -> Link:
        """Copy all there is at one moment into `other`, which may be in another database: for backups.

        Returns the last event. Raises LedgerError when `other` holds events already.
        """
        with self._database.reading() as source, other._database.writing() as target:
            there = heads.read(target, where=other._database.where, lock=True)
            if there.sequence:
                raise LedgerError(
                    f"this ledger holds {there.sequence} events already",
                    where=other._database.where,
                    remedy="copy into an empty one: name another with the setting `ledger`",
                )
            copy_tables(source, target)
            return heads.read(source, where=self._database.where)

    def close(self) -> None:
        """Close the connections; the ledger cannot be used after."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _writing(self, fence: Fence | None) -> Iterator[tuple[Connection, Link]]:
        """A transaction in which nobody else moves the head, and the fence counts until its end."""
        with self._database.writing() as connection:
            head = heads.read(connection, where=self._database.where, lock=True)
            if fence is not None:
                leases.check(connection, fence, where=self._database.where)
            yield connection, head

    def _need_fence(self, bodies: Sequence[Body], fence: Fence | None) -> None:
        fenced: list[Any] = [body.kind() for body in bodies if body.fenced]
        if fenced and fence is None:
            raise LedgerError(
                f"only the holder of the lease may write {', '.join(fenced)}",
                where=self._database.where,
                remedy="acquire the lease and pass its fence to append",
            )


def _reach(bodies: Sequence[Body], moment: str) -> None:
    """The points `<kind>.before` an event is written, `.inside` the transaction, and `.after` it."""
    for body in bodies:
        crashpoint(f"{body.kind()}.{moment}")
