"""Reading events: which rows, by which index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from windlass.ledger.schema import events
from windlass.records.event import Body

EVERYTHING = select(*events.c).order_by(events.c.sequence)
_STREAMED = 2_000
"""Rows in memory at once while the whole ledger is read."""


def rows(
    connection: Connection,
    *,
    kinds: Sequence[type[Body]],
    product: str | None = None,
    subject: str | None = None,
    run: str | None = None,
    after: int = 0,
    newest: int | None = None,
) -> list[Any]:
    """The rows of `Ledger.events`, in order."""
    names = sorted({kind.kind() for kind in kinds})
    where: list[ColumnElement[bool]] = [events.c.sequence > after]
    where += [
        column == value
        for column, value in ((events.c.product, product), (events.c.subject, subject), (events.c.run, run))
        if value is not None
    ]
    if newest is None:
        if names:
            where.append(events.c.kind.in_(names))
        return list(connection.execute(EVERYTHING.where(*where)).all())
    # One question a kind: an index hands each its newest in order, where one question for all would sort them all.
    found: list[Any] = []
    for chosen in [[*where, events.c.kind == name] for name in names] or [where]:
        found += connection.execute(_newest(chosen, newest)).all()
    found.sort(key=itemgetter(0))
    return found[max(len(found) - newest, 0) :]


def hash_at(connection: Connection, sequence: int) -> str | None:
    """The hash of an event; None when there is no such event."""
    found: str | None = connection.execute(select(events.c.hash).where(events.c.sequence == sequence)).scalar()
    return found


def stream(
    connection: Connection, question: Select[Any] = EVERYTHING, *, between: Callable[[], None] = lambda: None
) -> Iterator[Any]:
    """Every row, in order, a few thousand in memory at a time; `between` is called after those."""
    found = connection.execution_options(yield_per=_STREAMED).execute(question)
    for part in found.partitions():
        yield from part
        between()


def _newest(where: Sequence[ColumnElement[bool]], count: int) -> Select[Any]:
    return select(*events.c).where(*where).order_by(events.c.sequence.desc()).limit(count)
