"""The end of the chain: the one row that says which event is the last, and how more are put behind it.

Each function works inside a transaction of its caller's.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select, update

from windlass.errors import LedgerCorrupt
from windlass.ledger.chain import Link, Row, seal
from windlass.ledger.schema import events
from windlass.ledger.schema import head as table
from windlass.records.event import Body

_READ = select(table.c.sequence, table.c.hash)
_LOCK = _READ.with_for_update()  # where rows are locked one by one, this puts the writers in a row
_INSERT = insert(events)
_MOVE = update(table).values(sequence=bindparam("new_sequence"), hash=bindparam("new_hash"))


def read(connection: Connection, *, where: str, lock: bool = False) -> Link:
    """The head; with `lock` nobody else moves it until this transaction ends."""
    row = connection.execute(_LOCK if lock else _READ).first()
    if row is None:
        raise LedgerCorrupt(
            "the ledger has no head: the row that names its last event was deleted",
            where=where,
            remedy="put back a copy of the ledger",
        )
    return Link(row.sequence, row.hash)


def append(
    connection: Connection,
    head: Link,
    bodies: Sequence[tuple[str, Body]],
    *,
    at: str,
    actor: str,
    product: str | None = None,
    run: str | None = None,
) -> list[Row]:
    """Write encoded `bodies` behind `head`, which is locked, and move it; the rows as they were written."""
    rows: list[Row] = []
    for text, body in bodies:
        belongs = run if run is not None else getattr(body, "run", None)
        row = seal(head, body=body, text=text, at=at, actor=actor, product=product, run=belongs)
        rows.append(row)
        head = Link(row.sequence, row.hash)
    connection.execute(_INSERT, [row._asdict() for row in rows])
    connection.execute(_MOVE, {"new_sequence": head.sequence, "new_hash": head.hash})
    return rows
