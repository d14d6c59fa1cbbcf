"""How an event becomes a row, and a row proves the rows before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from windlass.errors import LedgerCorrupt, LedgerError
from windlass.records.event import BY_KIND, Body, Event

START = "0" * 64
"""What the first event names as the hash before it."""
_LONGEST_NAME = 500
"""Characters. PostgreSQL refuses an index entry of more than 2704 bytes, and a character may take four."""

# Sorted dicts: two bodies that say the same give the same text.
_ENCODER = msgspec.json.Encoder(order="deterministic")


class Link(NamedTuple):
    """One event as the chain names it. Whoever holds the same link holds the same events up to it."""

    sequence: int
    hash: str


BEGINNING = Link(0, START)
"""Before the first event."""


class Row(NamedTuple):
    """A row of the table `events`, columns in their order."""

    sequence: int
    at: str
    kind: str
    product: str | None
    subject: str | None
    run: str | None
    actor: str
    body: str
    previous: str
    hash: str


def row_hash(previous: str, content: Sequence[Any]) -> str:
    """sha256 over the hash before, followed by the row's content as one compact JSON array, both in UTF-8.

    `content` is the row from `sequence` to `body`. The array keeps the fields apart, whatever stands in them.
    `json.dumps(content, ensure_ascii=False, separators=(",", ":"))` gives the same bytes, so that a ledger can be
    checked without Windlass.
    """
    return sha256(previous.encode() + _ENCODER.encode(content)).hexdigest()


def seal(
    head: Link,
    *,
    body: Body,
    text: str,
    at: str,
    actor: str,
    product: str | None,
    run: str | None,
) -> Row:
    """The row that follows `head`, the last event."""
    sequence, previous = head.sequence + 1, head.hash
    subject = _plain(body.subject)
    content = (sequence, at, body.kind(), _plain(product), subject, _plain(run), _plain(actor), text)
    return Row(*content, previous, row_hash(previous, content))


def _plain(name: Any) -> Any:
    """`name`, if every database gives it back as it was: another type would break the chain when it is read."""
    if name is None or (type(name) is str and name.isprintable() and len(name) <= _LONGEST_NAME):
        return name
    if not isinstance(name, str) or "\0" in name or not _is_unicode(name) or len(name) > _LONGEST_NAME:
        raise LedgerError(
            f"{name!r:.80} cannot be recorded as the product, subject, run or actor of an event",
            where="event",
            remedy=f"give text of at most {_LONGEST_NAME} characters, without NUL characters or lone surrogates",
        )
    return str(name)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encode_body(body: Body) -> tuple[str, Body]:
    """The text that is kept, and the body as it will be read again.

    Reading it back at once keeps out what could be written but never read, such as NaN (which JSON does not have)
    among the metrics. Raises LedgerError for such a body.
    """
    kind = body.kind()
    if BY_KIND.get(kind) is not type(body):
        raise LedgerError(
            f"{type(body).__qualname__} is not a kind of event",
            where=f"event {kind}",
            remedy="write one of windlass.records.event.ALL",
        )
    try:
        text = _ENCODER.encode(body)
        return text.decode(), _decoder(kind).decode(text)
    except (TypeError, ValueError, OverflowError) as error:  # msgspec's and Unicode's errors are ValueErrors
        raise LedgerError(
            f"this {kind} cannot be recorded: {error}",
            where=f"event {kind}",
            remedy="record plain JSON values only: finite numbers, text, booleans, lists and dicts with text keys",
        ) from error


@cache
def _decoder(kind: str) -> msgspec.json.Decoder[Body]:
    """Made when the first of its kind is met: a command reads a few kinds, and there are fifty."""
    return msgspec.json.Decoder(BY_KIND[kind])


def decode(row: Any) -> Event:
    """A row of the table as an event.

    Fields that this release does not know are left out. Raises LedgerError for a kind it does not know, since
    acting on half the story would be worse than stopping.
    """
    sequence, at, kind, product, _subject, run, actor, body, previous, hashed = row
    if kind not in BY_KIND:
        raise LedgerError(
            f"event {sequence} is of a kind that this release does not know: {kind!r}",
            where=f"event {sequence}",
            remedy="a newer release writes to this ledger: pip install --upgrade windlass",
        )
    try:
        return Event(
            sequence=sequence,
            at=from_text(at),
            product=product,
            run=run,
            actor=actor,
            body=_decoder(kind).decode(body),
            previous=previous,
            hash=hashed,
        )
    except (TypeError, ValueError) as error:
        raise LedgerCorrupt(
            f"event {sequence} ({kind}) cannot be read: {error}",
            where=f"event {sequence}",
            remedy="run `windlass ledger verify`; if it finds nothing, a newer release wrote it: upgrade windlass",
        ) from error


def to_text(moment: datetime) -> str:
    """UTC with microseconds, always 27 characters. Raises LedgerError for a time without a zone."""
    if moment.tzinfo is None:
        raise LedgerError(
            f"the time {moment.isoformat()} has no time zone", where="`at`", remedy="pass an aware datetime, in UTC"
        )
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """What `to_text` wrote."""
    return datetime.fromisoformat(text)
