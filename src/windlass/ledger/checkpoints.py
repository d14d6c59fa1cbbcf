"""Signatures under the ledger's past, in the ledger and outside of it.

A checkpoint signs the hash of an event, and through the chain every event before it. The last one also lies in a small
file outside of the database, so that an end that was cut off together with its checkpoints shows.

The functions that take a connection work inside a transaction of their caller's.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from windlass.errors import LedgerCorrupt, SigningError
from windlass.ledger import gaps, heads, query
from windlass.ledger.chain import Link, decode, encode_body, from_text, to_text
from windlass.ledger.keys import Keys, SigningKey
from windlass.ledger.schema import checkpoints as table
from windlass.records.checkpoint import Checkpoint
from windlass.records.event import KeyRotated

_PURPOSE = "windlass.checkpoint.1"
"""Begins what is signed, so that the signature can be taken for nothing else that the key signs."""
_ALL = select(*table.c).order_by(table.c.number)
_LAST = select(*table.c).order_by(table.c.number.desc()).limit(1)


def content(checkpoint: Checkpoint) -> bytes:
    """What is signed: all that the checkpoint says, as a compact JSON array in UTF-8."""
    said = [checkpoint.number, checkpoint.sequence, checkpoint.hash, to_text(checkpoint.at), checkpoint.key]
    return msgspec.json.encode([_PURPOSE, *said])


def every(connection: Connection) -> list[Checkpoint]:
    """All checkpoints that are kept, in order."""
    return [_from_row(row) for row in connection.execute(_ALL)]


def last(connection: Connection) -> Checkpoint | None:
    """The newest; None when nothing was ever signed."""
    row = connection.execute(_LAST).first()
    return None if row is None else _from_row(row)


def rotations(connection: Connection) -> list[tuple[int, KeyRotated]]:
    """The events by which keys came into force, with their sequences, in order."""
    rows = query.rows(connection, kinds=(KeyRotated,))
    events = [decode(row) for row in rows]
    return [(event.sequence, event.body) for event in events if isinstance(event.body, KeyRotated)]


def key_in_force(connection: Connection) -> KeyRotated | None:
    """The key that signs the next checkpoint; None before the first."""
    known = rotations(connection)
    return known[-1][1] if known else None


def check_continues(connection: Connection, outside: Checkpoint | None) -> None:
    """Raise SigningError when `outside` is not in the ledger: another signature would cover up that it was cut."""
    if outside is None:
        return
    found = connection.execute(select(*table.c).where(table.c.number == outside.number)).first()
    gone = any(outside.number < pruning.checkpoints_from for _, pruning in gaps.prunings(connection))
    if (found is None and not gone) or (found is not None and _from_row(found) != outside):
        raise SigningError(
            f"checkpoint {outside.number}, which signs event {outside.sequence} and was kept outside, is not in the "
            "ledger: the end of the ledger was cut off, or an older copy was put back",
            where=f"event {outside.sequence}",
            remedy="see `windlass ledger verify`; if a copy was put back on purpose, put back its checkpoint.json too",
        )


def sign(connection: Connection, head: Link, keys: Keys, *, at: datetime, actor: str) -> Checkpoint:
    """A checkpoint at `head`, which is locked; the one that is there already when nothing has happened since.

    A ledger that has no key yet gets its first. Raises SigningError when the private key cannot be used.
    """
    known = key_in_force(connection)
    key = keys.first() if known is None else keys.load(known.key)
    if known is None:
        began = KeyRotated(key=key.id, public=key.public.hex(), previous=None, reason="the first key")
        head = _append(connection, head, began, at=at, actor=actor)
    newest = last(connection)
    if newest is not None and (newest.sequence, newest.key) == (head.sequence, key.id):
        return newest
    return _insert(connection, head, key, at=at)


def rotate(
    connection: Connection, head: Link, change: KeyRotated, *, old: SigningKey | None, at: datetime, actor: str
) -> None:
    """Put another key in the place of the present one; `old`, if it is not lost, vouches for it by a checkpoint.

    Raises SigningError when somebody else has replaced the key in the meantime.
    """
    known = key_in_force(connection)
    if known is None or known.key != change.previous:
        raise SigningError(
            "the key was replaced by somebody else at this moment",
            where=f"key {change.previous}",
            remedy="see `windlass ledger key`, and decide anew",
        )
    head = _append(connection, head, change, at=at, actor=actor)
    if old is not None:
        _insert(connection, head, old, at=at)


def write_outside(path: Path, checkpoint: Checkpoint) -> None:
    """Keep the checkpoint in a file: whole or not at all, synced.

    A process that was stopped for a while may put an older one in its place. That one is in the ledger too, so nothing
    seems wrong that is not; until the next signature a cut end shows only back to there.
    """
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with staged.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(checkpoint), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError as error:
        raise SigningError(
            f"the checkpoint cannot be kept outside of the ledger: {error.strerror}",
            where=str(path),
            remedy="check the rights on the folder and the room on the disk",
        ) from error


def read_outside(path: Path) -> Checkpoint | None:
    """What `write_outside` kept; None when there is no such file. Raises SigningError when it holds something else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise SigningError(
            f"the checkpoint outside of the ledger cannot be read: {error}",
            where=str(path),
            remedy="put back a copy; without one, delete it and run `windlass ledger checkpoint`",
        ) from error


def _insert(connection: Connection, head: Link, key: SigningKey, *, at: datetime) -> Checkpoint:
    newest = last(connection)
    number = 1 if newest is None else newest.number + 1
    unsigned = Checkpoint(number=number, sequence=head.sequence, hash=head.hash, at=at, key=key.id, signature="")
    signed = msgspec.structs.replace(unsigned, signature=key.sign(content(unsigned)))
    connection.execute(insert(table), {**msgspec.structs.asdict(signed), "at": to_text(at)})
    return signed


def _append(connection: Connection, head: Link, body: KeyRotated, *, at: datetime, actor: str) -> Link:
    (row,) = heads.append(connection, head, [encode_body(body)], at=to_text(at), actor=actor)
    return Link(row.sequence, row.hash)


def _from_row(row: Any) -> Checkpoint:
    try:
        said = dict(zip(Checkpoint.__struct_fields__, row, strict=True))
        return msgspec.convert(said | {"at": from_text(row.at)}, Checkpoint)
    except (TypeError, ValueError) as error:
        raise LedgerCorrupt(
            f"checkpoint {row.number} cannot be read: {error}",
            where=f"checkpoint {row.number}",
            remedy="run `windlass ledger verify`",
        ) from error
