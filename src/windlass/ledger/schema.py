"""The tables of the ledger, in types that every database has."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    insert,
)

from windlass.ledger.chain import START

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
)
for name, columns in {
    "events_kind": ("kind",),
    "events_product": ("product",),
    "events_product_kind": ("product", "kind"),
    "events_subject": ("subject",),
    "events_run": ("run",),
}.items():
    # Each ends with the sequence, by SQLite's nature or by name: the newest events of a product, without sorting all.
    Index(name, *(events.c[column] for column in columns)).ddl_if(dialect="sqlite")
    Index(name, *(events.c[column] for column in columns), events.c.sequence).ddl_if(dialect="postgresql")

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

_revision = Table(
    VERSION_TABLE,
    MetaData(),  # not the ledger's own: alembic keeps it
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


def make(connection: Connection) -> None:
    """Make in an empty database what all migrations in a row would leave there.

    Alembic would do it too, and takes ten times as long, nearly all of it to be imported.
    """
    for tables in (metadata, _revision.metadata):
        tables.create_all(connection, checkfirst=False)
    connection.execute(insert(head).values(id=1, sequence=0, hash=START))
    connection.execute(insert(lease).values(name="controller", token=0))
    connection.execute(insert(_revision).values(version_num=REVISIONS[-1]))
