"""The tables of the ledger, in types that every database has."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, MetaData, SmallInteger, Table, Text

REVISIONS = ("0001", "0002", "0003")
"""Every revision of the schema, oldest first; the last is the one this release writes.

A release that adds a kind of event adds a revision too, even an empty one, so that an older release refuses a ledger
that it would understand only in part.
"""
VERSION_TABLE = "ledger_schema"

_BIG = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite keeps only a plain INTEGER as the row's own number; others need the wide type."""

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("sequence", _BIG, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),  # 2013-03-01T05:00:00.000000Z: fixed width, so that text sorts as time
    Column("kind", Text, nullable=False),
    Column("product", Text),
    Column("subject", Text),
    Column("run", Text),
    Column("actor", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON as text: a JSON type would hand back other bytes than were hashed
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    # Each ends with the sequence, by SQLite's nature or by name: the newest events of a product, without sorting all.
    Index("events_kind", "kind"),
    Index("events_product", "product"),
    Index("events_product_kind", "product", "kind"),
    Index("events_subject", "subject"),
    Index("events_run", "run"),
)

head = Table(
    "head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", _BIG, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("id = 1", name="head_is_one_row"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text),
    Column("token", _BIG, nullable=False),
    Column("expires_at", Text),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("number", _BIG, primary_key=True, autoincrement=False),
    Column("sequence", _BIG, nullable=False),
    Column("hash", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("signature", Text, nullable=False),
)

gaps = Table(
    "gaps",  # where pruning removed events: one row for each stretch of sequences
    metadata,
    Column("first", _BIG, primary_key=True, autoincrement=False),
    Column("last", _BIG, nullable=False),
    Column("previous", Text, nullable=False),  # what the first of them named as the hash before it
    Column("hash", Text, nullable=False),  # of the last of them
)
