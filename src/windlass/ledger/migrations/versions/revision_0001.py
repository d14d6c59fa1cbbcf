"""The first schema: events, their head, the lease."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NO_HASH = "0" * 64


def upgrade() -> None:
    """Make the tables, and the one row each of `head` and `lease` that every later write finds."""
    op.create_table(
        "events",
        sa.Column("sequence", _BIG, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("product", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("run", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    # SQLite's indexes end with the row's number by themselves. Elsewhere it is said, or the newest events of a product
    # would be found by sorting all of them.
    last = [] if op.get_bind().dialect.name == "sqlite" else ["sequence"]
    op.create_index("events_kind", "events", ["kind", *last])
    op.create_index("events_product", "events", ["product", *last])
    op.create_index("events_product_kind", "events", ["product", "kind", *last])
    op.create_index("events_subject", "events", ["subject", *last])
    op.create_index("events_run", "events", ["run", *last])
    head = op.create_table(
        "head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", _BIG, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.CheckConstraint("id = 1", name="head_is_one_row"),
    )
    lease = op.create_table(
        "lease",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text),
        sa.Column("token", _BIG, nullable=False),
        sa.Column("expires_at", sa.Text),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": _NO_HASH}])
    op.bulk_insert(lease, [{"name": "controller", "holder": None, "token": 0, "expires_at": None}])
