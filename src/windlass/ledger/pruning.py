"""Removes events that nothing needs: what `retention` chose, a batch in each transaction.

A transaction takes the rows, keeps two hashes for each gap, writes `ledger.pruned` with the digest of all gaps, and
signs a checkpoint behind it. Killed before its commit nothing has happened; killed between two, what is left to do is
chosen anew by the next call. The functions that take a connection work inside a transaction of their caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, delete, select

from windlass.errors import LedgerCorrupt
from windlass.ledger import checkpoints, gaps, heads, query
from windlass.ledger.chain import Link, encode_body, to_text
from windlass.ledger.gaps import Gap
from windlass.ledger.keys import Keys
from windlass.ledger.retention import Entry, Kept, prunable
from windlass.ledger.schema import checkpoints as checkpoints_table
from windlass.ledger.schema import events as table
from windlass.records.checkpoint import Checkpoint
from windlass.records.event import KeyRotated, LedgerPruned

_ENTRIES = select(table.c.sequence, table.c.at, table.c.kind, table.c.product, table.c.subject, table.c.run).order_by(
    table.c.sequence
)
_HASHES = select(table.c.previous, table.c.hash).where(table.c.sequence == bindparam("sequence"))
_DELETE = delete(table).where(table.c.sequence.between(bindparam("first"), bindparam("last")))
_ROWS = 5_000
"""The most events in one transaction, for which other writers wait: about a tenth of a second."""


class Stretch(NamedTuple):
    """Sequences that go together, both ends included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What `Ledger.prune` did."""

    removed: int = 0
    """Events."""
    gaps: int = 0
    """Stretches of sequences that are gone by now."""
    checkpoint: Checkpoint | None = None
    """The last one that was signed behind it; None when there was nothing to remove."""

    def and_then(self, other: Pruned) -> Pruned:
        return Pruned(removed=self.removed + other.removed, gaps=other.gaps, checkpoint=other.checkpoint)


def choose(connection: Connection, kept: Kept, *, upto: int, between: Callable[[], None]) -> list[Stretch]:
    """What may go, as stretches without a hole; `between` is called every few thousand events that were read."""
    entries = (Entry(*row) for row in query.stream(connection, _ENTRIES, between=between))
    return stretches(prunable(entries, kept, upto=upto))


def stretches(sequences: Sequence[int]) -> list[Stretch]:
    """Rising sequences, those that follow on each other put together, none longer than a batch."""
    found: list[Stretch] = []
    for sequence in sequences:
        if found and found[-1].last + 1 == sequence and found[-1].length < _ROWS:
            found[-1] = Stretch(found[-1].first, sequence)
        else:
            found.append(Stretch(sequence, sequence))
    return found


def batches(doomed: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """The stretches, as many together as a transaction should take."""
    batch: list[Stretch] = []
    rows = 0
    for stretch in doomed:
        if batch and rows + stretch.length > _ROWS:
            yield batch
            batch, rows = [], 0
        batch.append(stretch)
        rows += stretch.length
    if batch:
        yield batch


def remove(
    connection: Connection,
    head: Link,
    batch: Sequence[Stretch],
    *,
    before: datetime,
    keys: Keys,
    at: datetime,
    actor: str,
) -> Pruned:
    """Take the batch out, say so, and sign it. `head` is locked."""
    old = gaps.read(connection)
    now = gaps.merged([*old, *(_take(connection, stretch) for stretch in batch)])
    gaps.replace(connection, old, now)
    first, vouching = _forget_checkpoints(connection, upto=batch[-1].last)
    told = LedgerPruned(
        before=before,
        removed=sum(stretch.length for stretch in batch),
        gaps=len(now),
        digest=gaps.digest(now),
        checkpoints_from=first,
        checkpoints_before=vouching,
    )
    written = heads.append(connection, head, [encode_body(told)], at=to_text(at), actor=actor)[-1]
    signed = checkpoints.sign(connection, Link(written.sequence, written.hash), keys, at=at, actor=actor)
    return Pruned(removed=told.removed, gaps=told.gaps, checkpoint=signed)


def _take(connection: Connection, stretch: Stretch) -> Gap:
    first, last = (connection.execute(_HASHES, {"sequence": sequence}).one() for sequence in stretch)
    gone = connection.execute(_DELETE, stretch._asdict()).rowcount
    if gone != stretch.length:
        raise LedgerCorrupt(
            f"of {stretch.length} events {gone} were there: somebody else is removing events",
            where=f"events {stretch.first} to {stretch.last}",
            remedy="nothing was removed; run `windlass ledger verify`",
        )
    return Gap(stretch.first, stretch.last, first.previous, last.hash)


def _forget_checkpoints(connection: Connection, *, upto: int) -> tuple[int, tuple[int, ...]]:
    """Delete those before `upto`, whose events may be gone, except where they vouch for a key.

    The number from which on all are there, and those before it that stay.
    """
    vouching = select(table.c.sequence).where(table.c.kind == KeyRotated.kind())
    at, number = checkpoints_table.c.sequence, checkpoints_table.c.number
    connection.execute(delete(checkpoints_table).where(at <= upto, at.not_in(vouching)))
    stay = connection.execute(select(number).where(at <= upto).order_by(number)).scalars().all()
    first: int = connection.execute(select(number).where(at > upto).order_by(number).limit(1)).scalar_one()
    return first, tuple(stay)
