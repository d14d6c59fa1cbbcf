"""One ledger into another, whichever databases they are in."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from windlass.ledger.schema import lease, metadata

_AT_ONCE = 2_000
"""Rows in memory at once."""


def copy_tables(source: Connection, target: Connection) -> None:
    """Replace what `target` holds by what `source` does, byte for byte; nobody holds the lease of a copy.

    Its token is kept, so that a fence of the copied ledger is worth nothing in the copy once somebody has acquired it.
    """
    streamed = source.execution_options(yield_per=_AT_ONCE)
    for table in metadata.sorted_tables:
        target.execute(delete(table))
        for rows in streamed.execute(select(table).order_by(*table.primary_key)).mappings().partitions():
            target.execute(insert(table), [dict(row) for row in rows])
    target.execute(update(lease).values(holder=None, expires_at=None))
