"""One controller at a time: the lease, and the fence that shows who holds it.

Each function works inside a transaction of its caller's, so that what is decided here still holds at the commit. The
time is asked for only once the row is locked: who waited for it must not judge by the time at which it began to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from windlass.errors import LeaseLost
from windlass.ledger.chain import from_text, to_text
from windlass.ledger.schema import lease as table
from windlass.records.lease import Fence, Lease

Time = Callable[[Connection], datetime]
"""Real time, in UTC."""

_NAME = "controller"
# On databases that lock rows, a writer of events shares the row and a change of holder takes it alone; SQLite locks
# the whole file anyway, and leaves the words out.
_READ = select(table.c.holder, table.c.token, table.c.expires_at).where(table.c.name == _NAME)
_SHARE = _READ.with_for_update(read=True)
_TAKE = _READ.with_for_update()


def current(connection: Connection, *, time: Time) -> Lease | None:
    """The lease in force; None when it is free or has expired."""
    return _in_force(connection.execute(_READ).one(), now=time(connection))


def acquire(
    connection: Connection, *, holder: str, seconds: float, above: int, silent: Lease | None, time: Time
) -> Fence | None:
    """Take a lease that is free, has expired or is `silent`; None when somebody has it, whatever he calls himself.

    The token is higher than any before, and than `above`.
    """
    row = connection.execute(_TAKE).one()
    now = time(connection)
    held = _in_force(row, now=now)
    if held is not None and held != silent:
        return None
    fence = Fence(holder=holder, token=max(row.token, above) + 1)
    _write(connection, holder=holder, token=fence.token, expires_at=now + timedelta(seconds=seconds))
    return fence


def renew(connection: Connection, fence: Fence, *, seconds: float, time: Time, where: str) -> None:
    """Hold it longer. Raises LeaseLost when somebody took over, or it was given back."""
    _compare(connection.execute(_TAKE).one(), fence, where=where)
    expires_at = time(connection) + timedelta(seconds=seconds)
    _write(connection, holder=fence.holder, token=fence.token, expires_at=expires_at)


def release(connection: Connection, fence: Fence) -> None:
    """Give it back; nothing happens when it was lost already. The token stays, so that the next one is higher."""
    row = connection.execute(_TAKE).one()
    if (row.holder, row.token) == (fence.holder, fence.token):
        _write(connection, holder=None, token=fence.token, expires_at=None)


def check(connection: Connection, fence: Fence, *, where: str) -> None:
    """Raises LeaseLost unless `fence` is the last one given out.

    An expired lease still counts: as long as nobody took over, nobody else has acted.
    """
    _compare(connection.execute(_SHARE).one(), fence, where=where)


def _in_force(row: Any, *, now: datetime) -> Lease | None:
    if row.holder is None or row.expires_at is None:
        return None
    expires_at = from_text(row.expires_at)
    return Lease(holder=row.holder, token=row.token, expires_at=expires_at) if expires_at > now else None


def _compare(row: Any, fence: Fence, *, where: str) -> None:
    if (row.holder, row.token) != (fence.holder, fence.token):
        now_held = f"{row.holder!r} holds it" if row.holder is not None else "nobody holds it"
        raise LeaseLost(
            f"{fence.holder!r} has lost the lease (its token {fence.token}, now {row.token}; {now_held})",
            where=where,
            remedy="nothing was written: stop acting, and acquire the lease anew",
        )


def _write(connection: Connection, *, holder: str | None, token: int, expires_at: datetime | None) -> None:
    connection.execute(
        update(table)
        .where(table.c.name == _NAME)
        .values(holder=holder, token=token, expires_at=None if expires_at is None else to_text(expires_at))
    )
