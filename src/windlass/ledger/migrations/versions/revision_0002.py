"""Signed checkpoints, and the gaps that pruning leaves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make two tables; the kinds `key.rotated` and `ledger.pruned` come with them."""
    op.create_table(
        "checkpoints",
        sa.Column("number", _BIG, primary_key=True, autoincrement=False),
        sa.Column("sequence", _BIG, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )
    op.create_table(
        "gaps",
        sa.Column("first", _BIG, primary_key=True, autoincrement=False),
        sa.Column("last", _BIG, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
