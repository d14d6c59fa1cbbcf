"""Where pruning removed events, so compactly that the chain can still be followed across.

A gap keeps two hashes: what the first removed event named as the one before it, and the hash of the last. The event
before the gap must have the first, and the event behind it must name the second as its previous one. The digest over
all gaps is in the event `ledger.pruned`, and that event is under a checkpoint's signature: so no gap can be made,
stretched or moved afterwards, and nothing that was kept between gaps can be dropped or changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select

from windlass.ledger import query
from windlass.ledger.chain import decode
from windlass.ledger.schema import gaps as table
from windlass.records.event import LedgerPruned

_DELETE = delete(table).where(table.c.first == bindparam("gone"))


class Gap(NamedTuple):
    """A stretch of sequences without events."""

    first: int
    last: int
    previous: str
    """The hash of the event `first - 1`."""
    hash: str
    """The hash of the event `last`."""


def digest(gaps: Iterable[Gap]) -> str:
    """sha256 over the gaps in their order, each as a compact JSON array on a line of its own."""
    hashed = sha256()
    for gap in gaps:
        hashed.update(msgspec.json.encode(gap) + b"\n")
    return hashed.hexdigest()


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """The gaps in order, with those that touch put together."""
    whole: list[Gap] = []
    for gap in sorted(gaps):
        if whole and whole[-1].last + 1 == gap.first:
            before = whole.pop()
            gap = Gap(before.first, gap.last, before.previous, gap.hash)  # noqa: PLW2901 (grows until nothing touches)
        whole.append(gap)
    return whole


def prunings(connection: Connection) -> list[tuple[int, LedgerPruned]]:
    """The last event that tells of the gaps, with its sequence; empty when nothing was ever pruned."""
    rows = query.rows(connection, kinds=(LedgerPruned,), newest=1)
    events = [decode(row) for row in rows]
    return [(event.sequence, event.body) for event in events if isinstance(event.body, LedgerPruned)]


def read(connection: Connection) -> list[Gap]:
    """All gaps, in order."""
    return [Gap(*row) for row in connection.execute(select(*table.c).order_by(table.c.first))]


def replace(connection: Connection, before: Sequence[Gap], after: Sequence[Gap]) -> None:
    """Write what differs."""
    gone, new = sorted({*before} - {*after}), sorted({*after} - {*before})
    if gone:
        connection.execute(_DELETE, [{"gone": gap.first} for gap in gone])
    if new:
        connection.execute(insert(table), [gap._asdict() for gap in new])
